/* Part of mftd; see LICENSE. */
#include "mftd/catalog/postgres_keeps.h"

#include <string.h>

/* Standbys that are connected, or for which a slot waits.  Logical subscribers
 * count too: without rights the server does not say which is which. */
const char mftd_postgres_keeps[] =
    "SELECT current_setting('synchronous_commit'), "
    "current_setting('fsync'), "
    "current_setting('synchronous_standby_names'), "
    "(SELECT count(*) FROM pg_stat_replication) + "
    "(SELECT count(*) FROM pg_replication_slots "
    "WHERE slot_type = 'physical')";

const char *
mftd_postgres_forgets(const struct mftd_db_value *v)
{
	if (strcmp(v[0].p, "on") != 0 && strcmp(v[0].p, "remote_apply") != 0)
		return "the database may forget: synchronous_commit is below "
		       "on";
	if (strcmp(v[1].p, "on") != 0)
		return "the database may forget: fsync is off";
	if (v[3].i > 0 && v[2].len == 0)
		return "the database may forget: it has standbys, but "
		       "synchronous_standby_names is empty";
	return NULL;
}
