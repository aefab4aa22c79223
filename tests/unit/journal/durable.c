/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>
#include <seccomp.h>

#include "mftd/ipc/msg.h"
#include "mftd/journal/recover.h"

#define DIRTY_MAX 64
#define PATH_BYTES 4096
#define OLD_NAME "an old name"

struct durable {
	struct {
		dev_t dev;
		ino_t ino;
		char what[300];
	} dirty[DIRTY_MAX];
	int n;
	pid_t pid; /* of the process that is watched */
	unsigned answers;
	bool session, bad;
};

struct durable *
durable_new(bool session)
{
	struct durable *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->session = session;
	return d;
}

static bool
peek(pid_t pid, uint64_t at, void *out, size_t len)
{
	struct iovec here = { out, len };
	struct iovec there = { (void *)(uintptr_t)at, len };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) > 0;
}

static int
find(const struct durable *d, const struct stat *st)
{
	int i;

	for (i = 0; i < d->n; i++)
		if (d->dirty[i].ino == st->st_ino &&
		    d->dirty[i].dev == st->st_dev)
			return i;
	return -1;
}

static void
add(struct durable *d, const char *path, const char *why)
{
	struct stat st;

	if (stat(path, &st) < 0 || find(d, &st) >= 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return;
	if (d->n == DIRTY_MAX) {
		d->bad = true;
		return;
	}
	d->dirty[d->n].dev = st.st_dev;
	d->dirty[d->n].ino = st.st_ino;
	snprintf(d->dirty[d->n].what, sizeof(d->dirty[d->n].what),
	    "%s of %.200s", why, path);
	d->n++;
}

static void
of_fd(pid_t pid, uint64_t fd, char path[PATH_BYTES])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)fd);
	n = readlink(link, path, PATH_BYTES - 1);
	path[n > 0 ? n : 0] = '\0';
}

static void
path_of(pid_t pid, uint64_t dir, uint64_t name, char path[2 * PATH_BYTES])
{
	char rel[PATH_BYTES] = "";

	peek(pid, name, rel, sizeof(rel) - 1);
	of_fd(pid, dir, path);
	snprintf(path + strlen(path), PATH_BYTES, "/%s", rel);
}

/* What is written is a file's own. */
static void
change_file(struct durable *d, pid_t pid, uint64_t fd, const char *why)
{
	char path[PATH_BYTES];

	of_fd(pid, fd, path);
	/* how much an account uses may be counted anew; to journal, an adopted
	 * part's name says how much of it counts, however long it is */
	if (strstr(path, "/.mft/usage/") == NULL &&
	    (d->session || strstr(path, "/.mft/parts/") == NULL))
		add(d, path, why);
}

/* A name is its directory's. */
static void
change_name(
    struct durable *d, pid_t pid, uint64_t dir, uint64_t name, const char *why)
{
	char path[2 * PATH_BYTES], *slash;

	path_of(pid, dir, name, path);
	slash = strrchr(path, '/');
	if (slash == NULL || strstr(path, "/.mft/usage/") != NULL)
		return;
	*slash = '\0';
	add(d, path, why);
}

/* What comes back of these after a power cut is taken away again: parts that
 * were set aside, empty directories of parts. */
static bool
may_come_back(pid_t pid, uint64_t dir, uint64_t name)
{
	char path[2 * PATH_BYTES];

	path_of(pid, dir, name, path);
	return strstr(path, "/.mft/aside/") != NULL ||
	    strstr(path, "/.mft/parts/") != NULL;
}

/* It will be refused, or changes no name. */
static bool
is_taken(pid_t pid, uint64_t dir, uint64_t name)
{
	char path[2 * PATH_BYTES];
	struct stat st;

	path_of(pid, dir, name, path);
	return lstat(path, &st) == 0;
}

static void
forget(struct durable *d, const char *path)
{
	struct stat st;
	int i;

	if (stat(path, &st) < 0)
		return;
	i = find(d, &st);
	if (i >= 0)
		d->dirty[i] = d->dirty[--d->n];
}

static void
synced(struct durable *d, pid_t pid, uint64_t fd)
{
	char path[PATH_BYTES];

	of_fd(pid, fd, path);
	forget(d, path);
}

