/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PARTNER_SQL_H
#define MFTD_CATALOG_PARTNER_SQL_H

/* MFTD_DB_PARTNER of each backend (db.h).  SQLite's has its event apart, to be
 * written first, in the same transaction and with the same values. */
extern const char mftd_partner_postgres[];
extern const char mftd_partner_event_sqlite[];
extern const char mftd_partner_sqlite[];

#endif
