/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_FDIO_H
#define MFTD_BASE_FDIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Descriptor I/O that finishes what it starts, and the named functions of
 * durability: nobody else calls fsync, fdatasync or rename.
 */

/* Closes *fd if it is not -1 and sets it to -1. */
void mftd_fd_close(int *fd);

/* Closes every descriptor but the standard three and the n of keep (-1: none;
 * sorted by this call): what a forked worker does first. */
void mftd_fd_keep_only(int *keep, int n);

/* Reads len bytes at off, fewer only at the end of the file.  Returns the count
 * or -errno. */
ssize_t mftd_fd_pread_full(int fd, void *data, size_t len, int64_t off);

/* Writes len bytes at off.  Returns 0 or -errno; then the file holds some of
 * them. */
int mftd_fd_pwrite_full(int fd, const void *data, size_t len, int64_t off);

/* Writes len bytes at the descriptor's position, as above. */
int mftd_fd_write_full(int fd, const void *data, size_t len);

/* Reads the whole of path (relative to dir) into *data, to be freed, with a NUL
 * behind its *len bytes.  -EFBIG beyond max bytes. */
int mftd_file_read(
    int dir, const char *path, size_t max, char **data, size_t *len);

/* Makes fd's data and size durable (fdatasync).  Returns 0 or -errno; a failed
 * sync marks pages clean in the kernel, so it must never be repeated on the
 * same file as if nothing had happened. */
int mftd_sync_data(int fd);

/*
 * Starts to write len bytes at off back (0: all behind it), so that a later
 * sync is a short one.  0, also where the file system cannot; or -errno: as a
 * failed sync, since the kernel may tell that one only once.
 */
int mftd_sync_start(int fd, int64_t off, int64_t len);

/* Makes the entries of the directory fd, or all of a file, durable (fsync).
 * As above. */
int mftd_sync_all(int fd);

/* Makes the entries of the directory path (relative to dir) durable. */
int mftd_sync_dir(int dir, const char *path);

/* The same of the directory that holds path. */
int mftd_sync_parent(int dir, const char *path);

/*
 * Replaces path (relative to dir) by data, durably and in one step: a reader
 * sees the old or the new content.  The temporary name is path with ".new".
 * Returns 0, -errno, or -MFTD_E_SYNC: a sync failed.
 */
int mftd_file_replace(
    int dir, const char *path, const void *data, size_t len, mode_t mode);

/*
 * Makes path (relative to dir) with data, durably and in one step, unless it is
 * there: of several who try, the first wins and the others get -EEXIST; for
 * them, too, it is durable.  The temporary name is path with a random suffix.
 * Returns 0, -errno, or -MFTD_E_SYNC: a sync failed.
 */
int mftd_file_create(
    int dir, const char *path, const void *data, size_t len, mode_t mode);

/* renameat(2) between directories; the durability of both is the caller's. */
int mftd_rename(int fromdir, const char *from, int todir, const char *to);

/* The same, failing with -EEXIST where to exists (RENAME_NOREPLACE, or link and
 * unlink where the file system has no such flag). */
int mftd_rename_noreplace(
    int fromdir, const char *from, int todir, const char *to);

/* mkdir -p of path relative to dir.  Every entry made is durable. */
int mftd_mkdir_all(int dir, const char *path, mode_t mode);

#endif
