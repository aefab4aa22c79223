/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_STAGE_H
#define MFTD_OUTBOUND_STAGE_H

#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * How the bytes of a found file come to .mft/out/<receipt>, where its delivery
 * reads them, and how what nobody wants goes again.  While it is not known
 * whether there is a row, the file also stands in .mft/staged/<route>: what
 * lies there is what an earlier look left, by its end or a crash.
 *
 *	make	staged/<route>/<receipt> is there, durably, and empty
 *	ready	the same, whole, is out/<receipt>, too, durably
 *	…	its row is written
 *	keep	staged/<route>/<receipt> goes
 *	drop	both go, first that in out, durably: for what has no row
 *
 * One process at a time has the stage of a route.
 */
struct mftd_stage {
	int root, out, dir; /* descriptors, or -1 */
	char path[MFTD_NAME_BYTES + 16]; /* of dir, below root */
};

/* Opens the stage of the route on the volume at that path.  -ENOENT: it is not
 * laid out yet.  Whatever comes back: close it. */
int mftd_stage_open(
    struct mftd_stage *s, const char *volume, const char *route);
void mftd_stage_close(struct mftd_stage *s);

/* What lies there: fn is told each id, and may keep or drop it; a negative
 * return ends it.  0 or an error. */
int mftd_stage_each(struct mftd_stage *s,
    int (*fn)(void *data, const char *receipt), void *data);

/* Makes the directory of the route, durably, where it is not there yet, and
 * opens it as s->dir.  0 or an error.  A name in it that begins with a dot is
 * none of the stage's. */
int mftd_stage_dir(struct mftd_stage *s);

/* Returns a descriptor open for reading and writing, or an error. */
int mftd_stage_make(struct mftd_stage *s, const char *receipt);

/* fd: what make returned, written to its end.  0 or an error, after which the
 * caller drops it. */
int mftd_stage_ready(const struct mftd_stage *s, const char *receipt, int fd);

/* Each 0 or an error. */
int mftd_stage_keep(const struct mftd_stage *s, const char *receipt);
int mftd_stage_drop(const struct mftd_stage *s, const char *receipt);

#endif
