/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_PROC_H
#define MFTD_IPC_PROC_H

/* The kinds of process of a node (design: one for each thing that can block).
 */
enum mftd_proc {
	MFTD_PROC_PARENT,
	MFTD_PROC_COORDINATOR,
	MFTD_PROC_CATALOG,
	MFTD_PROC_JOURNAL, /* one per volume: the instance is its name */
	MFTD_PROC_AUTH,
	MFTD_PROC_LISTENER,
	MFTD_PROC_OUTBOUND, /* one per promoted queue: the instance */
	MFTD_PROC_HOOKS, /* one, beside the promoted queue "default" */
	MFTD_PROC_SESSION, /* forked by listener; the instance is its id */
	MFTD_PROC_DELIVER, /* forked by outbound; the instance is its id */
	MFTD_PROC_LOOK, /* forked by outbound; the instance is its route */
	MFTD_PROC_FETCH, /* forked by outbound; the instance is its route */
	MFTD_PROC_COUNT
};

/* The process's name as in logs and in ps ("journal"). */
const char *mftd_proc_name(enum mftd_proc proc);

#endif
