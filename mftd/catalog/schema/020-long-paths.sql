-- Part of mftd; see LICENSE.
--
-- An entry of PostgreSQL's indexes has no more than 2,704 bytes: a receipt with a
-- longer path could not be stored, nor what came behind it in its stream.

DROP INDEX receipt_same;
CREATE INDEX receipt_same ON receipt
	(account, substr(path, 1, 512), sha256, size)
	WHERE has_routes = 1;
