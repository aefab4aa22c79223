-- Part of mftd; see LICENSE.
--
-- One schema for PostgreSQL and SQLite.  Paths and file names are BYTEA: they
-- are any bytes, not always UTF-8.  SQLite knows no BYTEA; it gives such a
-- column numeric affinity, which leaves blobs alone.  Times are microseconds
-- since the epoch.

-- The version of the objects.
CREATE TABLE config (
	one BIGINT PRIMARY KEY CHECK (one = 1),
	version BIGINT NOT NULL
);
INSERT INTO config (one, version) VALUES (1, 0);

CREATE TABLE account (
	name TEXT PRIMARY KEY,
	volume TEXT NOT NULL,
	root TEXT NOT NULL,
	password_hash TEXT
);

CREATE TABLE account_key (
	account TEXT NOT NULL REFERENCES account (name),
	position BIGINT NOT NULL,
	line TEXT NOT NULL,
	PRIMARY KEY (account, position)
);

CREATE TABLE partner (
	name TEXT PRIMARY KEY,
	host TEXT NOT NULL,
	port BIGINT NOT NULL,
	login TEXT NOT NULL,
	key_file TEXT NOT NULL
);

CREATE TABLE partner_key (
	partner TEXT NOT NULL REFERENCES partner (name),
	position BIGINT NOT NULL,
	line TEXT NOT NULL,
	PRIMARY KEY (partner, position)
);

CREATE TABLE route (
	name TEXT PRIMARY KEY,
	account TEXT NOT NULL REFERENCES account (name),
	partner TEXT NOT NULL REFERENCES partner (name),
	directory TEXT NOT NULL,
	queue TEXT NOT NULL,
	settle_s BIGINT NOT NULL
);
CREATE INDEX route_account ON route (account);

-- How far a stream is in here, and the stream's records as they were: the
-- audit trail.
CREATE TABLE mark (
	stream TEXT PRIMARY KEY,
	seq BIGINT NOT NULL
);

CREATE TABLE record (
	stream TEXT NOT NULL,
	seq BIGINT NOT NULL,
	time_us BIGINT NOT NULL,
	type BIGINT NOT NULL,
	payload BYTEA NOT NULL,
	PRIMARY KEY (stream, seq)
);
CREATE INDEX record_time ON record (time_us);

-- A receipt comes with its RECEIPT (known) and its outcome, in any order and
-- from different streams; until known, only id and outcome mean something.
CREATE TABLE receipt (
	id TEXT PRIMARY KEY,
	known BIGINT NOT NULL DEFAULT 0,
	outcome TEXT NOT NULL DEFAULT 'OPEN', -- OPEN, PUBLISHED, ABANDONED
	reason TEXT NOT NULL DEFAULT '',
	stream TEXT NOT NULL DEFAULT '',      -- of the RECEIPT
	seq BIGINT NOT NULL DEFAULT 0,
	time_us BIGINT NOT NULL DEFAULT 0,
	outcome_us BIGINT NOT NULL DEFAULT 0,
	session TEXT NOT NULL DEFAULT '',
	account TEXT NOT NULL DEFAULT '',
	volume TEXT NOT NULL DEFAULT '',
	path BYTEA,                           -- as uploaded
	path_now BYTEA,                       -- after later renames
	part TEXT NOT NULL DEFAULT '',
	size BIGINT NOT NULL DEFAULT 0,
	inode BIGINT NOT NULL DEFAULT 0,
	sha256 BYTEA,
	has_routes BIGINT NOT NULL DEFAULT 0, -- linked in .mft/out
	removed BIGINT NOT NULL DEFAULT 0,
	pending BIGINT NOT NULL DEFAULT 0,    -- its name is excluded so far
	replaced_by TEXT,                     -- the client's retry of it
	released BIGINT NOT NULL DEFAULT 0    -- the link is gone
);
CREATE INDEX receipt_inode ON receipt (volume, inode)
	WHERE has_routes = 1 AND released = 0;
CREATE INDEX receipt_path ON receipt (account, path)
	WHERE has_routes = 1;
CREATE INDEX receipt_unreleased ON receipt (time_us)
	WHERE has_routes = 1 AND released = 0;

-- What happened to names, for receipts that come later than it.
CREATE TABLE name_event (
	stream TEXT NOT NULL,
	seq BIGINT NOT NULL,
	time_us BIGINT NOT NULL,
	volume TEXT NOT NULL,
	inode BIGINT NOT NULL,
	kind TEXT NOT NULL,                   -- RENAME, REMOVE
	to_path BYTEA,
	PRIMARY KEY (stream, seq)
);
CREATE INDEX name_event_inode ON name_event (volume, inode);

-- Who owns a queue.
CREATE TABLE role (
	queue TEXT PRIMARY KEY,
	epoch BIGINT NOT NULL,
	owner TEXT NOT NULL,
	raised_us BIGINT NOT NULL
);

-- One receipt, one route.  What the route said is copied: a change of the
-- route does not touch deliveries that exist.
CREATE TABLE delivery (
	id TEXT PRIMARY KEY,
	receipt TEXT NOT NULL REFERENCES receipt (id),
	route TEXT NOT NULL,
	queue TEXT NOT NULL,
	partner TEXT NOT NULL,
	volume TEXT NOT NULL,
	directory TEXT NOT NULL,
	name BYTEA NOT NULL,
	state TEXT NOT NULL,
	tries BIGINT NOT NULL DEFAULT 0,
	size BIGINT NOT NULL,
	sha256 BYTEA,
	host TEXT NOT NULL DEFAULT '',
	mtime BIGINT NOT NULL DEFAULT 0,
	due_us BIGINT NOT NULL,
	error TEXT NOT NULL DEFAULT '',
	unmatched BIGINT NOT NULL DEFAULT 0,  -- cancelled by its file's name
	UNIQUE (receipt, route)
);
CREATE INDEX delivery_due ON delivery (queue, due_us)
	WHERE state IN ('QUEUED', 'WAITING');
CREATE INDEX delivery_state ON delivery (queue, state);
