-- Part of mftd; see LICENSE.
--
-- What becomes of a source once it was delivered.

ALTER TABLE route ADD COLUMN after_done TEXT NOT NULL DEFAULT 'keep';
ALTER TABLE route ADD COLUMN archive TEXT;       -- its folder, a template
ALTER TABLE route ADD COLUMN archive_below TEXT; -- account, volume

-- As the route said it when the delivery was made: keep, archive, delete.
ALTER TABLE delivery ADD COLUMN after_done TEXT NOT NULL DEFAULT 'keep';
ALTER TABLE delivery ADD COLUMN archive TEXT;
ALTER TABLE delivery ADD COLUMN archive_below TEXT;

-- WANTED: some delivery wants something.  BEGUN: a journal was asked; at
-- source_due_us it is asked again.  Then KEPT, ARCHIVED, DELETED.
ALTER TABLE receipt ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE receipt ADD COLUMN source_text BYTEA; -- why, as what, last error
ALTER TABLE receipt ADD COLUMN source_due_us BIGINT NOT NULL DEFAULT 0;
CREATE INDEX receipt_source ON receipt (volume, source_due_us)
	WHERE source = 'WANTED' OR source = 'BEGUN';
