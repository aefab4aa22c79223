/* Part of mftd; see LICENSE. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/run/resource-agents"
#define SAFE                         \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789_.-"

static const char *
directory(void)
{
	const char *dir = getenv("HA_RSCTMP");

	return dir != NULL && *dir == '/' ? dir : DIRECTORY;
}

const char *
mftd_ocf_memory_path(const struct mftd_ocf *ocf, const char *kind,
    char path[static MFTD_OCF_MEMORY_PATH_MAX])
{
	char instance[129];
	size_t at;

	snprintf(instance, sizeof(instance), "%s", ocf->instance);
	for (at = 0; instance[at += strspn(instance + at, SAFE)] != '\0';)
		instance[at] = '_';
	snprintf(path, MFTD_OCF_MEMORY_PATH_MAX, "%.200s/mft-%.32s-%s.%.32s",
	    directory(), ocf->agent->name, instance, kind);
	return path;
}

/* Whoever else could write it could tell the agent anything. */
static int
open_own(const char *path, int flags)
{
	struct stat st;
	int fd = open(
	    path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	int r;

	if (fd == -1)
		return errno == ELOOP ? -EPERM : -errno;
	if (fstat(fd, &st) == -1)
		r = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		r = -EPERM;
	else
		return fd;
	close(fd);
	return r;
}

int
mftd_ocf_memory_read(const struct mftd_ocf *ocf, const char *kind,
    char text[static MFTD_OCF_MEMORY_MAX])
{
	char path[MFTD_OCF_MEMORY_PATH_MAX];
	int fd = open_own(mftd_ocf_memory_path(ocf, kind, path), O_RDONLY);
	ssize_t n;

	*text = '\0';
	if (fd < 0)
		return fd;
	n = read(fd, text, MFTD_OCF_MEMORY_MAX - 1);
	if (n == -1)
		n = -errno;
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return n < 0 ? (int)n : 0;
}

int
mftd_ocf_memory_write(
    const struct mftd_ocf *ocf, const char *kind, const char *text)
{
	char path[MFTD_OCF_MEMORY_PATH_MAX], line[MFTD_OCF_MEMORY_MAX];
	size_t len = strlen(text);
	int fd, r = 0;
	ssize_t n;

	if (len > sizeof(line) - 2)
		return -ENAMETOOLONG;
	/* always as long: what was longer before leaves nothing behind */
	memset(line, '\n', sizeof(line));
	memcpy(line, text, len);
	mftd_ocf_memory_path(ocf, kind, path);
	fd = open_own(path, O_WRONLY | O_CREAT);
	if (fd == -ENOENT && mkdir(directory(), 01755) == 0)
		fd = open_own(path, O_WRONLY | O_CREAT);
	if (fd < 0)
		return fd;
	n = pwrite(fd, line, sizeof(line), 0);
	if (n != (ssize_t)sizeof(line))
		r = n == -1 ? -errno : -ENOSPC;
	close(fd);
	/* half a line, or an empty file, would be one that lies */
	if (r < 0)
		unlink(path);
	return r;
}

int
mftd_ocf_memory_forget(const struct mftd_ocf *ocf, const char *kind)
{
	char path[MFTD_OCF_MEMORY_PATH_MAX];

	if (unlink(mftd_ocf_memory_path(ocf, kind, path)) == -1 &&
	    errno != ENOENT)
		return -errno;
	return 0;
}
