/* Part of mftd; see LICENSE. */
#include "mftd/journal/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mftd/base/fdio.h"
#include "mftd/base/path.h"

#define CREATE_TRIES 16
#define PLACE_BYTES (MFTD_PARENT_KEY_BYTES + NAME_BYTES + 2)
#define NAME_BYTES 256
#define DIR_MODE 0700

int
mftd_layout_parent_key(const char *volume_id, int dir, char *out, size_t size)
{
	struct stat st;
	int n;

	if (fstat(dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	n = snprintf(
	    out, size, "%s.%llx", volume_id, (unsigned long long)st.st_ino);
	return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* "<key>/<base>"; both must be single components. */
static int
place(const char *key, const char *base, char *out, size_t size)
{
	int n;

	if (base[0] == '\0' || strchr(base, '/') != NULL ||
	    strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return -EINVAL;
	n = snprintf(out, size, "%s/%s", key, base);
	return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int
mftd_layout_parts_open(int parts_fd, const char *key, const char *base)
{
	char path[PLACE_BYTES];
	int r = place(key, base, path, sizeof(path));

	if (r < 0)
		return r;
	return mftd_path_open_nolinks(
	    parts_fd, path, O_RDONLY | O_DIRECTORY, 0);
}

/* Opens the directory of a name's parts, making what is missing. */
static int
open_or_make(int parts_fd, const char *key, const char *path)
{
	int fd;

	fd = mftd_path_open_nolinks(parts_fd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd != -ENOENT)
		return fd;
	if (mkdirat(parts_fd, key, DIR_MODE) < 0 && errno != EEXIST)
		return -errno;
	if (mkdirat(parts_fd, path, DIR_MODE) < 0 && errno != EEXIST)
		return -errno;
	return mftd_path_open_nolinks(
	    parts_fd, path, O_RDONLY | O_DIRECTORY, 0);
}

int
mftd_layout_part_create(int parts_fd, const char *key, const char *base,
    const char *part, mode_t mode)
{
	char path[PLACE_BYTES];
	int i, dir, fd, r;

	if ((r = place(key, base, path, sizeof(path))) < 0)
		return r;
	for (i = 0; i < CREATE_TRIES; i++) {
		dir = open_or_make(parts_fd, key, path);
		if (dir == -ENOENT)
			continue;
		if (dir < 0)
			return dir;
		fd = openat(dir, part,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		r = fd >= 0 ? fd : -errno;
		mftd_fd_close(&dir);
		if (r != -ENOENT)
			return r;
	}
	return -EAGAIN;
}

int
mftd_layout_part_sync(int parts_fd, const char *key, const char *base)
{
	char path[PLACE_BYTES];
	int r = place(key, base, path, sizeof(path));

	if (r == 0)
		r = mftd_sync_dir(parts_fd, path);
	if (r == 0)
		r = mftd_sync_dir(parts_fd, key);
	if (r == 0)
		r = mftd_sync_dir(parts_fd, ".");
	return r;
}

int
mftd_layout_dormant(const char *part, uint64_t bytes, char out[MFTD_ID_BYTES])
{
	int n = snprintf(
	    out, MFTD_ID_BYTES, "%s.d%llx", part, (unsigned long long)bytes);

	return n < MFTD_ID_BYTES ? 0 : -ENAMETOOLONG;
}

/* A part's own id ends with a dot and decimal digits (base/id.h). */
bool
mftd_layout_is_dormant(const char *name, uint64_t *bytes)
{
	const char *dot = strrchr(name, '.'), *hex = dot + 2;
	size_t len;

	if (dot == NULL || dot == name || dot[1] != 'd')
		return false;
	len = strlen(hex);
	if (len == 0 || len > 16 || strspn(hex, "0123456789abcdef") != len)
		return false;
	*bytes = strtoull(hex, NULL, 16);
	return true;
}

bool
mftd_layout_reserved(const char *root, const char *path)
{
	const size_t len = strlen(MFTD_LAYOUT_DIR);

	return strcmp(root, ".") == 0 &&
	    strncmp(path, MFTD_LAYOUT_DIR, len) == 0 &&
	    (path[len] == '\0' || path[len] == '/');
}
