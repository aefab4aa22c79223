/* Part of mftd; see LICENSE. */
#ifndef MFTD_MFTCTL_H
#define MFTD_MFTCTL_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/conf/conf.h"

/* What the files of mftctl share. */

/* What every command gets. */
struct ctl {
	const struct mftd_conf *conf; /* NULL: it can do without */
	bool json;
};

/* journal verify, show and tail.  argv[0] is "journal".  The exit code. */
int mftctl_journal(const struct ctl *ctl, int argc, char **argv);

/* Prints the last records of each stream at or below path (0: all), and with
 * follow then each one that comes, without end.  Returns 0, 1 when one of them
 * has something that is no record, or an error of mftd_inspect_find. */
int mftctl_show(
    const struct ctl *ctl, const char *path, uint64_t last, bool follow);

#endif
