BEGIN TRANSACTION;
CREATE TABLE pumice_schema (version INTEGER NOT NULL);
INSERT INTO "pumice_schema" VALUES(2);
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
COMMIT;
