-- Part of mftd; see LICENSE.
--
-- What becomes of a delivery that fails, and of a partner that does.

-- How often a route tries, and for how long; 0: without a bound.
ALTER TABLE route ADD COLUMN retry_tries BIGINT NOT NULL DEFAULT 100;
ALTER TABLE route ADD COLUMN retry_hours BIGINT NOT NULL DEFAULT 24;
ALTER TABLE delivery ADD COLUMN retry_tries BIGINT NOT NULL DEFAULT 100;
ALTER TABLE delivery ADD COLUMN retry_hours BIGINT NOT NULL DEFAULT 24;
-- They count from here: a person who wants it tried again begins anew.
ALTER TABLE delivery ADD COLUMN tries_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN first_us BIGINT NOT NULL DEFAULT 0;

-- The last tries of each delivery: a new one takes the slot of the oldest.
-- Written only with the row of its delivery, in the same statement: no need for
-- a reference that would be looked up each time.
CREATE TABLE delivery_try (
	delivery TEXT NOT NULL,
	slot BIGINT NOT NULL,
	n BIGINT NOT NULL,                       -- delivery.tries then
	begin_us BIGINT NOT NULL,
	end_us BIGINT NOT NULL,                  -- 0: nobody has ended it
	host TEXT NOT NULL,
	bytes BIGINT NOT NULL,
	outcome TEXT NOT NULL,                   -- the event that ended it
	error TEXT NOT NULL,
	PRIMARY KEY (delivery, slot)
);

-- The circuit breaker of each partner, as each queue has found it.  No row:
-- closed.
CREATE TABLE partner_state (
	queue TEXT NOT NULL,
	partner TEXT NOT NULL,
	state TEXT NOT NULL,                     -- closed, open, half-open
	fault TEXT NOT NULL,                     -- away, refused
	since_us BIGINT NOT NULL,
	reason TEXT NOT NULL,
	probes BIGINT NOT NULL,                  -- in vain, since then
	probe_us BIGINT NOT NULL,                -- when the next one is due
	PRIMARY KEY (queue, partner)
);
