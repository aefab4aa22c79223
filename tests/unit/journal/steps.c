/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/steps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>
#include <seccomp.h>

#include "mftd/base/fdio.h"

#define WRITE_MAX (1 << 20)

struct steps {
	struct steps_plan plan;
	int ctl[2]; /* the filter's descriptor comes through here */
	int notify;
	int event; /* steps_fd */
	int wake; /* of the thread: released, or to end */
	pid_t pid;
	pthread_t thread;
	bool began;
	atomic_bool armed, came, released, ending, again;
	atomic_uint count;
	uint64_t held; /* the call that waits; 0: none */
	int nr; /* of the call at the step */
	char call[300];
	dev_t dev; /* of the file whose sync failed … */
	ino_t ino; /* … 0: none did */
};

/* Calls that nobody outside the process notices; looks are handed over, since
 * they can fail.  sendmsg is none of them: the answer is a step.  epoll_create1
 * is one: libqb 2.0.6 crashes when that fails, before anything has begun. */
static const int harmless[] = { SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getrandom), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(close),
	SCMP_SYS(close_range), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(lseek),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(timerfd_settime),
	SCMP_SYS(recvmsg), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(restart_syscall), SCMP_SYS(getppid), SCMP_SYS(geteuid),
	SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(alarm), SCMP_SYS(getuid) };

static const int looks[] = { SCMP_SYS(openat), SCMP_SYS(open),
	SCMP_SYS(openat2), SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(fstat),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
	SCMP_SYS(getdents64), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(fcntl), SCMP_SYS(socketpair), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(epoll_ctl), SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create), SCMP_SYS(pipe2), SCMP_SYS(statfs),
	SCMP_SYS(fstatfs) };

static const int syncs[] = { SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(sync_file_range), SCMP_SYS(syncfs), SCMP_SYS(msync) };

#define IN(list, nr) in(list, sizeof(list) / sizeof((list)[0]), nr)

static bool
in(const int *list, size_t n, int nr)
{
	while (n > 0)
		if (list[--n] == nr)
			return true;
	return false;
}

struct steps *
steps_new(const struct steps_plan *plan)
{
	struct steps *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->plan = *plan;
	s->notify = -1;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->ctl), 0);
	s->event = eventfd(0, EFD_CLOEXEC);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(s->event >= 0 && s->wake >= 0);
	return s;
}

/* One descriptor over a socket; the child's part of it returns when it has to
 * give up. */
union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

static bool
give(int sock, int fd)
{
	union control u = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.space,
		.msg_controllen = sizeof(u.space) };

	u.head.cmsg_level = SOL_SOCKET;
	u.head.cmsg_type = SCM_RIGHTS;
	u.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&u.head), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) == 1;
}

static int
take(int sock)
{
	union control u = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.space,
		.msg_controllen = sizeof(u.space) };
	int fd = -1;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) == 1 &&
	    m.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&u.head), sizeof(fd));
	return fd;
}

void
steps_enter(void *steps)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
		SIGABRT };
	struct steps *s = steps;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_NOTIFY);
	size_t i;
	int r = f != NULL ? 0 : -ENOMEM;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a crash is the process' own end, not that of one of cmocka's tests */
	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		signal(crashes[i], SIG_DFL);
	for (i = 0; r == 0 && i < sizeof(harmless) / sizeof(harmless[0]); i++)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, harmless[i], 0);
	/* the one message that nobody can answer yet */
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
		    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)s->ctl[1], 0));
	if (r == 0)
		r = seccomp_load(f);
	if (r < 0 || !give(s->ctl[1], seccomp_notify_fd(f)))
		_exit(126);
	close(seccomp_notify_fd(f));
	close(s->ctl[0]);
	close(s->ctl[1]);
	close(s->event);
	close(s->wake);
}

