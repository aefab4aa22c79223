-- Part of mftd; see LICENSE.
--
-- Who is told of what.

CREATE TABLE hook (
	name TEXT PRIMARY KEY,
	exec TEXT,                               -- program, arguments: a line each
	url TEXT,                                -- of http or mail
	secret TEXT,                             -- sealed
	secret_file TEXT,
	ca_file TEXT,
	mail_from TEXT,                          -- mail, if there is one
	mail_to TEXT,                            -- a line each
	login TEXT,
	starttls BIGINT NOT NULL,
	timeout_s BIGINT NOT NULL,
	tries BIGINT NOT NULL
);

-- The events that it wants; state is the one in which a delivery is then, or
-- "".  Empty tables: no event is ever written.
CREATE TABLE hook_want (
	hook TEXT NOT NULL REFERENCES hook (name),
	event TEXT NOT NULL,
	state TEXT NOT NULL,
	PRIMARY KEY (hook, event)
);

-- Of which routes, accounts, partners; none of a kind: of all.
CREATE TABLE hook_filter (
	hook TEXT NOT NULL REFERENCES hook (name),
	kind TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (hook, kind, value)
);

-- What happened, for those who want to know.  The id says of what it is, so
-- that it comes into being once.  What never changes is read where it stands.
CREATE TABLE event (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	time_us BIGINT NOT NULL,
	receipt TEXT,
	delivery TEXT,
	route TEXT,
	tries BIGINT NOT NULL DEFAULT 0,         -- of the delivery, then
	host TEXT NOT NULL DEFAULT '',
	error TEXT NOT NULL DEFAULT '',
	since_us BIGINT NOT NULL DEFAULT 0,      -- late: what was waited for from
	until_us BIGINT NOT NULL DEFAULT 0,      -- when, until when
	spread BIGINT NOT NULL DEFAULT 0         -- 1: its runs are being made, 2: are
);
CREATE INDEX event_to_spread ON event (time_us, id) WHERE spread = 0;
CREATE INDEX event_spreading ON event (id) WHERE spread = 1;
CREATE INDEX event_time ON event (time_us);

-- One event, one hook.
CREATE TABLE hook_run (
	event TEXT NOT NULL REFERENCES event (id),
	hook TEXT NOT NULL,
	state TEXT NOT NULL,                     -- QUEUED RUNNING WAITING DONE FAILED
	tries BIGINT NOT NULL DEFAULT 0,
	due_us BIGINT NOT NULL,
	ended_us BIGINT NOT NULL DEFAULT 0,
	error TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (event, hook)
);
CREATE INDEX hook_run_due ON hook_run (hook, due_us)
	WHERE state IN ('QUEUED', 'WAITING');
CREATE INDEX hook_run_running ON hook_run (hook) WHERE state = 'RUNNING';
CREATE INDEX hook_run_failed ON hook_run (hook) WHERE state = 'FAILED';

-- When something must have come for a route.
ALTER TABLE route ADD COLUMN expected_by TEXT;
ALTER TABLE route ADD COLUMN expected_within_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE route ADD COLUMN expected_event TEXT;

-- Up to when that was looked at.  It outlives a change of the route.
CREATE TABLE deadline (
	route TEXT PRIMARY KEY,
	looked_us BIGINT NOT NULL
);
