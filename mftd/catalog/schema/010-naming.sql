-- Part of mftd; see LICENSE.
--
-- How a route wants its files handled at the partner.  A delivery has it from
-- its route when it is made.

ALTER TABLE route ADD COLUMN if_exists TEXT NOT NULL DEFAULT 'fail';
ALTER TABLE route ADD COLUMN resume TEXT NOT NULL DEFAULT 'restart';
ALTER TABLE route ADD COLUMN mtime_kind TEXT NOT NULL DEFAULT 'unique';
ALTER TABLE route ADD COLUMN mode BIGINT NOT NULL DEFAULT 0; -- the server's
ALTER TABLE route ADD COLUMN temp_suffix TEXT NOT NULL DEFAULT '';
ALTER TABLE route ADD COLUMN temp_directory TEXT NOT NULL DEFAULT '';
ALTER TABLE route ADD COLUMN trigger_name TEXT NOT NULL DEFAULT '';
ALTER TABLE route ADD COLUMN trigger_line TEXT NOT NULL DEFAULT '';

ALTER TABLE delivery ADD COLUMN if_exists TEXT NOT NULL DEFAULT 'fail';
ALTER TABLE delivery ADD COLUMN resume TEXT NOT NULL DEFAULT 'restart';
ALTER TABLE delivery ADD COLUMN mtime_kind TEXT NOT NULL DEFAULT 'unique';
ALTER TABLE delivery ADD COLUMN mode BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN temp_suffix TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN temp_directory TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN trigger_name TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN trigger_line TEXT NOT NULL DEFAULT '';

-- What it has come to there: the try whose temporary name it has, the number in
-- its final name, how it was verified, whether the partner had it already.
ALTER TABLE delivery ADD COLUMN temp_try BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN verified TEXT NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN skipped BIGINT NOT NULL DEFAULT 0;
