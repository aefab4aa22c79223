/* Part of mftd; see LICENSE. */
#include "mftd/node/kinds.h"

#include <stddef.h>

#include "mftd/catalog/worker.h"
#include "mftd/hook/hooks.h"
#include "mftd/inbound/auth.h"
#include "mftd/inbound/listener.h"
#include "mftd/journal/journal.h"
#include "mftd/node/coordinator.h"
#include "mftd/outbound/outbound.h"

const struct mftd_kind mftd_kinds[] = {
	{ MFTD_PROC_COORDINATOR, -1, MFTD_ROLE_STOPPED, 0, MFTD_EACH_ONE, false,
	    mftd_coordinator_main },
	{ MFTD_PROC_CATALOG, -1, MFTD_ROLE_STOPPED, 1, MFTD_EACH_ONE, false,
	    mftd_catalog_main },
	{ MFTD_PROC_JOURNAL, MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED, 0,
	    MFTD_EACH_VOLUME, false, mftd_journal_main },
	{ MFTD_PROC_AUTH, MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED, 1,
	    MFTD_EACH_ONE, true, mftd_auth_main },
	{ MFTD_PROC_LISTENER, MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED, 2,
	    MFTD_EACH_ONE, true, mftd_listener_main },
	{ MFTD_PROC_OUTBOUND, MFTD_SERVICE_OUTBOUND, MFTD_ROLE_PROMOTED, 0,
	    MFTD_EACH_QUEUE, true, mftd_outbound_main },
	{ MFTD_PROC_HOOKS, MFTD_SERVICE_OUTBOUND, MFTD_ROLE_PROMOTED, 1,
	    MFTD_EACH_DEFAULT, true, mftd_hooks_main },
	{ 0 },
};

static const struct {
	enum mftd_proc a, b;
} edges[] = {
	{ MFTD_PROC_COORDINATOR, MFTD_PROC_CATALOG },
	{ MFTD_PROC_COORDINATOR, MFTD_PROC_JOURNAL },
	{ MFTD_PROC_COORDINATOR, MFTD_PROC_AUTH },
	{ MFTD_PROC_COORDINATOR, MFTD_PROC_LISTENER },
	{ MFTD_PROC_COORDINATOR, MFTD_PROC_OUTBOUND },
	{ MFTD_PROC_CATALOG, MFTD_PROC_JOURNAL },
	{ MFTD_PROC_CATALOG, MFTD_PROC_AUTH },
	{ MFTD_PROC_LISTENER, MFTD_PROC_AUTH },
	{ MFTD_PROC_AUTH, MFTD_PROC_JOURNAL },
	{ MFTD_PROC_OUTBOUND, MFTD_PROC_JOURNAL },
	{ MFTD_PROC_OUTBOUND, MFTD_PROC_HOOKS },
};

bool
mftd_kinds_talk(enum mftd_proc a, enum mftd_proc b)
{
	size_t i;

	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		if ((edges[i].a == a && edges[i].b == b) ||
		    (edges[i].a == b && edges[i].b == a))
			return true;
	return false;
}
