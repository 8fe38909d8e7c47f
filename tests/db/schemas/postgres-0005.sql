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
CREATE TABLE public.store_aliases (
    model character varying(128) NOT NULL,
    alias character varying(64) NOT NULL,
    version integer NOT NULL,
    move integer NOT NULL
);
CREATE TABLE public.store_chunks (
    digest bytea NOT NULL,
    pack character varying(64) NOT NULL,
    start bigint NOT NULL,
    size integer NOT NULL
);
CREATE TABLE public.store_journal (
    id integer NOT NULL,
    model character varying(128) NOT NULL,
    kind character varying(16) NOT NULL,
    alias character varying(64) NOT NULL,
    version integer NOT NULL,
    below integer,
    at double precision NOT NULL,
    moved_by character varying NOT NULL,
    reason text NOT NULL
);
CREATE SEQUENCE public.store_journal_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.store_journal_id_seq OWNED BY public.store_journal.id;
CREATE TABLE public.store_loose (
    pack character varying(64) NOT NULL
);
CREATE TABLE public.store_models (
    name character varying(128) NOT NULL,
    last integer NOT NULL
);
CREATE TABLE public.store_packs (
    id character varying(64) NOT NULL,
    size bigint NOT NULL,
    digest character varying(64) NOT NULL,
    created double precision NOT NULL
);
CREATE TABLE public.store_parents (
    model character varying(128) NOT NULL,
    version integer NOT NULL,
    parent_model character varying(128) NOT NULL,
    parent_version integer NOT NULL
);
CREATE TABLE public.store_pins (
    session character varying(36) NOT NULL,
    pack character varying(64) NOT NULL
);
CREATE TABLE public.store_sessions (
    id character varying(36) NOT NULL,
    until double precision NOT NULL
);
CREATE TABLE public.store_uses (
    model character varying(128) NOT NULL,
    version integer NOT NULL,
    pack character varying(64) NOT NULL
);
CREATE TABLE public.store_versions (
    model character varying(128) NOT NULL,
    version integer NOT NULL,
    digest character varying(64) NOT NULL,
    created double precision NOT NULL,
    made_by character varying NOT NULL,
    format character varying NOT NULL,
    task character varying NOT NULL,
    size bigint NOT NULL,
    files integer NOT NULL,
    stored bigint NOT NULL
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
ALTER TABLE ONLY public.store_journal ALTER COLUMN id SET DEFAULT nextval('public.store_journal_id_seq'::regclass);
INSERT INTO public.access_changes VALUES (0);
INSERT INTO public.access_keys VALUES ('row', 'row', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', '["infer"]', 1000.5, 1, 1000.5, 'row', 1000.5, NULL, 1000.5);
INSERT INTO public.pumice_schema VALUES (5);
INSERT INTO public.store_aliases VALUES ('row', 'row', 1, 1);
INSERT INTO public.store_chunks VALUES ('\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'row', 1, 1);
INSERT INTO public.store_journal VALUES (1, 'row', 'push', 'row', 1, 1, 1000.5, 'row', 'row');
INSERT INTO public.store_loose VALUES ('row');
INSERT INTO public.store_models VALUES ('row', 1);
INSERT INTO public.store_packs VALUES ('row', 1, 'row', 1000.5);
INSERT INTO public.store_parents VALUES ('row', 1, 'row', 1);
INSERT INTO public.store_pins VALUES ('row', 'row');
INSERT INTO public.store_sessions VALUES ('row', 1000.5);
INSERT INTO public.store_uses VALUES ('row', 1, 'row');
INSERT INTO public.store_versions VALUES ('row', 1, 'row', 1000.5, 'row', 'row', 'row', 1, 1, 1);
INSERT INTO public.task_owners VALUES ('row', 1000.5);
INSERT INTO public.task_parts VALUES ('row', 1, 1, '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
INSERT INTO public.task_results VALUES ('row', 'row', 'row', 'row', 1000.5, 1000.5, 1, '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'row', 1000.5);
INSERT INTO public.task_webhooks VALUES ('row', 'row', 1000.5, 1000.5, 1);
INSERT INTO public.tasks VALUES ('row', 'row', 'row', 1, 'row', 1000.5, 'row', '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'row', 1, 1000.5, 'row');
ALTER TABLE ONLY public.access_keys
    ADD CONSTRAINT access_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.store_aliases
    ADD CONSTRAINT store_aliases_pkey PRIMARY KEY (model, alias);
ALTER TABLE ONLY public.store_chunks
    ADD CONSTRAINT store_chunks_pkey PRIMARY KEY (digest);
ALTER TABLE ONLY public.store_journal
    ADD CONSTRAINT store_journal_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.store_loose
    ADD CONSTRAINT store_loose_pkey PRIMARY KEY (pack);
ALTER TABLE ONLY public.store_models
    ADD CONSTRAINT store_models_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.store_packs
    ADD CONSTRAINT store_packs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.store_parents
    ADD CONSTRAINT store_parents_pkey PRIMARY KEY (model, version, parent_model, parent_version);
ALTER TABLE ONLY public.store_pins
    ADD CONSTRAINT store_pins_pkey PRIMARY KEY (session, pack);
ALTER TABLE ONLY public.store_sessions
    ADD CONSTRAINT store_sessions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.store_uses
    ADD CONSTRAINT store_uses_pkey PRIMARY KEY (model, version, pack);
ALTER TABLE ONLY public.store_versions
    ADD CONSTRAINT store_versions_pkey PRIMARY KEY (model, version);
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
CREATE INDEX store_chunks_pack ON public.store_chunks USING btree (pack);
CREATE INDEX store_journal_alias ON public.store_journal USING btree (model, alias, id);
CREATE INDEX store_parents_parent ON public.store_parents USING btree (parent_model, parent_version);
CREATE INDEX store_pins_pack ON public.store_pins USING btree (pack);
CREATE INDEX store_uses_pack ON public.store_uses USING btree (pack);
CREATE INDEX store_versions_digest ON public.store_versions USING btree (digest);
CREATE INDEX task_results_expires ON public.task_results USING btree (expires);
CREATE INDEX task_results_finished ON public.task_results USING btree (finished);
CREATE INDEX task_webhooks_due ON public.task_webhooks USING btree (due);
CREATE INDEX tasks_waiting ON public.tasks USING btree (owner, model, version, priority, id);
