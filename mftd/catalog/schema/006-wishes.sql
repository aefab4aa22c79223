-- Part of mftd; see LICENSE.
--
-- What people wanted of deliveries, in order.
CREATE TABLE delivery_wish (
	delivery TEXT NOT NULL REFERENCES delivery (id),
	n BIGINT NOT NULL,
	time_us BIGINT NOT NULL,
	who TEXT NOT NULL,
	what TEXT NOT NULL,
	from_state TEXT NOT NULL,
	to_state TEXT NOT NULL,
	PRIMARY KEY (delivery, n)
);

-- Those that a person looks for.  One that goes its way never enters it.
-- Spelt out, because SQLite then knows that it does for each of the states.
CREATE INDEX delivery_special ON delivery (state, id)
	WHERE state = 'WAITING' OR state = 'IN_DOUBT' OR state = 'FAILED' OR
	state = 'HELD' OR state = 'CANCELLED';
