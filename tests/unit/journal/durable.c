/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <seccomp.h>

#include "mftd/ipc/msg.h"
#include "mftd/journal/checkpoint.h"
#include "mftd/journal/recover.h"
#include "tests/unit/journal/steps.h"

#define DIRTY_MAX 64
#define PATH_BYTES 4096
#define OLD_NAME "an old name"
#define DROPPED "/.dropped-" /* a stream's directory is called so then */
#define RECOVERIES "/.mft/usage/.recoveries"

struct durable {
	pthread_mutex_t lock; /* its process is watched from a thread */
	struct dirty {
		dev_t dev;
		ino_t ino;
		const char *why;
		char path[PATH_BYTES];
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
	pthread_mutex_init(&d->lock, NULL);
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
	d->dirty[d->n].why = why;
	snprintf(d->dirty[d->n].path, PATH_BYTES, "%s", path);
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

	if (fd <= STDERR_FILENO)
		return; /* a log */
	of_fd(pid, fd, path);
	/* to journal, an adopted part's name says how much of it counts,
	 * however long it is */
	if (d->session || strstr(path, "/.mft/parts/") == NULL)
		add(d, path, why);
}

/* A usage that is lost is counted anew; the count of recoveries is not. */
static bool
is_counted_anew(const char *path)
{
	return strstr(path, "/.mft/usage/") != NULL &&
	    strstr(path, RECOVERIES) == NULL;
}

/* A name is its directory's. */
static void
change_name(
    struct durable *d, pid_t pid, uint64_t dir, uint64_t name, const char *why)
{
	char path[2 * PATH_BYTES], *slash;

