/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_PATH_H
#define MFTD_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Paths below a root.  "Clean" paths are relative, without "", "." and ".."
 * components and without a slash at either end; the root itself is ".".
 */

/*
 * Makes the clean form of what a client asked for.  raw is taken as absolute
 * below the root whether or not it starts with a slash; ".." at the root stays
 * there, as in a chroot.  len bytes, not NUL-terminated.  Writes a C string of
 * at most size bytes.  Returns 0; -EINVAL for a NUL inside; -ENAMETOOLONG.
 */
int mftd_path_clean(const char *raw, size_t len, char *out, size_t size);

/*
 * Splits a clean path: its directory ("." at the top) into dir, and a pointer
 * to its last component inside path.  -EISDIR for ".", -ENAMETOOLONG.
 */
int mftd_path_split(
    const char *path, char *dir, size_t size, const char **base);

/* Whether it can be the name of a file: none of "", "." and "..", no slash. */
bool mftd_path_is_name(const char *name);

/* The last component of any path, inside it. */
const char *mftd_path_base(const char *path);

/*
 * openat2(2) that never leaves root: RESOLVE_BENEATH, no magic links; O_CLOEXEC
 * is added.  Symbolic links are followed only while they stay beneath.  With
 * EAGAIN (a rename elsewhere raced the kernel's check) it tries again a bounded
 * number of times.  Returns a descriptor or -errno (-EXDEV: it would lead out).
 */
int mftd_path_open(int root, const char *path, uint64_t flags, mode_t mode);

/* The same without any symbolic link on the way (-ELOOP). */
int mftd_path_open_nolinks(
    int root, const char *path, uint64_t flags, mode_t mode);

/* And without any mount on the way (-EXDEV), which is not touched: another file
 * system may hang. */
int mftd_path_open_one_mount(
    int root, const char *path, uint64_t flags, mode_t mode);

#endif