/* The type that a message begins with (ipc/chan.c); 0: none of ours. */
static uint32_t
type_of(pid_t pid, uint64_t msg)
{
	struct msghdr m;
	struct iovec iov;
	uint32_t type = 0;

	if (!peek(pid, msg, &m, sizeof(m)) ||
	    !peek(pid, (uint64_t)(uintptr_t)m.msg_iov, &iov, sizeof(iov)))
		return 0;
	peek(pid, (uint64_t)(uintptr_t)iov.iov_base, &type, sizeof(type));
	return type;
}

/* From here on others build on what was done. */
static void
promise(struct durable *d)
{
	int i;

	d->answers++;
	for (i = 0; i < d->n; i++)
		print_error("not durable: %s\n", d->dirty[i].what);
	d->bad |= d->n > 0;
}

static void
sent(struct durable *d, uint32_t type)
{
	if (d->session ? type == MFTD_MSG_PUBLISH
		       : type == MFTD_MSG_JOURNAL_RESULT ||
		    type == MFTD_MSG_SESSION_READY ||
		    type == MFTD_MSG_RECOVERED)
		promise(d);
}

static void
on_rename(struct durable *d, pid_t pid, int nr, const uint64_t args[6])
{
	char path[2 * PATH_BYTES], *base;

	if (nr == SCMP_SYS(renameat2) && is_taken(pid, args[2], args[3]))
		return;
	/* the mark that a stream is done with: the temporary name is all that
	 * may be lost */
	path_of(pid, args[2], args[3], path);
	base = strrchr(path, '/');
	if (base != NULL && strcmp(base, "/" MFTD_STREAM_RECOVERED) == 0) {
		*base = '\0';
		forget(d, path);
		promise(d);
	}
	if (nr != SCMP_SYS(linkat))
		change_name(d, pid, args[0], args[1], OLD_NAME);
	change_name(d, pid, args[2], args[3], "a new name");
}

/* Another process goes on after the last one was killed: a part that comes back
 * beside what it was published as is taken away by a later start. */
static void
forget_old_parts(struct durable *d)
{
	int i = 0;

	while (i < d->n)
		if (strncmp(d->dirty[i].what, OLD_NAME, strlen(OLD_NAME)) ==
			0 &&
		    strstr(d->dirty[i].what, "/.mft/parts/") != NULL)
			d->dirty[i] = d->dirty[--d->n];
		else
			i++;
}

void
durable_watch(void *durable, pid_t pid, int nr, const uint64_t args[6])
{
	struct durable *d = durable;

	if (pid != d->pid)
		forget_old_parts(d);
	d->pid = pid;
	if (nr == SCMP_SYS(fsync) || nr == SCMP_SYS(fdatasync))
		synced(d, pid, args[0]);
	else if (nr == SCMP_SYS(pwrite64) || nr == SCMP_SYS(write) ||
	    nr == SCMP_SYS(ftruncate) || nr == SCMP_SYS(fallocate))
		change_file(d, pid, args[0], "bytes");
	else if (nr == SCMP_SYS(fchmod) || nr == SCMP_SYS(fchown))
		change_file(d, pid, args[0], "attributes");
	else if (nr == SCMP_SYS(utimensat) && args[1] == 0)
		change_file(d, pid, args[0], "times");
	else if (nr == SCMP_SYS(mkdirat) ||
	    (nr == SCMP_SYS(openat) && (args[2] & O_CREAT) != 0)) {
		if (!is_taken(pid, args[0], args[1]))
			change_name(d, pid, args[0], args[1], "a new entry");
	} else if (nr == SCMP_SYS(symlinkat))
		change_name(d, pid, args[1], args[2], "a new link");
	else if (nr == SCMP_SYS(unlinkat)) {
		if (!may_come_back(pid, args[0], args[1]))
			change_name(
			    d, pid, args[0], args[1], "a removed entry");
	} else if (nr == SCMP_SYS(renameat) || nr == SCMP_SYS(renameat2) ||
	    nr == SCMP_SYS(linkat))
		on_rename(d, pid, nr, args);
	else if (nr == SCMP_SYS(sendmsg))
		sent(d, type_of(pid, args[1]));
}

unsigned
durable_answers(const struct durable *d)
{
	return d->answers;
}

bool
durable_good(const struct durable *d)
{
	return !d->bad;
}

void
durable_free(struct durable *d)
{
	free(d);
}
