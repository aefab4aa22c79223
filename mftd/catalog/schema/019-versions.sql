-- Part of mftd; see LICENSE.
--
-- Deliveries of one route to one name are sent one after the other.

-- Of route, partner, directory and name: versions.h.  0: made before there was
-- one, and in no order.
ALTER TABLE delivery ADD COLUMN name_key BIGINT NOT NULL DEFAULT 0;
-- The id of the one of its name that a claim has found before it; "": none.  A
-- hint: what it names may have ended since.
ALTER TABLE delivery ADD COLUMN behind TEXT NOT NULL DEFAULT '';

-- What is known to wait for another one is not in the way of a claim.
DROP INDEX delivery_claim;
CREATE INDEX delivery_claim ON delivery
	(queue, partner DESC, priority DESC, due_us, id)
	WHERE ordered = 0 AND behind = '' AND state IN ('QUEUED', 'WAITING');
CREATE INDEX delivery_behind ON delivery (queue, behind)
	WHERE behind <> '';

-- An expression, not the column: no other index that knows the state will do
-- then, whatever a planner's statistics of yesterday say.
CREATE INDEX delivery_version ON delivery
	(name_key, (state || ''), order_us, order_seq, id)
	WHERE name_key <> 0;
