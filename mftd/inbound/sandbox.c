/* Part of mftd; see LICENSE. */
#include "mftd/inbound/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"
/* Threads count as processes, of the user and not of the process: what all
 * sessions of a node may have, and the other workers. */
#define PROCESSES_MAX (MFTD_SESSIONS_MAX * (1 + MFTD_SFTP_SYNC_THREADS) + 256)

/* The handles of all channels, each an upload over a published file with two
 * descriptors; the channels' sockets, and a few. */
#define FILES_MAX (MFTD_SSH_CHANNELS_MAX * MFTD_SFTP_HANDLES_MAX * 2 + 64)

struct mftd_filter {
	unsigned short n;
	struct sock_filter code[];
};

/* What a session is made of; each line says for what. */
static const int allowed[] = {
	/* the connection and the channels */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(socketpair), SCMP_SYS(close),
	SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(fcntl),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex),
	/* what a new thread begins with */
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	/* time, randomness, signals, the end */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(nanosleep), SCMP_SYS(getrandom), SCMP_SYS(alarm),
	SCMP_SYS(setitimer), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(tgkill), SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(sched_yield), SCMP_SYS(umask),
	SCMP_SYS(sched_getaffinity),
	/* files: where, Landlock and openat2's resolution decide */
	SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(fstatfs),
	SCMP_SYS(getdents64), SCMP_SYS(lseek), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev),
	SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(fadvise64),
	SCMP_SYS(copy_file_range), SCMP_SYS(flock), SCMP_SYS(readlinkat),
	SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(mkdirat),
	SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(linkat), SCMP_SYS(symlinkat), SCMP_SYS(fchmod),
	SCMP_SYS(fchown), SCMP_SYS(fchmodat), SCMP_SYS(utimensat),
	SCMP_SYS(fgetxattr),
	/* the second step */
	SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
	SCMP_SYS(landlock_restrict_self)
};

/* What libraries try of themselves and do without: syslog(3) that connects
 * anew, say. */
static const int refused[] = { SCMP_SYS(socket), SCMP_SYS(connect),
	SCMP_SYS(open), SCMP_SYS(access), SCMP_SYS(stat), SCMP_SYS(readlink),
	SCMP_SYS(prctl), SCMP_SYS(prlimit64), SCMP_SYS(sysinfo),
	SCMP_SYS(uname) };

#define THREAD_FLAGS                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
	    CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |            \
	    CLONE_CHILD_CLEARTID)

static const unsigned long ioctls[] = { FICLONE, FICLONERANGE, FIONREAD };

static int
add_rules(scmp_filter_ctx ctx)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (i = 0; r == 0 && i < sizeof(refused) / sizeof(refused[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	for (i = 0; r == 0 && i < sizeof(ioctls) / sizeof(ioctls[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_EQ, ioctls[i], 0));
	/* threads for syncs (sftp/syncer.c), and nothing else that clone makes:
	 * glibc takes this form where there is no clone3, whose flags a filter
	 * cannot see */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_EQ, THREAD_FLAGS, 0));
	if (r == 0)
		r = seccomp_rule_add(
		    ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* no memory becomes executable any more */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

/* Reads the program that libseccomp wrote to fd. */
static int
read_program(int fd, struct mftd_filter **out)
{
	off_t size = lseek(fd, 0, SEEK_END);
	struct mftd_filter *f;

	if (size <= 0 || size % (off_t)sizeof(f->code[0]) != 0)
		return -EIO;
	f = malloc(sizeof(*f) + (size_t)size);
	if (f == NULL)
		return -ENOMEM;
	f->n = (unsigned short)((size_t)size / sizeof(f->code[0]));
	if (mftd_fd_pread_full(fd, f->code, (size_t)size, 0) != size) {
		free(f);
		return -EIO;
	}
	*out = f;
	return 0;
}

int
mftd_sandbox_filter(struct mftd_filter **out)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int fd, r;

	if (ctx == NULL)
		return -ENOMEM;
	fd = memfd_create("filter", MFD_CLOEXEC);
	r = fd < 0 ? -errno : add_rules(ctx);
	/* a binary tree: dozens of comparisons less for each call */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_export_bpf(ctx, fd);
	if (r == 0)
		r = read_program(fd, out);
	seccomp_release(ctx);
	mftd_fd_close(&fd);
	return r;
}

void
mftd_sandbox_filter_free(struct mftd_filter *f)
{
	free(f);
}

static int
limit(int what, rlim_t most)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)what, &l) < 0)
		return -errno;
	if (l.rlim_max > most) /* RLIM_INFINITY is the largest */
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &l) < 0 ? -errno : 0;
}

int
mftd_sandbox_enter(const struct mftd_filter *f)
{
	const struct sock_fprog program = { f->n,
		(struct sock_filter *)(uintptr_t)f->code };
	int r;

	r = limit(RLIMIT_CORE, 0);
	if (r == 0)
		r = limit(RLIMIT_NOFILE, FILES_MAX);
	/* the filter lets no process be made: this bounds threads */
	if (r == 0)
		r = limit(RLIMIT_NPROC, PROCESSES_MAX);
	if (r == 0 &&
	    (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
		r = -errno;
	if (r == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		r = -errno;
	return r;
}

/* ---- Landlock */

/* Names that older kernel headers do not have; the numbers are the kernel's
 * interface. */
#define FS_ABI1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_TCP 3ULL /* bind, connect: ABI 4 */
#define SCOPES 3ULL /* abstract sockets, signals: ABI 6 */

struct attributes {
	uint64_t fs, net, scoped;
};

static int
best_attributes(int abi, struct attributes *a)
{
	a->fs = FS_ABI1;
	a->net = a->scoped = 0;
	if (abi >= 2)
		a->fs |= FS_REFER;
	if (abi >= 3)
		a->fs |= FS_TRUNCATE;
	if (abi >= 4)
		a->net = NET_TCP;
	if (abi >= 5)
		a->fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		a->scoped = SCOPES;
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8; /* the struct's size then */
}

/* Files, directories and links may be used below the directories; programs,
 * devices and sockets may not. */
#define FS_GRANTED                                                         \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |    \
	    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |  \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM |    \
	    FS_REFER | FS_TRUNCATE)

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static int
add_dirs(int ruleset, uint64_t known, const int *dirs, size_t n)
{
	struct landlock_path_beneath_attr rule = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		rule.parent_fd = dirs[i];
		rule.allowed_access = (i == 0 ? FS_GRANTED : FS_READ) & known;
		if (syscall(SYS_landlock_add_rule, ruleset,
			LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
			return -errno;
	}
	return 0;
}

int
mftd_sandbox_confine(const int *dirs, size_t n)
{
	struct attributes a;
	int abi, size, ruleset, r;

	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	size = best_attributes(abi, &a);
	ruleset =
	    (int)syscall(SYS_landlock_create_ruleset, &a, (size_t)size, 0);
	if (ruleset < 0)
		return -errno;
	r = add_dirs(ruleset, a.fs, dirs, n);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	close(ruleset);
	return r;
}
