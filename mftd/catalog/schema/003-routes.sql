-- Part of mftd; see LICENSE.
--
-- Which files a route takes, and how it calls them.

ALTER TABLE route ADD COLUMN files TEXT;         -- patterns, a line each
ALTER TABLE route ADD COLUMN except_files TEXT;  -- the same
ALTER TABLE route ADD COLUMN name_template TEXT;

-- The last number that a route gave.  It outlives a change of the route.
CREATE TABLE route_sequence (
	route TEXT PRIMARY KEY,
	last BIGINT NOT NULL
);
ALTER TABLE delivery ADD COLUMN seq BIGINT NOT NULL DEFAULT 0; -- 0: none
