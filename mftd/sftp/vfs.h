/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_VFS_H
#define MFTD_SFTP_VFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct mftd_sftp;

struct mftd_folder;

/*
 * Clean paths below the account's root, and in its folders, each of which is a
 * root of its own: no link leads from one to another (journal/folders.h).
 * Symbolic links are followed while they stay beneath it; not at all where the
 * root holds `.mft` (an account of the whole volume): a link could lead to it
 * by another name.
 */

/* Fills s's table of folders, and in which roots links may be followed.
 * Returns 0, or -EINVAL for folders that are none. */
int mftd_sftp_vfs_init(struct mftd_sftp *s);

/* The gate for changes of what a clean path names: -EACCES for the root and for
 * a folder's own name, -EROFS where the account may only read.  Journal looks
 * again. */
int mftd_sftp_vfs_may_change(const struct mftd_sftp *s, const char *path);

/* The folder of that name in the directory of a clean path; NULL. */
const struct mftd_folder *mftd_sftp_vfs_folder(
    const struct mftd_sftp *s, const char *dir, const char *name);

/* Whether a clean path is the volume's `.mft` or below it. */
bool mftd_sftp_vfs_hidden(const char *path);

/* Opens path with open(2)'s flags, never to create.  A descriptor or -errno. */
int mftd_sftp_vfs_open(struct mftd_sftp *s, const char *path, uint64_t flags);

/*
 * Opens (O_PATH) the directory that holds path's last component, and points
 * *base at that inside path.  -EISDIR for the root.  links: whether it may be
 * reached through links; not for a change, since journal takes none.
 */
int mftd_sftp_vfs_parent(
    struct mftd_sftp *s, const char *path, bool links, const char **base);

/* stat(2), or lstat(2) without follow, of what is published at path. */
int mftd_sftp_vfs_stat(
    struct mftd_sftp *s, const char *path, bool follow, struct stat *st);

#endif
