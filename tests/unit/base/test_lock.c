/* Part of mftd; see LICENSE. */
#include "mftd/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"

#define OTHER 65533 /* a user, who needs no name */

static char top[] = "test_lock_XXXXXX";
static char path[64];

static int
make(void **state)
{
	if (mkdtemp(top) == NULL || chmod(top, 0755) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/a.lock", top);
	return 0;
}

static int
drop(void **state)
{
	unlink(path);
	return rmdir(top);
}

static int
mode_of(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* As another user: takes a lock for reading, if there is a way to. */
static int
another_locks(void)
{
	struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int status, fd;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(OTHER) < 0 || setuid(OTHER) < 0)
			_exit(99);
		fd = open(path, O_RDONLY);
		_exit(fd < 0 || fcntl(fd, F_OFD_SETLK, &fl) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
one_has_it(void **state)
{
	int fd = mftd_lock_take(path);

	assert_true(fd >= 0);
	assert_int_equal(mftd_lock_take(path), -EAGAIN);
	assert_int_equal(mftd_lock_held(path), 1);
	mftd_fd_close(&fd);
	assert_int_equal(mftd_lock_held(path), 0);
	unlink(path);
	assert_int_equal(mftd_lock_held(path), 0);
}

static void
nobody_else_may_open_it(void **state)
{
	int fd = mftd_lock_take(path);

	assert_true(fd >= 0);
	mftd_fd_close(&fd);
	assert_int_equal(mode_of(), 0600);
	if (geteuid() == 0)
		assert_int_equal(another_locks(), EACCES);
	unlink(path);
}

/* As an older version left it. */
static void
what_is_open_to_others_is_closed(void **state)
{
	int fd = open(path, O_RDWR | O_CREAT, 0644);

	assert_true(fd >= 0);
	mftd_fd_close(&fd);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(mftd_lock_held(path), 0);
	assert_int_equal(mode_of(), 0600);
	assert_int_equal(chmod(path, 0664), 0);
	fd = mftd_lock_take(path);
	assert_true(fd >= 0);
	mftd_fd_close(&fd);
	assert_int_equal(mode_of(), 0600);
	if (geteuid() == 0)
		assert_int_equal(another_locks(), EACCES);
	unlink(path);
}

/* A write that cannot be done leaves the word: it did not begin by taking it
 * away, which an agent would have read as another role. */
static void
word_is_replaced_in_place(void **state)
{
	const struct rlimit none = { 0, RLIM_INFINITY };
	struct rlimit before;
	char text[16] = "";
	int fd = mftd_lock_take(path);

	assert_true(fd >= 0);
	assert_int_equal(mftd_lock_write(fd, "promoted\n"), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(mftd_lock_write(fd, "promoted\n"), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 9);
	assert_string_equal(text, "promoted\n");
	assert_int_equal(mftd_lock_write(fd, "started\n"), 0);
	memset(text, 0, sizeof(text));
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 8);
	assert_string_equal(text, "started\n");
	assert_int_equal(mftd_lock_write(fd, ""), 0);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 0);
	mftd_fd_close(&fd);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_has_it),
		cmocka_unit_test(nobody_else_may_open_it),
		cmocka_unit_test(what_is_open_to_others_is_closed),
		cmocka_unit_test(word_is_replaced_in_place),
	};

	return cmocka_run_group_tests(tests, make, drop);
}
