/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_VIEW_H
#define MFTD_SFTP_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mftd/base/limits.h"

struct mftd_sftp;
struct mftd_sftp_handle;

/*
 * The account's view (design section 4a): an upload that is not finished is
 * what its name stands for, also one that another session of the account, on
 * whichever node, is making, or left dormant (journal/dormant.h).  This
 * server's own are in part.h; here are the others, as they lie on the storage.
 *
 * Not seen are those that lie over a published file which they still need for
 * what was not written (their sticky bit says so), and those that nothing was
 * done to since their directory was made: its inode was another one's.
 */
struct mftd_sftp_view {
	int fd; /* to read; the holder's */
	uint64_t limit; /* so many bytes are there, whatever the file's size */
	bool dormant;
	struct stat st; /* with that size */
};

/* Looks for another's upload to base in the directory parent_fd.  1 with *v
 * filled, 0 when there is none, or -errno. */
int mftd_sftp_view_find(struct mftd_sftp *s, int parent_fd, const char *base,
    struct mftd_sftp_view *v);

/* The same for a clean path; 0 also when its directory cannot be opened. */
int mftd_sftp_view_at(
    struct mftd_sftp *s, const char *path, struct mftd_sftp_view *v);

/* Whether the account sees an upload at path, this server's or another's.  1, 0
 * or -errno. */
int mftd_sftp_view_any(struct mftd_sftp *s, const char *path);

/* The names in one directory that have parts, sorted. */
struct mftd_sftp_names;

/* Those of the directory dir_fd; NULL in *out when there are none.  0 or
 * -errno. */
int mftd_sftp_names_new(
    struct mftd_sftp *s, int dir_fd, struct mftd_sftp_names **out);
void mftd_sftp_names_free(struct mftd_sftp_names *n);

/* Whether name is among them; n may be NULL. */
bool mftd_sftp_names_has(const struct mftd_sftp_names *n, const char *name);

/* It, if it is among them, was told of otherwise; n may be NULL. */
void mftd_sftp_names_tell(struct mftd_sftp_names *n, const char *name);

/* The next one that was not told of and not given out yet, or NULL; n may be
 * NULL. */
const char *mftd_sftp_names_next(struct mftd_sftp_names *n);

#endif
