/* Part of mftd; see LICENSE. */
#include "mftd/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RACE_TRIES 32

/* Appends one component, or takes one off for "..".  used: bytes in out. */
static int
step(const char *part, size_t len, char *out, size_t size, size_t *used)
{
	if (len == 0 || (len == 1 && part[0] == '.'))
		return 0;
	if (len == 2 && part[0] == '.' && part[1] == '.') {
		while (*used > 0 && out[--*used] != '/')
			;
		return 0;
	}
	if (*used + (*used > 0) + len + 1 > size)
		return -ENAMETOOLONG;
	if (*used > 0)
		out[(*used)++] = '/';
	memcpy(out + *used, part, len);
	*used += len;
	return 0;
}

int
mftd_path_clean(const char *raw, size_t len, char *out, size_t size)
{
	size_t used = 0, at = 0, end;
	int r;

	if (size < 2)
		return -ENAMETOOLONG;
	if (memchr(raw, '\0', len) != NULL)
		return -EINVAL;
	while (at < len) {
		for (end = at; end < len && raw[end] != '/'; end++)
			;
		if ((r = step(raw + at, end - at, out, size, &used)) < 0)
			return r;
		at = end + 1;
	}
	if (used == 0)
		out[used++] = '.';
	out[used] = '\0';
	return 0;
}

int
mftd_path_split(const char *path, char *dir, size_t size, const char **base)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 1;

	if (strcmp(path, ".") == 0)
		return -EISDIR;
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(dir, slash != NULL ? path : ".", len);
	dir[len] = '\0';
	*base = slash != NULL ? slash + 1 : path;
	return 0;
}

static int
open_resolved(
    int root, const char *path, uint64_t flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0,
		.resolve = resolve | RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int i;
	long fd = -1;

	for (i = 0; i < RACE_TRIES; i++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd >= 0 ? (int)fd : -errno;
}

const char *
mftd_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

bool
mftd_path_is_name(const char *name)
{
	return name[0] != '\0' && strcmp(name, ".") != 0 &&
	    strcmp(name, "..") != 0 && strchr(name, '/') == NULL;
}

int
mftd_path_open(int root, const char *path, uint64_t flags, mode_t mode)
{
	return open_resolved(root, path, flags, mode, 0);
}

int
mftd_path_open_nolinks(int root, const char *path, uint64_t flags, mode_t mode)
{
	return open_resolved(root, path, flags, mode, RESOLVE_NO_SYMLINKS);
}

int
mftd_path_open_one_mount(
    int root, const char *path, uint64_t flags, mode_t mode)
{
	return open_resolved(
	    root, path, flags, mode, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}
