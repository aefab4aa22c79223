/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_FOLDERS_H
#define MFTD_JOURNAL_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/policy.h"

/*
 * An account's virtual folders: entries of its root that are directories
 * elsewhere on the volume.  Session and journal find by this one table in which
 * directory a path begins; each resolves what is left beneath that one alone.
 */
struct mftd_folder {
	const char *name; /* the policy's */
	const char *path; /* below the volume */
	int fd; /* the holder's, -1 when not open */
	bool read_only;
	bool links; /* symbolic links may be followed; the session's */
};

struct mftd_folders {
	size_t n;
	struct mftd_folder list[MFTD_FOLDERS_MAX];
};

/*
 * Fills the table from policy, which must outlive it (NULL: no folder).  fds:
 * theirs in the same order, or NULL: -1 each.  Returns 0, or -EINVAL when a
 * name is not one plain component or is there twice, when a path is not clean
 * or is the volume's top: then the table is empty.
 */
int mftd_folders_init(
    struct mftd_folders *f, const struct mftd_policy *policy, const int *fds);

/*
 * The folder that the clean path lies in, with what is left of path in *rest
 * ("." for the folder itself).  NULL: in the account's own root; *rest is path.
 */
const struct mftd_folder *mftd_folders_find(
    const struct mftd_folders *f, const char *path, const char **rest);

#endif
