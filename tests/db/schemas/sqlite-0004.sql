BEGIN TRANSACTION;
CREATE TABLE access_changes (
	count INTEGER NOT NULL
);
INSERT INTO "access_changes" VALUES(0);
CREATE TABLE access_keys (
	id VARCHAR(16) NOT NULL, 
	name VARCHAR NOT NULL, 
	digest BLOB NOT NULL, 
	scopes TEXT NOT NULL, 
	rate FLOAT, 
	burst INTEGER, 
	created FLOAT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	expires FLOAT, 
	revoked FLOAT, 
	used FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "access_keys" VALUES('row','row',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F','["infer"]',1000.5,1,1000.5,'row',1000.5,NULL,1000.5);
CREATE TABLE pumice_schema (version INTEGER NOT NULL);
INSERT INTO "pumice_schema" VALUES(4);
CREATE TABLE store_aliases (
	model VARCHAR(128) NOT NULL, 
	alias VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	move INTEGER NOT NULL, 
	PRIMARY KEY (model, alias)
);
INSERT INTO "store_aliases" VALUES('row','row',1,1);
CREATE TABLE store_chunks (
	digest BLOB NOT NULL, 
	pack VARCHAR(64) NOT NULL, 
	start BIGINT NOT NULL, 
	size INTEGER NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "store_chunks" VALUES(X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F','row',1,1);
CREATE TABLE store_journal (
	id INTEGER NOT NULL, 
	model VARCHAR(128) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	alias VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	below INTEGER, 
	at FLOAT NOT NULL, 
	moved_by VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "store_journal" VALUES(1,'row','push','row',1,1,1000.5,'row','row');
CREATE TABLE store_models (
	name VARCHAR(128) NOT NULL, 
	last INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "store_models" VALUES('row',1);
CREATE TABLE store_packs (
	id VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	created FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "store_packs" VALUES('row',1,'row',1000.5);
CREATE TABLE store_parents (
	model VARCHAR(128) NOT NULL, 
	version INTEGER NOT NULL, 
	parent_model VARCHAR(128) NOT NULL, 
	parent_version INTEGER NOT NULL, 
	PRIMARY KEY (model, version, parent_model, parent_version)
);
INSERT INTO "store_parents" VALUES('row',1,'row',1);
CREATE TABLE store_pins (
	session VARCHAR(36) NOT NULL, 
	pack VARCHAR(64) NOT NULL, 
	PRIMARY KEY (session, pack)
);
INSERT INTO "store_pins" VALUES('row','row');
CREATE TABLE store_sessions (
	id VARCHAR(36) NOT NULL, 
	until FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "store_sessions" VALUES('row',1000.5);
CREATE TABLE store_uses (
	model VARCHAR(128) NOT NULL, 
	version INTEGER NOT NULL, 
	pack VARCHAR(64) NOT NULL, 
	PRIMARY KEY (model, version, pack)
);
INSERT INTO "store_uses" VALUES('row',1,'row');
CREATE TABLE store_versions (
	model VARCHAR(128) NOT NULL, 
	version INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	created FLOAT NOT NULL, 
	made_by VARCHAR NOT NULL, 
	format VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	files INTEGER NOT NULL, 
	stored BIGINT NOT NULL, 
	PRIMARY KEY (model, version)
);
INSERT INTO "store_versions" VALUES('row',1,'row',1000.5,'row','row','row',1,1,1);
CREATE TABLE task_owners (
	id VARCHAR(36) NOT NULL, 
	until FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "task_owners" VALUES('row',1000.5);
CREATE TABLE task_parts (
	task VARCHAR(36) NOT NULL, 
	first INTEGER NOT NULL, 
	rows INTEGER NOT NULL, 
	outcome BLOB NOT NULL, 
	PRIMARY KEY (task, first)
);
INSERT INTO "task_parts" VALUES('row',1,1,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
CREATE TABLE task_results (
	id VARCHAR(36) NOT NULL, 
	model VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	face VARCHAR NOT NULL, 
	accepted FLOAT NOT NULL, 
	finished FLOAT NOT NULL, 
	failed INTEGER NOT NULL, 
	outcome BLOB NOT NULL, caller VARCHAR DEFAULT '' NOT NULL, expires FLOAT, 
	PRIMARY KEY (id)
);
INSERT INTO "task_results" VALUES('row','row','row','row',1000.5,1000.5,1,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F','row',1000.5);
CREATE TABLE task_webhooks (
	id VARCHAR(36) NOT NULL, 
	url VARCHAR NOT NULL, 
	begun FLOAT NOT NULL, 
	due FLOAT NOT NULL, 
	tries INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "task_webhooks" VALUES('row','row',1000.5,1000.5,1);
CREATE TABLE tasks (
	id VARCHAR(36) NOT NULL, 
	model VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	priority INTEGER NOT NULL, 
	face VARCHAR NOT NULL, 
	accepted FLOAT NOT NULL, 
	owner VARCHAR(36), 
	request BLOB NOT NULL, caller VARCHAR DEFAULT '' NOT NULL, rows INTEGER DEFAULT '1' NOT NULL, ttl FLOAT, webhook VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "tasks" VALUES('row','row','row',1,'row',1000.5,'row',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F','row',1,1000.5,'row');
CREATE INDEX tasks_waiting ON tasks (owner, model, version, priority, id);
CREATE INDEX task_results_finished ON task_results (finished);
CREATE INDEX task_results_expires ON task_results (expires);
CREATE INDEX task_webhooks_due ON task_webhooks (due);
CREATE INDEX store_versions_digest ON store_versions (digest);
CREATE INDEX store_parents_parent ON store_parents (parent_model, parent_version);
CREATE INDEX store_journal_alias ON store_journal (model, alias, id);
CREATE INDEX store_chunks_pack ON store_chunks (pack);
CREATE INDEX store_uses_pack ON store_uses (pack);
CREATE INDEX store_pins_pack ON store_pins (pack);
COMMIT;
