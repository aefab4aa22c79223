/* Part of mftd; see LICENSE. */
#include "mftd/ipc/proc.h"

static const char *const names[MFTD_PROC_COUNT] = {
	[MFTD_PROC_PARENT] = "parent",
	[MFTD_PROC_COORDINATOR] = "coordinator",
	[MFTD_PROC_CATALOG] = "catalog",
	[MFTD_PROC_JOURNAL] = "journal",
	[MFTD_PROC_AUTH] = "auth",
	[MFTD_PROC_LISTENER] = "listener",
	[MFTD_PROC_OUTBOUND] = "outbound",
	[MFTD_PROC_HOOKS] = "hooks",
	[MFTD_PROC_SESSION] = "session",
	[MFTD_PROC_DELIVER] = "deliver",
	[MFTD_PROC_LOOK] = "look",
	[MFTD_PROC_FETCH] = "fetch",
};

const char *
mftd_proc_name(enum mftd_proc proc)
{
	return proc < MFTD_PROC_COUNT ? names[proc] : "?";
}
