-- Part of mftd; see LICENSE.
--
-- Deliveries that wait for their volume: what it is called is away.h's.

CREATE INDEX delivery_away ON delivery (queue, volume, due_us)
	WHERE state = 'WAITING' AND error = 'its volume is not on this node';
