-- Part of mftd; see LICENSE.
--
-- What an account may do, and how it may log in.

ALTER TABLE account ADD COLUMN methods TEXT;
ALTER TABLE account ADD COLUMN expires_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN read_only BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN symlinks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN umask BIGINT NOT NULL DEFAULT 18; -- 022
ALTER TABLE account ADD COLUMN file_group TEXT;
ALTER TABLE account ADD COLUMN quota_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN quota_files BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN in_bytes_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN out_bytes_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN sessions_max BIGINT NOT NULL DEFAULT 0;

-- Lists of an account: authority, principal, source.
CREATE TABLE account_entry (
	account TEXT NOT NULL REFERENCES account (name),
	kind TEXT NOT NULL,
	position BIGINT NOT NULL,
	line TEXT NOT NULL,
	PRIMARY KEY (account, kind, position)
);

CREATE TABLE account_folder (
	account TEXT NOT NULL REFERENCES account (name),
	position BIGINT NOT NULL,
	name TEXT NOT NULL,
	path TEXT NOT NULL,
	read_only BIGINT NOT NULL,
	PRIMARY KEY (account, position)
);
