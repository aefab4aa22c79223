-- Part of mftd; see LICENSE.
--
-- Bytes per second to a partner, over all its connections; 0: no bound.
ALTER TABLE partner ADD COLUMN bandwidth BIGINT NOT NULL DEFAULT 0;
