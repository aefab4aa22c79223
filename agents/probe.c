/* Part of mftd; see LICENSE. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "branch.h"
#include "ocf/ocf.h"

#define PRIVATE ".mft" /* of a volume of mftd; partners see nothing of it */
#define END_POLL_MS 20

/* One probe. The child says how far it is in memory that both have: to wake the
 * agent at each step would cost more than the steps. */
struct touching {
	const struct mftd_probe_plan *plan;
	volatile int step; /* the last that was begun */
	volatile int err; /* of that one */
	int dir, fd;
	char before[288], after[288];
	_Alignas(16) char stack[MFTD_BRANCH_STACK_BYTES];
};

const char *
mftd_probe_step_word(enum mftd_probe_step step)
{
	static const char *const words[] = {
		[MFTD_PROBE_BEGIN] = "begin",
		[MFTD_PROBE_LOOK] = "stat",
		[MFTD_PROBE_MOUNT] = "look for the mount",
		[MFTD_PROBE_USER] = "change to its owner",
		[MFTD_PROBE_OPEN] = "open",
		[MFTD_PROBE_CREATE] = "create",
		[MFTD_PROBE_WRITE] = "write",
		[MFTD_PROBE_FSYNC] = "fsync",
		[MFTD_PROBE_RENAME] = "rename",
		[MFTD_PROBE_UNLINK] = "unlink",
		[MFTD_PROBE_DONE] = "done",
		[MFTD_PROBE_EARLIER] = "an earlier probe",
	};

	return words[step];
}

/* ---- the child */

/* The directory, or where a volume of mftd is its own one. -1 and errno. */
static int
open_directory(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), own;

	if (dir == -1)
		return -1;
	own = openat(
	    dir, PRIVATE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (own == -1 && errno == ENOENT)
		return dir;
	close(dir);
	return own;
}

/* Without it what is written would be the node's own disk. */
static int
check_mount(const struct mftd_probe_plan *plan, const struct stat *st)
{
	struct stat root;

	if (!plan->mounted)
		return 0;
	if (stat("/", &root) == -1)
		return errno;
	return st->st_dev == root.st_dev ? ENODEV : 0;
}

/* A server may squash root; and whoever is root needs no right to write. */
static int
become_owner(const struct stat *st)
{
	if (geteuid() != 0 || st->st_uid == 0)
		return 0;
	if (setgroups(0, NULL) == -1 ||
	    setresgid(st->st_gid, st->st_gid, st->st_gid) == -1 ||
	    setresuid(st->st_uid, st->st_uid, st->st_uid) == -1)
		return errno;
	return 0;
}

static int
write_file(int fd)
{
	char block[MFTD_PROBE_BYTES];
	ssize_t n;

	memset(block, 'm', sizeof(block));
	n = pwrite(fd, block, sizeof(block), 0);
	if (n == -1)
		return errno;
	return n == (ssize_t)sizeof(block) ? 0 : ENOSPC;
}

/* To the directory, as its owner: 0 or an errno. */
static int
enter(struct touching *a)
{
	struct stat st;
	int r;

	a->step = MFTD_PROBE_LOOK;
	if (stat(a->plan->directory, &st) == -1)
		return errno;
	a->step = MFTD_PROBE_MOUNT;
	if ((r = check_mount(a->plan, &st)) != 0)
		return r;
	a->step = MFTD_PROBE_USER;
	if ((r = become_owner(&st)) != 0)
		return r;
	a->step = MFTD_PROBE_OPEN;
	a->dir = open_directory(a->plan->directory);
	return a->dir == -1 ? errno : 0;
}

/* One step after the other; the first error ends it. */
static int
touch(struct touching *a)
{
	int r = enter(a);

	if (r != 0)
		return r;
	a->step = MFTD_PROBE_CREATE;
	a->fd = openat(a->dir, a->before,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0600);
	if (a->fd == -1)
		return errno;
	a->step = MFTD_PROBE_WRITE;
	if ((r = write_file(a->fd)) != 0)
		return r;
	a->step = MFTD_PROBE_FSYNC;
	if (fsync(a->fd) == -1 || close(a->fd) == -1)
		return errno;
	a->step = MFTD_PROBE_RENAME;
	if (renameat(a->dir, a->before, a->dir, a->after) == -1)
		return errno;
	a->step = MFTD_PROBE_UNLINK;
	if (unlinkat(a->dir, a->after, 0) == -1)
		return errno;
	a->step = MFTD_PROBE_DONE;
	return 0;
}

