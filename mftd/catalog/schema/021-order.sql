-- Part of mftd; see LICENSE.
--
-- The order of versions is not that of clocks alone: order.h.

-- Of the stream: what its first and last record were given, how far its node's
-- clock was ahead then, and how far its next records may be off.
ALTER TABLE mark ADD COLUMN first_us BIGINT NOT NULL DEFAULT 0; -- 0: unknown
ALTER TABLE mark ADD COLUMN order_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mark ADD COLUMN skew_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mark ADD COLUMN off_us BIGINT NOT NULL DEFAULT 0;
UPDATE mark SET order_us = coalesce((SELECT time_us FROM record
	WHERE record.stream = mark.stream AND record.seq = mark.seq), 0);

-- A node; '' is the catalog's own clock, of which last_us is the latest time
-- that was seen.
CREATE TABLE node_clock (
	node TEXT PRIMARY KEY,
	skew_us BIGINT NOT NULL,             -- how far it is ahead; 0: it agrees
	incarnation TEXT NOT NULL,           -- its last one that forwarded
	first_us BIGINT NOT NULL,            -- where that begins
	last_us BIGINT NOT NULL              -- the greatest that it was given
);

-- NULL: of before this, its time_us.
ALTER TABLE receipt ADD COLUMN order_us BIGINT;
ALTER TABLE receipt ADD COLUMN order_off_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE receipt ADD COLUMN order_by TEXT NOT NULL DEFAULT '';
ALTER TABLE name_event ADD COLUMN order_us BIGINT;

-- How far order_us may be off, and whose order it is: that of a node and volume,
-- or '/', that in which files were found.
ALTER TABLE delivery ADD COLUMN order_off_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN order_by TEXT NOT NULL DEFAULT '';
-- 1: a person was asked whether it is to go before or behind another one.
ALTER TABLE delivery ADD COLUMN order_asked BIGINT NOT NULL DEFAULT 0;

-- An expression, so that no other index will do: there are few of them.
CREATE INDEX delivery_order_off ON delivery ((name_key + 0))
	WHERE order_off_us > 0;

-- Those of before 019, until they have a key.
CREATE INDEX delivery_keyless ON delivery (id)
	WHERE name_key = 0 AND state NOT IN ('DONE', 'CANCELLED');

-- What waits for one of another queue, since its route has changed.
CREATE INDEX delivery_next ON delivery (behind) WHERE behind <> '';
