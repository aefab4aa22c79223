-- Part of mftd; see LICENSE.
--
-- Hooks are told of partners that are stopped and go on.

-- What such an event is of; no delivery's row has it.
ALTER TABLE event ADD COLUMN partner TEXT;
ALTER TABLE event ADD COLUMN queue TEXT;
ALTER TABLE event ADD COLUMN fault TEXT;     -- away, refused
