/* Part of mftd; see LICENSE. */
/*
 * What a clone is told with notify=true. Source: Pacemaker Explained, "Clone
 * Resource Agent Requirements": OCF_RESKEY_CRM_meta_notify_*.
 */
#ifndef MFTD_OCF_NOTIFY_H
#define MFTD_OCF_NOTIFY_H

#include "ocf.h"

/* Lists of node names, separated by blanks; "" if empty. Borrowed. */
struct mftd_ocf_notify {
	const char *type; /* "pre" or "post" */
	const char *operation; /* "start", "stop", "promote", "demote" */
	const char *start;
	const char *stop;
	const char *active;
};

/* Reads the variables of this call; what is missing is "". */
void mftd_ocf_notify_read(struct mftd_ocf_notify *notify);

/*
 * The next name of a list: copies it into name[] and moves *list behind it.
 * Returns 1, 0 at the end, or -ENAMETOOLONG (that name is skipped).
 */
int mftd_ocf_notify_next(
    const char **list, char name[static MFTD_OCF_NODE_MAX + 1]);

#endif