/* Not in the agent's group, which the executor kills, and without its outputs,
 * of which the executor waits for the end. A session of its own would cost a
 * scheduling group beside. */
static void
leave(void)
{
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0U, 0);
}

static int
child(void *arg)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct touching *a = arg;
	int lock;

	leave();
	lock = open(a->plan->lock,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (lock == -1 || fcntl(lock, F_SETLK, &lk) == -1)
		a->err = errno;
	else
		a->err = touch(a);
	return 0;
}

/* ---- the agent */

/* Whose lock it is: a pid, 0 if nobody's, -errno. */
static pid_t
holder(const char *path)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r;

	if (fd == -1)
		return errno == ENOENT ? 0 : -errno;
	r = fcntl(fd, F_GETLK, &lk) == -1 ? -errno : 0;
	close(fd);
	if (r < 0)
		return r;
	return lk.l_type == F_UNLCK ? 0 : lk.l_pid;
}

/* Whether the child has gone by then; to close a file may hang as well. The
 * signal is blocked, so that it stays for who waits. errno is the child's too:
 * the clock says why the wait ended. */
static bool
wait_for(pid_t pid, const sigset_t *chld, int64_t timeout_ms)
{
	int64_t end_ms = mftd_ocf_now_ms() + timeout_ms, left;

	do {
		struct timespec ts;

		left = end_ms - mftd_ocf_now_ms();
		left = left > 0 ? left : 0;
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		sigtimedwait(chld, NULL, &ts);
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
	} while (left > 0);
	return false;
}

/* Whether the child is gone, and the memory only ours again. */
static bool
attempt(struct touching *a, struct mftd_probe *probe)
{
	sigset_t chld, old;
	bool gone;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	pid = mftd_branch(a->stack, child, a);
	gone = pid < 0 || wait_for(pid, &chld, a->plan->timeout_ms);
	if (pid < 0) {
		probe->err = -pid;
	} else if (!gone) {
		kill(pid, SIGKILL);
		probe->pid = pid;
		probe->err = ETIMEDOUT;
	} else if (a->err != 0)
		probe->err = a->err;
	else if (a->step != MFTD_PROBE_DONE)
		probe->err = ECHILD; /* it was killed */
	probe->step = (enum mftd_probe_step)a->step;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return gone;
}

void
mftd_probe_run(const struct mftd_probe_plan *plan, struct mftd_probe *probe)
{
	pid_t pid = holder(plan->lock);
	struct touching *a;

	*probe = (struct mftd_probe) { MFTD_PROBE_BEGIN, 0, 0 };
	if (pid > 0) {
		*probe =
		    (struct mftd_probe) { MFTD_PROBE_EARLIER, ETIMEDOUT, pid };
		return;
	}
	if (pid < 0) {
		probe->err = -pid;
		return;
	}
	a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a == MAP_FAILED) {
		probe->err = errno;
		return;
	}
	a->plan = plan;
	a->dir = a->fd = -1;
	snprintf(a->before, sizeof(a->before), "probe-%.255s.new", plan->name);
	snprintf(a->after, sizeof(a->after), "probe-%.255s", plan->name);
	if (attempt(a, probe))
		munmap(a, sizeof(*a));
}

bool
mftd_probe_end(const char *lock, int64_t timeout_ms)
{
	int64_t end_ms = mftd_ocf_now_ms() + timeout_ms;
	pid_t pid;

	while ((pid = holder(lock)) > 0) {
		kill(pid, SIGKILL);
		if (mftd_ocf_now_ms() >= end_ms)
			return false;
		poll(NULL, 0, END_POLL_MS);
	}
	return pid == 0;
}
