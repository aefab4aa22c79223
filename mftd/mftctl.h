/* Part of mftd; see LICENSE. */
#ifndef MFTD_MFTCTL_H
#define MFTD_MFTCTL_H

#include <stdbool.h>

#include "mftd/conf/conf.h"

/* What the files of mftctl share. */

/* What every command gets. */
struct ctl {
	const struct mftd_conf *conf; /* NULL: it can do without */
	bool json;
};

/* journal verify, show and tail.  argv[0] is "journal".  The exit code. */
int mftctl_journal(const struct ctl *ctl, int argc, char **argv);

#endif
