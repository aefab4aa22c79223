-- Part of mftd; see LICENSE.
--
-- A route may take the files of a partner's folder.

CREATE TABLE route_pull (
	route TEXT PRIMARY KEY REFERENCES route (name),
	partner TEXT NOT NULL REFERENCES partner (name),
	directory TEXT NOT NULL,                 -- there; '': the login's
	volume TEXT NOT NULL,                    -- where the bytes are kept
	every_s BIGINT NOT NULL,
	stable_s BIGINT NOT NULL,
	fetched TEXT NOT NULL,                   -- keep, delete, move
	move_to TEXT                             -- a folder there
);

-- What is to become of a fetched file at its partner, as its route said then.
-- Written before its receipt: one without is of no meaning.
CREATE TABLE pull (
	receipt TEXT PRIMARY KEY,
	route TEXT NOT NULL,
	partner TEXT NOT NULL,
	directory TEXT NOT NULL,
	name BYTEA NOT NULL,
	size BIGINT NOT NULL,
	mtime BIGINT NOT NULL,
	sha256 BYTEA NOT NULL,
	checked BIGINT NOT NULL,                 -- how: as delivery.verified
	fetched TEXT NOT NULL,                   -- keep, delete, move
	move_to TEXT NOT NULL,
	state TEXT NOT NULL,                     -- KEPT; WANTED, BEGUN, DONE
	target BYTEA,                            -- BEGUN: its whole name there
	due_us BIGINT NOT NULL DEFAULT 0,
	text BYTEA                               -- why it did not work
);
CREATE INDEX pull_open ON pull (route, due_us) WHERE state IN ('WANTED', 'BEGUN');
