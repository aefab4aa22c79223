-- Part of mftd; see LICENSE.
--
-- Sources that are to be archived or deleted are found when their deliveries
-- have ended, not among all that wait for that.

-- 1: its source's fate is to be looked at when it has ended; 2: it is being.
ALTER TABLE delivery ADD COLUMN due BIGINT NOT NULL DEFAULT 0;
UPDATE delivery SET due = 1
	WHERE receipt IN (SELECT id FROM receipt WHERE source = 'WANTED');
CREATE INDEX delivery_due ON delivery (due, id)
	WHERE due > 0 AND (state = 'DONE' OR state = 'CANCELLED');

-- 1: all of them have ended.
ALTER TABLE receipt ADD COLUMN source_due BIGINT NOT NULL DEFAULT 0;
UPDATE receipt SET source_due = 1 WHERE source = 'BEGUN';
DROP INDEX receipt_source;
CREATE INDEX receipt_due ON receipt (volume, source_due_us)
	WHERE source_due = 1 AND (source = 'WANTED' OR source = 'BEGUN');
