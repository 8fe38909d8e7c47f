BEGIN TRANSACTION;
CREATE TABLE pumice_schema (version INTEGER NOT NULL);
INSERT INTO "pumice_schema" VALUES(1);
CREATE TABLE task_owners (
	id VARCHAR(36) NOT NULL, 
	until FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "task_owners" VALUES('row',1000.5);
CREATE TABLE task_results (
	id VARCHAR(36) NOT NULL, 
	model VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	face VARCHAR NOT NULL, 
	accepted FLOAT NOT NULL, 
	finished FLOAT NOT NULL, 
	failed INTEGER NOT NULL, 
	outcome BLOB NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "task_results" VALUES('row','row','row','row',1000.5,1000.5,1,X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
CREATE TABLE tasks (
	id VARCHAR(36) NOT NULL, 
	model VARCHAR NOT NULL, 
	version VARCHAR NOT NULL, 
	priority INTEGER NOT NULL, 
	face VARCHAR NOT NULL, 
	accepted FLOAT NOT NULL, 
	owner VARCHAR(36), 
	request BLOB NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "tasks" VALUES('row','row','row',1,'row',1000.5,'row',X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
CREATE INDEX tasks_waiting ON tasks (owner, model, version, priority, id);
CREATE INDEX task_results_finished ON task_results (finished);
COMMIT;
