-- Part of mftd; see LICENSE.
--
-- What is done with what a cut fetch left.

ALTER TABLE route_pull ADD COLUMN resume TEXT NOT NULL DEFAULT 'restart';