	path_of(pid, dir, name, path);
	slash = strrchr(path, '/');
	if (slash == NULL || is_counted_anew(path))
		return;
	*slash = '\0';
	add(d, path, why);
}

/* What comes back of these after a power cut is taken away again: parts that
 * were set aside, empty directories of parts, streams that were dropped.  A
 * part that is published, too, is not, since nobody decides of it again. */
static bool
may_come_back(const char *path)
{
	struct stat st;

	if (strstr(path, "/.mft/parts/") != NULL)
		return lstat(path, &st) == 0 &&
		    (S_ISDIR(st.st_mode) || st.st_nlink == 1);
	return strstr(path, "/.mft/aside/") != NULL ||
	    strstr(path, DROPPED) != NULL;
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

/* All but what accounts use. */
static bool
is_any(const struct dirty *k, const char *path)
{
	(void)path;
	return !is_counted_anew(k->path);
}

static bool
is_usage(const struct dirty *k, const char *path)
{
	(void)path;
	return is_counted_anew(k->path);
}

static bool
is_itself(const struct dirty *k, const char *path)
{
	return strcmp(k->path, path) == 0;
}

/* A file in that directory. */
static bool
is_within(const struct dirty *k, const char *path)
{
	size_t len = strlen(path);

	return strncmp(k->path, path, len) == 0 && k->path[len] == '/' &&
	    strchr(k->path + len + 1, '/') == NULL;
}

/* Something relies on those being durable. */
static void
demand(struct durable *d, bool (*is)(const struct dirty *k, const char *path),
    const char *path)
{
	int i;

	for (i = 0; i < d->n; i++) {
		if (!is(&d->dirty[i], path))
			continue;
		print_error("not durable: %s of %s\n", d->dirty[i].why,
		    d->dirty[i].path);
		d->bad = true;
	}
}

/* From here on others build on what was done. */
static void
promise(struct durable *d)
{
	d->answers++;
	demand(d, is_any, NULL);
}

static void
forget(struct durable *d, const struct stat *st)
{
	int i = find(d, st);

	if (i >= 0)
		d->dirty[i] = d->dirty[--d->n];
}

static void
synced(struct durable *d, pid_t pid, uint64_t fd)
{
	char link[64], path[PATH_BYTES];
	struct stat st;

	of_fd(pid, fd, path);
	/* a segment whose name is durable has a header */
	if (strstr(path, "/.mft/journal/") != NULL)
		demand(d, is_within, path);
	/* it may have been removed meanwhile */
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, (int)fd);
	if (stat(link, &st) == 0)
		forget(d, &st);
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

static void
sent(struct durable *d, uint32_t type)
{
	if (d->session ? type == MFTD_MSG_PUBLISH
		       : type == MFTD_MSG_JOURNAL_RESULT ||
		    type == MFTD_MSG_SESSION_READY ||
		    type == MFTD_MSG_DISPOSED || type == MFTD_MSG_RECOVERED)
		promise(d);
}

/* What a mark says of a stream, others rely on. */
static bool
is_mark(const char *name)
{
	return strcmp(name, MFTD_STREAM_RECOVERED) == 0 ||
	    strcmp(name, MFTD_STREAM_CHECKPOINT) == 0;
}

/* What is taken away there proves what became of it (journal/taken.h). */
static bool
is_proof(const char *path)
{
	const char *out = strstr(path, "/.mft/out/");

	return out != NULL && strchr(out, '~') != NULL;
}

static void
on_rename(struct durable *d, pid_t pid, int nr, const uint64_t args[6])
{
	char from[2 * PATH_BYTES], to[2 * PATH_BYTES], *base;

	if (nr == SCMP_SYS(renameat2) && is_taken(pid, args[2], args[3]))
		return;
	path_of(pid, args[0], args[1], from);
	path_of(pid, args[2], args[3], to);
	base = strrchr(to, '/');
	if (is_mark(base + 1) || is_proof(to) ||
	    strncmp(base, DROPPED, strlen(DROPPED)) == 0)
		promise(d);
	/* what an account publishes it is said to use */
	if (strstr(from, "/.mft/parts/") != NULL &&
	    strstr(to, "/.mft/") == NULL)
		demand(d, is_usage, NULL);
	/* a part's name promises nothing of what was written to it */
	if (strstr(from, "/.mft/parts/") == NULL)
		demand(d, is_itself, from);
	/* a session's part that is moved: who finds it by its old name finds
	 * that it has two, and takes that one away */
	if (nr != SCMP_SYS(linkat) && !d->session)
		change_name(d, pid, args[0], args[1], OLD_NAME);
	change_name(d, pid, args[2], args[3], "a new name");
}

static void
on_unlink(struct durable *d, pid_t pid, uint64_t dir, uint64_t name)
{
	char path[2 * PATH_BYTES];
	struct stat st;
	size_t len;

	path_of(pid, dir, name, path);
	len = strlen(path);
	/* of a stream a power cut leaves all from some segment on, or nothing
	 * under its name */
	if (strstr(path, DROPPED) != NULL || is_proof(path) ||
	    (len > 4 && strcmp(path + len - 4, ".seg") == 0))
		promise(d);
	if (!may_come_back(path))
		change_name(d, pid, dir, name, "a removed entry");
	/* what is in it was for nobody */
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
		forget(d, &st);
}

static void
on_make(struct durable *d, pid_t pid, const uint64_t args[6])
{
	char path[2 * PATH_BYTES];
	size_t len;

	path_of(pid, args[0], args[1], path);
	len = strlen(path);
	/* a temporary name may be lost */
	if (!is_taken(pid, args[0], args[1]) &&
	    (len < 4 || strcmp(path + len - 4, ".new") != 0))
		change_name(d, pid, args[0], args[1], "a new entry");
}

/* Another process goes on after the last one was killed: a part that comes back
 * beside what it was published as is taken away by a later start. */
static void
forget_old_parts(struct durable *d)
{
	int i = 0;

	while (i < d->n)
		if (strcmp(d->dirty[i].why, OLD_NAME) == 0 &&
		    strstr(d->dirty[i].path, "/.mft/parts/") != NULL)
			d->dirty[i] = d->dirty[--d->n];
		else
			i++;
}

static void
watch(struct durable *d, pid_t pid, int nr, const uint64_t args[6])
{
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
	    (nr == SCMP_SYS(openat) && (args[2] & O_CREAT) != 0))
		on_make(d, pid, args);
	else if (nr == SCMP_SYS(symlinkat))
		change_name(d, pid, args[1], args[2], "a new link");
	else if (nr == SCMP_SYS(unlinkat))
		on_unlink(d, pid, args[0], args[1]);
	else if (nr == SCMP_SYS(unlink))
		on_unlink(d, pid, (uint64_t)AT_FDCWD, args[0]);
	else if (nr == SCMP_SYS(renameat) || nr == SCMP_SYS(renameat2) ||
	    nr == SCMP_SYS(linkat))
		on_rename(d, pid, nr, args);
	else if (nr == SCMP_SYS(sendmsg))
		sent(d, type_of(pid, args[1]));
}

void
durable_watch(void *durable, pid_t pid, int nr, const uint64_t args[6])
{
	struct durable *d = durable;

	pthread_mutex_lock(&d->lock);
	if (pid != d->pid)
		forget_old_parts(d);
	d->pid = pid;
	watch(d, pid, nr, args);
	pthread_mutex_unlock(&d->lock);
}

void
durable_wrote(struct durable *d, const char *path)
{
	pthread_mutex_lock(&d->lock);
	add(d, path, "another's bytes");
	pthread_mutex_unlock(&d->lock);
}

void
durable_run(struct durable *d, int (*body)(void *data), void *data)
{
	const struct steps_plan plan = { .watch = durable_watch, .data = d };
	struct steps *s = steps_new(&plan);
	int status;
	pid_t pid;

	fflush(NULL);
	steps_arm(s);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* an assertion that fails must not go on with the tests */
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		steps_enter(s);
		_exit(body(data) == 0 ? 0 : 1);
	}
	steps_begin(s, pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	steps_free(s);
	assert_int_equal(status, 0);
}

bool
durable_in_order(int (*body)(void *data), void *data, unsigned promises)
{
	struct durable *d = durable_new(false);
	bool good;

	durable_run(d, body, data);
	assert_true(d->answers >= promises);
	demand(d, is_any, NULL);
	good = !d->bad;
	durable_free(d);
	return good;
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
	pthread_mutex_destroy(&d->lock);
	free(d);
}
