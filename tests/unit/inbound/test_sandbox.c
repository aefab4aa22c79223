/* Part of mftd; see LICENSE. */
#include "mftd/inbound/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"
#include "mftd/base/path.h"

/* Two directories of an account, and one of somebody else. */
struct place {
	char dir[64];
	int root, parts, other;
	struct mftd_filter *filter;
	pid_t self; /* the test itself */
};

static int
open_dir(const char *dir, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0755), 0);
	return open(path, O_RDONLY | O_DIRECTORY);
}

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	int fd;

	assert_non_null(p);
	p->self = getpid();
	strcpy(p->dir, "sandbox.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->root = open_dir(p->dir, "root");
	p->parts = open_dir(p->dir, "parts");
	p->other = open_dir(p->dir, "other");
	fd = openat(p->other, "secret", O_CREAT | O_WRONLY, 0644);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mftd_sandbox_filter(&p->filter), 0);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	char path[128];
	static const char *const names[] = { "root", "parts", "other" };
	size_t i;

	mftd_sandbox_filter_free(p->filter);
	unlinkat(p->other, "secret", 0);
	unlinkat(p->root, "new", 0);
	unlinkat(p->parts, "moved", 0);
	close(p->root);
	close(p->parts);
	close(p->other);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", p->dir, names[i]);
		rmdir(path);
	}
	rmdir(p->dir);
	free(p);
	return 0;
}

/* Runs fn in a sandboxed child; returns its wait status. */
static int
in_sandbox(struct place *p, bool confined, int (*fn)(struct place *p))
{
	const int dirs[2] = { p->parts, p->root };
	int status, r;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (mftd_sandbox_enter(p->filter) != 0)
			_exit(100);
		if (confined) {
			r = mftd_sandbox_confine(dirs, 2);
			if (r != 0)
				_exit(r == -EOPNOTSUPP ? 77 : 101);
		}
		_exit(fn(p));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	return status;
}

static int
try_inside(struct place *p)
{
	int fd;

	fd = mftd_path_open(p->parts, "new", O_CREAT | O_RDWR, 0644);
	if (fd < 0)
		return 1;
	if (pwrite(fd, "x", 1, 0) != 1 || fdatasync(fd) < 0)
		return 2;
	if (mkdirat(p->parts, "d", 0700) < 0 ||
	    renameat(p->parts, "new", p->parts, "d/moved") < 0)
		return 3;
	if (unlinkat(p->parts, "d/moved", 0) < 0 ||
	    unlinkat(p->parts, "d", AT_REMOVEDIR) < 0)
		return 4;
	return mftd_path_open(p->root, ".", O_RDONLY | O_DIRECTORY, 0) < 0 ? 5
									   : 0;
}

/* What is published is journal's to change. */
static int
change_published(struct place *p)
{
	if (mftd_path_open(p->root, "new", O_CREAT | O_RDWR, 0644) != -EACCES)
		return 1;
	if (mkdirat(p->root, "d", 0755) == 0 || errno != EACCES)
		return 2;
	if (mftd_path_open(p->root, "there", O_RDONLY, 0) < 0)
		return 3;
	if (mftd_path_open(p->root, "there", O_RDWR, 0) != -EACCES)
		return 4;
	return unlinkat(p->root, "there", 0) == 0 || errno != EACCES ? 5 : 0;
}

static void
test_published_is_only_read(void **state)
{
	struct place *p = *state;
	int status;

	close(openat(p->root, "there", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	status = in_sandbox(p, true, change_published);
	unlinkat(p->root, "there", 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_inside_works(void **state)
{
	int status = in_sandbox(*state, true, try_inside);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int
open_outside(struct place *p)
{
	int fd;

	fd = openat(AT_FDCWD, "/etc/passwd", O_RDONLY);
	if (fd >= 0 || errno != EACCES)
		return 1;
	/* even from a descriptor that leads there */
	fd = openat(p->other, "secret", O_RDONLY);
	if (fd >= 0 || errno != EACCES)
		return 2;
	fd = openat(p->root, "../other/secret", O_RDONLY);
	return fd >= 0 || errno != EACCES ? 3 : 0;
}

static void
test_outside_is_shut(void **state)
{
	int status = in_sandbox(*state, true, open_outside);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* As glibc makes threads, and they see no more than the session does. */
static void *
thread_outside(void *data)
{
	return (void *)(intptr_t)open_outside(data);
}

static int
make_thread(struct place *p)
{
	pthread_t thread;
	void *r = NULL;

	if (pthread_create(&thread, NULL, thread_outside, p) != 0)
		return 10;
	if (pthread_join(thread, &r) != 0)
		return 11;
	return (int)(intptr_t)r;
}

static void
test_thread_is_confined(void **state)
{
	int status = in_sandbox(*state, true, make_thread);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A process that shares memory and files, but is no thread. */
static int
make_sharer(struct place *p)
{
	return syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD,
		   NULL, NULL, NULL, 0) == 0
	    ? 0
	    : 1;
}

static int
run_program(struct place *p)
{
	char *const argv[] = { (char *)(uintptr_t) "true", NULL };

	execv("/bin/true", argv);
	return 1;
}

static int
make_process(struct place *p)
{
	return fork() == 0 ? 0 : 1;
}

static int
make_code(struct place *p)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int
signal_other(struct place *p)
{
	return kill(p->self, 0);
}

/* None of these is on the filter's list: the process ends. */
static void
test_filter_kills(void **state)
{
	int (*const fns[])(struct place *) = { run_program, make_process,
		make_sharer, make_code, signal_other };
	int status;
	size_t i;

	for (i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		status = in_sandbox(*state, false, fns[i]);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static int
make_socket(struct place *p)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM;
}

static void
test_no_network(void **state)
{
	int status = in_sandbox(*state, false, make_socket);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_keep_only(void **state)
{
	int a = dup(0), b = dup(0), c = dup(0), status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int keep[3] = { c, -1, a };

		mftd_fd_keep_only(keep, 3);
		_exit(fcntl(a, F_GETFD) >= 0 && fcntl(c, F_GETFD) >= 0 &&
			    fcntl(0, F_GETFD) >= 0 && fcntl(b, F_GETFD) < 0 &&
			    fcntl(c + 1, F_GETFD) < 0
			? 0
			: 1);
	}
	close(a);
	close(b);
	close(c);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_inside_works, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_published_is_only_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_outside_is_shut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_thread_is_confined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_filter_kills, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_network, set_up, tear_down),
		cmocka_unit_test(test_keep_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
