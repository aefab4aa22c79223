-- Part of mftd; see LICENSE.
--
-- Claiming goes from partner to partner: how many wait for one of them costs
-- the others nothing.

DROP INDEX IF EXISTS delivery_due;
CREATE INDEX IF NOT EXISTS delivery_claim ON delivery (queue, partner, due_us, id)
	WHERE state IN ('QUEUED', 'WAITING');
