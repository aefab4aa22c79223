/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_VFS_H
#define MFTD_SFTP_VFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct mftd_sftp;

/*
 * Clean paths below the account's root.  Symbolic links are followed while they
 * stay beneath it; not at all where the root holds `.mft` (an account of the
 * whole volume): a link could lead to it by another name.
 */

/* Whether links may be followed below root. */
bool mftd_sftp_vfs_links(int root_fd);

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
