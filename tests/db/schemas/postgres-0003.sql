CREATE TABLE public.access_changes (
    count integer NOT NULL
);
CREATE TABLE public.access_keys (
    id character varying(16) NOT NULL,
    name character varying NOT NULL,
    digest bytea NOT NULL,
    scopes text NOT NULL,
    rate double precision,
    burst integer,
    created double precision NOT NULL,
    created_by character varying NOT NULL,
    expires double precision,
    revoked double precision,
    used double precision
);
CREATE TABLE public.pumice_schema (
    version integer NOT NULL
);
CREATE TABLE public.task_owners (
    id character varying(36) NOT NULL,
    until double precision NOT NULL
);
CREATE TABLE public.task_parts (
    task character varying(36) NOT NULL,
    first integer NOT NULL,
    rows integer NOT NULL,
    outcome bytea NOT NULL
);
CREATE TABLE public.task_results (
    id character varying(36) NOT NULL,
    model character varying NOT NULL,
    version character varying NOT NULL,
    face character varying NOT NULL,
    accepted double precision NOT NULL,
    finished double precision NOT NULL,
    failed integer NOT NULL,
    outcome bytea NOT NULL,
    caller character varying DEFAULT ''::character varying NOT NULL,
    expires double precision
);
CREATE TABLE public.task_webhooks (
    id character varying(36) NOT NULL,
    url character varying NOT NULL,
    begun double precision NOT NULL,
    due double precision NOT NULL,
    tries integer NOT NULL
);
CREATE TABLE public.tasks (
    id character varying(36) NOT NULL,
    model character varying NOT NULL,
    version character varying NOT NULL,
    priority integer NOT NULL,
    face character varying NOT NULL,
    accepted double precision NOT NULL,
    owner character varying(36),
    request bytea NOT NULL,
    caller character varying DEFAULT ''::character varying NOT NULL,
    rows integer DEFAULT 1 NOT NULL,
    ttl double precision,
    webhook character varying DEFAULT ''::character varying NOT NULL
);
INSERT INTO public.access_changes VALUES (0);
INSERT INTO public.access_keys VALUES ('row', 'row', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '["infer"]', 1000.5, 1, 1000.5, 'row', 1000.5, NULL, 1000.5);
INSERT INTO public.pumice_schema VALUES (3);
INSERT INTO public.task_owners VALUES ('row', 1000.5);
INSERT INTO public.task_parts VALUES ('row', 1, 1, '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
INSERT INTO public.task_results VALUES ('row', 'row', 'row', 'row', 1000.5, 1000.5, 1, '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'row', 1000.5);
INSERT INTO public.task_webhooks VALUES ('row', 'row', 1000.5, 1000.5, 1);
INSERT INTO public.tasks VALUES ('row', 'row', 'row', 1, 'row', 1000.5, 'row', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'row', 1, 1000.5, 'row');
ALTER TABLE ONLY public.access_keys
    ADD CONSTRAINT access_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_owners
    ADD CONSTRAINT task_owners_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_parts
    ADD CONSTRAINT task_parts_pkey PRIMARY KEY (task, first);
ALTER TABLE ONLY public.task_results
    ADD CONSTRAINT task_results_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_webhooks
    ADD CONSTRAINT task_webhooks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);
CREATE INDEX task_results_expires ON public.task_results USING btree (expires);
CREATE INDEX task_results_finished ON public.task_results USING btree (finished);
CREATE INDEX task_webhooks_due ON public.task_webhooks USING btree (due);
CREATE INDEX tasks_waiting ON public.tasks USING btree (owner, model, version, priority, id);
