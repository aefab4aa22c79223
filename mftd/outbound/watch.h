/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_WATCH_H
#define MFTD_OUTBOUND_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * inotify, as a shortcut to the next look at a folder (inotify(7)).  What it
 * misses, or the limits of the system do not allow, the next look sees.
 *
 * Outbound has the one descriptor; a look, which may hang with the folder, adds
 * the folder to it before it lists it.  A watch is for one event: the look that
 * follows adds it anew, so however much happens there is one event a look.
 */

/* An empty one, that does not block.  A descriptor or -errno. */
int mftd_watch_open(void);

/* Whether what happens in a file system of that type (statfs(2), f_type)
 * happens on this host.  Unknown ones: no. */
bool mftd_watch_is_local(uint32_t type);

/* Adds the open directory folder.  Its number there, -ENOTSUP: it is not local;
 * or another -errno (-ENOSPC: the user's limit). */
int mftd_watch_add(int watch, int folder);

/*
 * The same of the directories between root and the folder path below it, which
 * may be renamed or removed as a whole: the folder itself is told nothing of
 * that.  As many as can be; those of a remote one have no event either.
 */
void mftd_watch_add_parents(int watch, int root, const char *path);

/* Pure: tells fn the number of each folder in which something happened, by what
 * read(2) gave; -1: of any: some were lost, or a directory was renamed or
 * removed, which may be above others. */
void mftd_watch_parse(const void *data, size_t len,
    void (*fn)(void *data, int number), void *fn_data);

/* Reads all that is there, and tells it so.  0 or -errno. */
int mftd_watch_read(int watch, void (*fn)(void *data, int number), void *data);

#endif