static void
answer(struct steps *s, uint64_t id, int64_t val, int err)
{
	struct seccomp_notif_resp resp = {
		.id = id, .val = val, .error = -err
	};

	if (val == 0 && err == 0)
		resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	/* ENOENT: it was killed meanwhile */
	ioctl(s->notify, SECCOMP_IOCTL_NOTIF_SEND, &resp);
}

static int
fd_of(pid_t pid, int fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), copy;

	if (pidfd < 0)
		return -1;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	close(pidfd);
	return copy;
}

static bool
is_write(const struct seccomp_notif *q)
{
	return q->data.nr == SCMP_SYS(pwrite64) ||
	    q->data.nr == SCMP_SYS(write);
}

/* Does the first half of the write in its stead. */
static void
write_half(struct steps *s, const struct seccomp_notif *q)
{
	size_t half = q->data.args[2] / 2;
	struct iovec here = { .iov_len = half };
	struct iovec there = { (void *)(uintptr_t)q->data.args[1], half };
	int fd = fd_of(s->pid, (int)q->data.args[0]);
	ssize_t n = -1;

	here.iov_base = malloc(half);
	if (fd >= 0 && here.iov_base != NULL && half <= WRITE_MAX &&
	    process_vm_readv(s->pid, &here, 1, &there, 1, 0) == (ssize_t)half)
		n = q->data.nr == SCMP_SYS(write)
		    ? write(fd, here.iov_base, half)
		    : pwrite(fd, here.iov_base, half, (off_t)q->data.args[3]);
	free(here.iov_base);
	mftd_fd_close(&fd);
	answer(s, q->id, n > 0 ? n : 0, n > 0 ? 0 : EIO);
}

static bool
is_step(const struct steps *s, const struct seccomp_notif *q)
{
	int nr = q->data.nr;
	uint64_t how = q->data.args[2];

	if (!atomic_load(&s->armed) ||
	    (s->plan.alone && (pid_t)q->pid != s->pid))
		return false;
	if (s->plan.what == STEPS_SHORT)
		return is_write(q) && q->data.args[2] > 1;
	if (s->plan.call != NULL)
		return nr == seccomp_syscall_resolve_name(s->plan.call);
	if (s->plan.looks || !IN(looks, nr))
		return true;
	/* some of those that look, change */
	return (nr == SCMP_SYS(openat) && (how & (O_CREAT | O_TRUNC)) != 0) ||
	    (nr == SCMP_SYS(fcntl) && q->data.args[1] == F_OFD_SETLK);
}

/* Notes what the call at the step was, for who reads the test's output. */
static void
note(struct steps *s, const struct seccomp_notif *q)
{
	char link[64], on[256], *name;
	ssize_t n;

	s->nr = q->data.nr;
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)s->pid,
	    (int)q->data.args[0]);
	n = readlink(link, on, sizeof(on) - 1);
	on[n > 0 ? n : 0] = '\0';
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, q->data.nr);
	snprintf(
	    s->call, sizeof(s->call), "%s(%s)", name != NULL ? name : "?", on);
	free(name);
}

static bool
file_of(const struct steps *s, int fd, struct stat *st)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)s->pid, fd);
	return stat(path, st) == 0;
}

static void
tell(struct steps *s)
{
	uint64_t one = 1;

	(void)!write(s->event, &one, sizeof(one));
}

static void
act(struct steps *s, const struct seccomp_notif *q)
{
	struct stat st;

	note(s, q);
	atomic_store(&s->came, true); /* who reaps it finds it so */
	switch (s->plan.what) {
	case STEPS_KILL:
		kill(s->pid, SIGKILL);
		break;
	case STEPS_FAIL:
		if (IN(syncs, q->data.nr) &&
		    file_of(s, (int)q->data.args[0], &st)) {
			s->dev = st.st_dev;
			s->ino = st.st_ino;
		}
		answer(s, q->id, 0, s->plan.err);
		break;
	case STEPS_SHORT:
		write_half(s, q);
		break;
	case STEPS_HOLD:
		s->held = q->id;
		break;
	case STEPS_NOTHING:
		answer(s, q->id, 0, 0);
		break;
	}
	tell(s);
}

