-- Part of mftd; see LICENSE.
--
-- More of how a partner is called.

ALTER TABLE partner ADD COLUMN other_hosts TEXT;    -- HOST:PORT, a line each
ALTER TABLE partner ADD COLUMN password TEXT;       -- sealed
ALTER TABLE partner ADD COLUMN source TEXT;
ALTER TABLE partner ADD COLUMN key_exchanges TEXT;
ALTER TABLE partner ADD COLUMN ciphers TEXT;
ALTER TABLE partner ADD COLUMN macs TEXT;
ALTER TABLE partner ADD COLUMN connections BIGINT NOT NULL DEFAULT 4;
ALTER TABLE partner ADD COLUMN connect_s BIGINT NOT NULL DEFAULT 10;
ALTER TABLE partner ADD COLUMN request_s BIGINT NOT NULL DEFAULT 30;
