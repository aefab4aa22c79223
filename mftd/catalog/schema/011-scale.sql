-- Part of mftd; see LICENSE.
--
-- Which deliveries of a partner come first, and which keep an order; and
-- indexes of what there is to do, whatever else there is.

ALTER TABLE route ADD COLUMN priority BIGINT NOT NULL DEFAULT 5;
ALTER TABLE route ADD COLUMN ordered BIGINT NOT NULL DEFAULT 0;

ALTER TABLE delivery ADD COLUMN priority BIGINT NOT NULL DEFAULT 5;
-- 1: none begins while an earlier one of its route is on the way; 2: earlier
-- ones that wait for a person do not count.
ALTER TABLE delivery ADD COLUMN ordered BIGINT NOT NULL DEFAULT 0;
-- When its file was received, and as the how-manyeth record of its stream.
ALTER TABLE delivery ADD COLUMN order_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN order_seq BIGINT NOT NULL DEFAULT 0;

-- Claiming goes from partner to partner and there from priority to priority;
-- those that keep an order are not in its way.
DROP INDEX delivery_claim;
CREATE INDEX delivery_claim ON delivery
	(queue, partner DESC, priority DESC, due_us, id)
	WHERE ordered = 0 AND state IN ('QUEUED', 'WAITING');

-- The first of each route is the one whose turn it is.
CREATE INDEX delivery_order ON delivery
	(queue, partner, route, order_us, order_seq, id, state)
	WHERE (ordered = 1 AND state NOT IN ('DONE', 'CANCELLED')) OR
	(ordered = 2 AND state IN ('QUEUED', 'WAITING', 'CLAIMED', 'SENDING',
	'SENT', 'PUBLISHING', 'DELIVERED'));

-- What is in hand, and what waits for a person, not all that ever was.  Spelt
-- out as that of delivery_special.  No other index but the two above has
-- QUEUED: a planner with statistics of yesterday would take it for as good.
DROP INDEX delivery_state;
CREATE INDEX delivery_in_hand ON delivery (queue, id)
	WHERE state = 'CLAIMED' OR state = 'SENDING' OR state = 'SENT' OR
	state = 'PUBLISHING' OR state = 'DELIVERED';
CREATE INDEX delivery_stopped ON delivery (queue, state)
	WHERE state = 'IN_DOUBT' OR state = 'FAILED';

-- Repetitions of an upload, not all uploads of that name.
DROP INDEX receipt_path;
CREATE INDEX receipt_same ON receipt (account, path, sha256, size)
	WHERE has_routes = 1;

-- Links that may go are found by what has ended, not among those that wait.
ALTER TABLE receipt ADD COLUMN matched BIGINT NOT NULL DEFAULT 0; -- ever
UPDATE receipt SET matched = 1
	WHERE id IN (SELECT receipt FROM delivery);
ALTER TABLE delivery ADD COLUMN released BIGINT NOT NULL DEFAULT 0;
UPDATE delivery SET released = 1
	WHERE receipt IN (SELECT id FROM receipt WHERE released = 1);
DROP INDEX receipt_unreleased;
CREATE INDEX receipt_bare ON receipt (pending, outcome_us)
	WHERE has_routes = 1 AND released = 0 AND known = 1 AND matched = 0;
CREATE INDEX delivery_ended ON delivery (receipt)
	WHERE released = 0 AND state IN ('DONE', 'CANCELLED');
