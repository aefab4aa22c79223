-- Part of mftd; see LICENSE.
--
-- When a route sends.

CREATE TABLE calendar (
	name TEXT PRIMARY KEY,
	closed TEXT                              -- days, a line each
);
ALTER TABLE route ADD COLUMN schedule TEXT;
ALTER TABLE route ADD COLUMN time_zone TEXT;
ALTER TABLE route ADD COLUMN calendar TEXT REFERENCES calendar (name);
