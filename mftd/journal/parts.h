/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_PARTS_H
#define MFTD_JOURNAL_PARTS_H

#include <stdbool.h>

#include "mftd/journal/marks.h"
#include "mftd/journal/work.h"

/*
 * Setting parts aside: one rename of exactly that id to .mft/aside/<part id>,
 * recorded as ABANDONED.  The file there is the proof of it for recovery, which
 * takes a part that lies nowhere for published; so it goes only after the
 * record is durable, and only by the journal whose incarnation made the part
 * (or by its recoverer): another node's journal might be between its RECEIPT
 * and its rename.
 */

/*
 * Sets one part of the directory dir aside.  receipt: "" when it has none.
 * Returns 0, or -errno with nothing changed or recorded; -ENOENT: it is not
 * there (any more).
 */
int mftd_parts_set_aside(struct mftd_work *w, int dir, const char *part,
    const char *receipt, const char *reason);

/* Which parts are meant; dir: what it lies in. */
typedef bool (*mftd_part_match)(void *data, int dir, const char *part);

/*
 * Sets the matching parts of a name aside.  parts_fd: an account's directory
 * in .mft/parts.  Returns how many, or -errno.
 */
int mftd_parts_of_name(struct mftd_work *w, int parts_fd, const char *key,
    const char *base, mftd_part_match match, void *data, const char *reason);

/* The same for all names in the directory of key. */
int mftd_parts_of_key(struct mftd_work *w, int parts_fd, const char *key,
    mftd_part_match match, void *data, const char *reason);

/*
 * The same for all directories of an account.  marks, if not NULL: their owners
 * are gone, and those of which something durable is left lie dormant instead
 * (journal/dormant.h).
 */
int mftd_parts_of_account(struct mftd_work *w, int parts_fd,
    mftd_part_match match, void *data, const char *reason,
    const struct mftd_marks *marks);

/* The same for key of each account (NULL: for all of each account). */
int mftd_parts_of_volume(struct mftd_work *w, const char *key,
    mftd_part_match match, void *data, const char *reason,
    const struct mftd_marks *marks);

/* The same for one part of the directory dir. */
int mftd_parts_end(struct mftd_work *w, int dir, const char *part,
    const char *reason, const struct mftd_marks *marks);

/* What lies in aside and matches, or was dormant, is recorded as abandoned and
 * removed after the next commit.  Returns how many, or -errno. */
int mftd_parts_drop_aside(
    struct mftd_work *w, mftd_part_match match, void *data);

/* Whether any name in the directory of key (base: of that one name, or NULL)
 * has parts.  1, 0 or -errno. */
int mftd_parts_any(int parts_fd, const char *key, const char *base);

/* Finds the part of a name whatever its directory's key: opens the directory
 * it lies in.  -ENOENT when it is nowhere. */
int mftd_parts_find(int parts_fd, const char *base, const char *part);

/* Matches all. */
bool mftd_parts_all(void *data, int dir, const char *part);

/* Matches what incarnation or session data (a string) made and has not left
 * dormant. */
bool mftd_parts_made_by(void *data, int dir, const char *part);

#endif
