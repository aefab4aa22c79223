/* Part of mftd; see LICENSE. */

/*
 * For LD_PRELOAD: turns the durability calls that MFTD_WITHOUT names into
 * nothing, in mftd and all its processes, to see that tests notice.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PARTS "/.mft/parts"
#define JOURNAL "/.mft/journal"

enum call { SYNC_ALL = 1, SYNC_DATA = 2 };

static bool
is_dir(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_part(int fd, const char *path)
{
	return strstr(path, PARTS) != NULL && !is_dir(fd);
}

static bool
is_parts_dir(int fd, const char *path)
{
	return strstr(path, PARTS) != NULL && is_dir(fd);
}

static bool
is_segment(int fd, const char *path)
{
	const char *dot = strrchr(path, '.');

	(void)fd;
	return dot != NULL && strcmp(dot, ".seg") == 0;
}

static bool
is_stream_dir(int fd, const char *path)
{
	return strstr(path, JOURNAL) != NULL && is_dir(fd);
}

/* Where accounts have their files. */
static bool
is_published_dir(int fd, const char *path)
{
	return strstr(path, "/.mft") == NULL &&
	    strstr(path, "/volume/") != NULL && is_dir(fd);
}

/* What a publish's rename changes: the name's directory and the part's. */
static bool
is_renamed_dir(int fd, const char *path)
{
	return is_published_dir(fd, path) || is_parts_dir(fd, path);
}

static bool
is_catalog(int fd, const char *path)
{
	(void)fd;
	return strstr(path, "/catalog.db") != NULL;
}

static const struct sync {
	const char *name;
	int calls; /* enum call */
	bool (*is)(int fd, const char *path);
} syncs[] = {
	{ "part-data", SYNC_DATA, is_part },
	{ "part-entry", SYNC_ALL, is_parts_dir },
	{ "commit", SYNC_DATA, is_segment },
	{ "segment", SYNC_ALL, is_segment },
	{ "stream-dir", SYNC_ALL, is_stream_dir },
	{ "final-dir", SYNC_ALL, is_published_dir },
	{ "rename", SYNC_ALL, is_renamed_dir },
	{ "catalog", SYNC_ALL | SYNC_DATA, is_catalog },
};

static const struct sync *without;

/* Nobody is to believe that a sync was left out which has another name. */
__attribute__((constructor)) static void
choose(void)
{
	const char *name = getenv("MFTD_WITHOUT");
	size_t i;

	for (i = 0; name != NULL && i < sizeof(syncs) / sizeof(syncs[0]); i++)
		if (strcmp(syncs[i].name, name) == 0)
			without = &syncs[i];
	if (without == NULL) {
		fputs("MFTD_WITHOUT names no sync\n", stderr);
		_exit(2);
	}
}

static bool
left_out(enum call call, int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	if (!(without->calls & call))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	/* not readlink: a session's seccomp refuses that system call */
	n = readlinkat(AT_FDCWD, link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return without->is(fd, path);
}

int
fsync(int fd)
{
	return left_out(SYNC_ALL, fd) ? 0 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return left_out(SYNC_DATA, fd) ? 0 : (int)syscall(SYS_fdatasync, fd);
}
