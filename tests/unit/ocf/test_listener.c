/* Part of mftd; see LICENSE. */
#include "agent.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ocf/listener.h"

#define NAME "mft-listener-test"
#define MANY 600 /* more than one answer of the kernel holds */

/* A socket of that path, len bytes of it; listening or not. */
static int
bound(const char *path, size_t len, bool listening)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && len <= sizeof(sun.sun_path));
	memcpy(sun.sun_path, path, len);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	if (listening)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

#define ABSTRACT(name) bound("\0" name, sizeof("\0" name) - 1, true)

static unsigned long
inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* Both ways say the same. */
static void
assert_found(unsigned long wanted)
{
	uint32_t inode = 1;

	assert_int_equal(mftd_ocf_listener_proc(NAME, &inode), 0);
	assert_int_equal(inode, wanted);
	inode = 1;
	assert_int_equal(mftd_ocf_listener_diag(NAME, &inode), 0);
	assert_int_equal(inode, wanted);
	assert_int_equal(mftd_ocf_listener(NAME), wanted);
}

static void
abstract(void **state)
{
	int fd, again;

	(void)state;
	assert_found(0);
	fd = ABSTRACT(NAME);
	assert_found(inode_of(fd));
	close(fd);
	/* as libqb binds it: filled up with NUL */
	again = ABSTRACT(NAME "\0\0\0\0\0");
	assert_found(inode_of(again));
	close(again);
	assert_found(0);
}

static void
others(void **state)
{
	const int fds[] = { ABSTRACT(NAME "2"), ABSTRACT("x" NAME),
		bound("\0" NAME, sizeof(NAME), false) };
	int fd;

	(void)state;
	assert_found(0);
	fd = ABSTRACT("dir/" NAME);
	assert_found(inode_of(fd));
	close(fd);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close(fds[i]);
}

static void
in_a_directory(void **state)
{
	char dir[] = "/tmp/mftd-listener-XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/" NAME, dir);
	fd = bound(path, strlen(path), true);
	assert_found(inode_of(fd));
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* It is found wherever in the list it is. */
static void
among_many(void **state)
{
	static int fds[MANY];
	char name[32];
	int fd = -1;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		int len = snprintf(name + 1, sizeof(name) - 1, "many-%d", i);

		*name = '\0';
		fds[i] = bound(name, (size_t)len + 1, true);
		if (i == MANY / 2)
			fd = ABSTRACT(NAME);
	}
	assert_found(inode_of(fd));
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(abstract),
		cmocka_unit_test(others),
		cmocka_unit_test(in_a_directory),
		cmocka_unit_test(among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
