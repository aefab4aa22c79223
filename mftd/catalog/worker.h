/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_WORKER_H
#define MFTD_CATALOG_WORKER_H

struct mftd_worker;

/*
 * The catalog process: brings configuration in and journal records out, and is
 * the only one here that waits for the database on inbound's behalf.
 *
 * It keeps <state_dir>/snapshot.db, the last known good objects: at start an
 * existing one is announced to auth at once, whether or not the database is
 * there.  A database that says version 0 (made anew) does not replace it.
 * Nothing else stops while the database is away: streams grow, and are
 * forwarded from their marks when it is back.
 *
 * A link in .mft/out is released once journals of all volumes are up; journals
 * ignore receipts that are not theirs.
 */
void mftd_catalog_main(struct mftd_worker *w);

#endif
