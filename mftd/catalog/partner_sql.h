/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PARTNER_SQL_H
#define MFTD_CATALOG_PARTNER_SQL_H

/* MFTD_DB_PARTNER of each backend (db.h). */
extern const char mftd_partner_postgres[];
extern const char mftd_partner_sqlite[];

#endif
