-- Part of mftd; see LICENSE.
--
-- A route may take the files of a folder, beside the uploads of an account.

ALTER TABLE route ADD COLUMN from_account TEXT REFERENCES account (name);
UPDATE route SET from_account = account;
DROP INDEX route_account;
ALTER TABLE route DROP COLUMN account;
ALTER TABLE route RENAME COLUMN from_account TO account;
CREATE INDEX route_account ON route (account);
ALTER TABLE route ADD COLUMN from_volume TEXT;
ALTER TABLE route ADD COLUMN from_folder TEXT;  -- clean, below the volume
ALTER TABLE route ADD COLUMN every_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE route ADD COLUMN stable_s BIGINT NOT NULL DEFAULT 0;

-- '': an upload; FOLDER: found in a folder, which no journal tells of.
ALTER TABLE receipt ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- What a route has found, until its file is gone: which version of each file it
-- was, and the receipt that it was given.
CREATE TABLE found (
	route TEXT NOT NULL,
	path BYTEA NOT NULL,                     -- in the folder
	size BIGINT NOT NULL,
	mtime_ns BIGINT NOT NULL,
	inode BIGINT NOT NULL,
	ctime_ns BIGINT NOT NULL,
	receipt TEXT NOT NULL,
	PRIMARY KEY (route, path)
);
