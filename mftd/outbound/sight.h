/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_SIGHT_H
#define MFTD_OUTBOUND_SIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/catalog/found.h"

/*
 * What a look sees of a folder, and what it remembers of the look before.  A
 * file is taken when it has stayed the same for a while, and once in each of
 * its versions.
 */
struct mftd_sight {
	char *name;
	struct mftd_version v;
	int64_t since_ms; /* seen as it is (mftd_clock_ms) */
	bool known; /* this version was found */
	bool ever; /* some version was: the catalog remembers the name */
};

struct mftd_sights {
	struct mftd_sight *list; /* in order of names, once sorted */
	size_t n, room;
	bool whole; /* all that the catalog remembers is in here */
};

enum mftd_verdict {
	MFTD_SIGHT_WAIT, /* it may still be written to */
	MFTD_SIGHT_TAKE,
	MFTD_SIGHT_KNOWN,
};

bool mftd_version_equal(
    const struct mftd_version *a, const struct mftd_version *b);

/*
 * Pure: what is to be done with a file that is seen as now (name and version)
 * at now_ms, and was seen as before at the last look (NULL: not at all).
 * Completes now: since_ms, known, ever.  The clock must be one; a look of the
 * future counts as none.
 */
enum mftd_verdict mftd_sight_judge(struct mftd_sight *now,
    const struct mftd_sight *before, int64_t now_ms, int64_t stable_ms);

/* Adds a file; name is copied.  0, -ENOMEM, or -MFTD_E_LIMIT beyond
 * MFTD_LOOK_FILES_MAX. */
int mftd_sights_add(
    struct mftd_sights *s, const char *name, const struct mftd_version *v);
void mftd_sights_sort(struct mftd_sights *s);

/* By its name, among sorted ones; or NULL. */
struct mftd_sight *mftd_sights_find(
    const struct mftd_sights *s, const char *name);
void mftd_sights_free(struct mftd_sights *s);

/*
 * Writes all of it into the file fd, and reads it.  What was not wholly written
 * is read as nothing.  0 or -errno.  The file is one of memory, of this node
 * and boot: nothing is made durable.
 */
int mftd_sights_save(int fd, const struct mftd_sights *s);
int mftd_sights_load(int fd, struct mftd_sights *out);

#endif
