-- Part of mftd; see LICENSE.
--
-- A route may lead to an account's folder instead of a partner's.

ALTER TABLE route ADD COLUMN to_partner TEXT REFERENCES partner (name);
UPDATE route SET to_partner = partner;
ALTER TABLE route DROP COLUMN partner;
ALTER TABLE route RENAME COLUMN to_partner TO partner;
ALTER TABLE route ADD COLUMN to_account TEXT REFERENCES account (name);

-- What became of the parts that outbound made of files that go to an account.
CREATE TABLE part_outcome (
	part TEXT PRIMARY KEY,
	outcome TEXT NOT NULL,               -- PUBLISHED, ABANDONED
	receipt TEXT NOT NULL                -- '': it never had one
);
