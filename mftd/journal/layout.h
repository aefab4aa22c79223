/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_LAYOUT_H
#define MFTD_JOURNAL_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/base/limits.h"

/*
 * Where things lie below a volume's .mft, for all who make or look for them:
 *
 *	parts/<account>/<parent key>/<basename>/<part id>	uploads
 *	parts/…/<part id>.d<hex>	dormant ones: so many bytes count
 *	out/<receipt id>		second link of what is to be sent on
 *	out/<receipt id>~<stream>	its name, being taken away (taken.h)
 *	staged/<route>/<receipt id>	found files, until they have their rows
 *			(outbound/stage.h)
 *	aside/<part id>			uploads that lost, until that is durable
 *	journal/<node>/<stream id>/	streams (journal/stream.h)
 *	usage/<account>			what those with a quota use (usage.h)
 *	volume-id
 *
 * A parent key names the directory that the upload will be published in by its
 * volume and inode, so that renames of directories need nothing.
 */
#define MFTD_LAYOUT_DIR ".mft"

/* Writes the parent key of the directory dir to out.  Returns 0, -errno, or
 * -ENAMETOOLONG. */
int mftd_layout_parent_key(
    const char *volume_id, int dir, char *out, size_t size);

/*
 * Opens the directory of the parts of the name base in the directory of key.
 * parts_fd: .mft/parts/<account>.  Returns a descriptor or -errno; -ENOENT:
 * that name has no parts.
 */
int mftd_layout_parts_open(int parts_fd, const char *key, const char *base);

/*
 * Creates a part (O_EXCL) and the directories above it where they are missing;
 * journal removes those when they are empty, so this tries again a bounded
 * number of times.  Returns a descriptor open for reading and writing, or
 * -errno.  Nothing is durable yet.
 */
int mftd_layout_part_create(int parts_fd, const char *key, const char *base,
    const char *part, mode_t mode);

/*
 * Makes the entry of a part durable, with the directories above it.  Must have
 * been called, and the part's data be durable, before PUBLISH is asked for:
 * recovery takes a part that lies nowhere for a published one.
 */
int mftd_layout_part_sync(int parts_fd, const char *key, const char *base);

/* Writes the dormant name of a part of which so many bytes count.  0 or
 * -ENAMETOOLONG. */
int mftd_layout_dormant(
    const char *part, uint64_t bytes, char out[MFTD_ID_BYTES]);

/* Whether a name below parts is a dormant one's, and then how many bytes. */
bool mftd_layout_is_dormant(const char *name, uint64_t *bytes);

/* Whether the clean path below the account's root is out of bounds for
 * clients: .mft itself or below it, where root is the volume's top ("."). */
bool mftd_layout_reserved(const char *root, const char *path);

#endif