static void
on_call(struct steps *s, const struct seccomp_notif *q)
{
	struct stat st;

	if (s->ino != 0 && IN(syncs, q->data.nr) &&
	    file_of(s, (int)q->data.args[0], &st) && st.st_ino == s->ino &&
	    st.st_dev == s->dev)
		atomic_store(&s->again, true);
	if (s->plan.watch != NULL && atomic_load(&s->armed))
		s->plan.watch(s->plan.data, s->pid, q->data.nr,
		    (const uint64_t *)q->data.args);
	if (is_step(s, q) && atomic_fetch_add(&s->count, 1) + 1 == s->plan.at)
		act(s, q);
	else
		answer(s, q->id, 0, 0);
}

static void *
serve(void *data)
{
	struct steps *s = data;
	struct pollfd p[2] = { { .fd = s->notify, .events = POLLIN },
		{ .fd = s->wake, .events = POLLIN } };
	struct seccomp_notif q;
	uint64_t n;

	while (!atomic_load(&s->ending) && poll(p, 2, -1) >= 0) {
		if ((p[1].revents & POLLIN) != 0)
			(void)!read(s->wake, &n, sizeof(n));
		if (s->held != 0 && atomic_load(&s->released)) {
			answer(s, s->held, 0, 0);
			s->held = 0;
		}
		memset(&q, 0, sizeof(q));
		if ((p[0].revents & POLLIN) != 0 &&
		    ioctl(s->notify, SECCOMP_IOCTL_NOTIF_RECV, &q) == 0)
			on_call(s, &q);
		if ((p[0].revents & POLLHUP) != 0)
			break; /* nobody has that filter any more */
	}
	tell(s);
	return NULL;
}

void
steps_begin(struct steps *s, pid_t pid)
{
	mftd_fd_close(&s->ctl[1]);
	s->pid = pid;
	s->notify = take(s->ctl[0]);
	assert_true(s->notify >= 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	s->began = true;
}

void
steps_arm(struct steps *s)
{
	atomic_store(&s->armed, true);
}

int
steps_fd(const struct steps *s)
{
	return s->event;
}

bool
steps_wait(struct steps *s)
{
	struct pollfd p = { .fd = s->event, .events = POLLIN };

	while (poll(&p, 1, -1) < 0)
		assert_int_equal(errno, EINTR);
	return steps_came(s);
}

bool
steps_came(struct steps *s)
{
	return atomic_load(&s->came);
}

unsigned
steps_count(struct steps *s)
{
	return atomic_load(&s->count);
}

const char *
steps_call(struct steps *s)
{
	return steps_came(s) ? s->call : "none";
}

bool
steps_was_sync(struct steps *s)
{
	return steps_came(s) && IN(syncs, s->nr);
}

bool
steps_synced_again(struct steps *s)
{
	return atomic_load(&s->again);
}

static void
wake(struct steps *s)
{
	uint64_t one = 1;

	(void)!write(s->wake, &one, sizeof(one));
}

void
steps_release(struct steps *s)
{
	atomic_store(&s->released, true);
	wake(s);
}

/* A lock belongs to the open file, which both have then. */
void
steps_break_locks(struct steps *s)
{
	struct flock none = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	char path[64];
	struct dirent *e;
	DIR *d;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)s->pid);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		fd = fd_of(s->pid, atoi(e->d_name));
		if (fd < 0)
			continue;
		fcntl(fd, F_OFD_SETLK, &none);
		close(fd);
	}
	closedir(d);
}

void
steps_free(struct steps *s)
{
	if (s->began) {
		atomic_store(&s->ending, true);
		wake(s);
		pthread_join(s->thread, NULL);
	}
	mftd_fd_close(&s->ctl[0]);
	mftd_fd_close(&s->ctl[1]);
	mftd_fd_close(&s->notify);
	mftd_fd_close(&s->event);
	mftd_fd_close(&s->wake);
	free(s);
}
