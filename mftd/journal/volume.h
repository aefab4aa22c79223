/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_VOLUME_H
#define MFTD_JOURNAL_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * A volume as journal sees it: its top and the directories of .mft (layout.h),
 * open.  All of them are one mount, so that every publish is one rename.
 */
struct mftd_volume {
	char name[MFTD_NAME_BYTES];
	char id[MFTD_ID_BYTES]; /* random, made once, the same on all nodes */
	int root, parts, out, aside, journal, usage; /* -1 when not open */
	uint64_t mount; /* statx(2)'s mount id */
	uint64_t dev; /* st_dev */
};

/*
 * Opens the volume at path and makes what .mft lacks, durably; safe when
 * several nodes do so at once.  Returns 0, -errno, or -EXDEV when .mft is not
 * on the same mount and file system as the volume's top.  On failure nothing
 * stays open.
 */
int mftd_volume_open(struct mftd_volume *v, const char *name, const char *path);

void mftd_volume_close(struct mftd_volume *v);

/* Opens a directory below the volume's top (a clean path), without following
 * links; make and errors as below, -MFTD_E_SYNC too. */
int mftd_volume_dir(
    const struct mftd_volume *v, const char *path, bool make, int *fd);

/*
 * Opens an account's root (a clean path below the volume's top), without
 * following links, and its parts directory.  make: both are made where they are
 * missing, durably; pass false once that was done.
 * -MFTD_E_SYNC: what was made may not be durable, and a second try would not
 * know; this process has to end.
 * -EXDEV when the root is another mount, -EPERM when it is inside .mft.
 */
int mftd_volume_account(const struct mftd_volume *v, const char *account,
    const char *root, bool make, int *root_fd, int *parts_fd);

#endif
