/* Part of mftd; see LICENSE. */
#include "mftd/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void
paths_are_cleaned(void **state)
{
	static const struct {
		const char *raw, *clean;
	} cases[] = {
		{ "", "." },
		{ "/", "." },
		{ ".", "." },
		{ "..", "." },
		{ "../../etc/passwd", "etc/passwd" },
		{ "/a//b/./c/", "a/b/c" },
		{ "a/b/../c", "a/c" },
		{ "a/..", "." },
		{ "a/../../b", "b" },
		{ "...", "..." },
		{ "a b/\xff", "a b/\xff" },
	};
	char out[64];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mftd_path_clean(cases[i].raw,
				     strlen(cases[i].raw), out, sizeof(out)),
		    0);
		assert_string_equal(out, cases[i].clean);
	}
	assert_int_equal(mftd_path_clean("a\0b", 3, out, sizeof(out)), -EINVAL);
	assert_int_equal(mftd_path_clean("abcd", 4, out, 4), -ENAMETOOLONG);
	assert_int_equal(mftd_path_clean("abc", 3, out, 4), 0);
}

static void
paths_are_split(void **state)
{
	char dir[16];
	const char *base;

	assert_int_equal(mftd_path_split("a/b/c", dir, sizeof(dir), &base), 0);
	assert_string_equal(dir, "a/b");
	assert_string_equal(base, "c");
	assert_int_equal(mftd_path_split("c", dir, sizeof(dir), &base), 0);
	assert_string_equal(dir, ".");
	assert_int_equal(
	    mftd_path_split(".", dir, sizeof(dir), &base), -EISDIR);
}

static void
open_stays_beneath(void **state)
{
	char top[] = "test_path_XXXXXX";
	int root, fd;

	assert_non_null(mkdtemp(top));
	root = open(top, O_RDONLY | O_DIRECTORY);
	assert_true(root >= 0);
	assert_int_equal(mkdirat(root, "in", 0700), 0);
	assert_int_equal(symlinkat("/etc", root, "in/abs"), 0);
	assert_int_equal(symlinkat("../..", root, "in/up"), 0);
	assert_int_equal(symlinkat(".", root, "in/self"), 0);
	fd = openat(root, "in", O_RDONLY | O_DIRECTORY);
	assert_int_equal(mftd_path_open(fd, "abs", O_RDONLY, 0), -EXDEV);
	assert_int_equal(mftd_path_open(fd, "up", O_RDONLY, 0), -EXDEV);
	assert_int_equal(mftd_path_open(fd, "..", O_RDONLY, 0), -EXDEV);
	assert_int_equal(mftd_path_open(fd, "/", O_RDONLY, 0), -EXDEV);
	assert_int_equal(
	    mftd_path_open_nolinks(fd, "self", O_RDONLY, 0), -ELOOP);
	close(fd);
	unlinkat(root, "in/abs", 0);
	unlinkat(root, "in/up", 0);
	unlinkat(root, "in/self", 0);
	unlinkat(root, "in", AT_REMOVEDIR);
	close(root);
	rmdir(top);
}

static void
names_of_files(void **state)
{
	static const struct {
		const char *name;
		bool is;
	} cases[] = { { "a", true }, { "...", true }, { ".a", true },
		{ " ", true }, { "-rf", true }, { "", false }, { ".", false },
		{ "..", false }, { "a/b", false }, { "/", false } };
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(mftd_path_is_name(cases[i].name), cases[i].is);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_cleaned),
		cmocka_unit_test(paths_are_split),
		cmocka_unit_test(open_stays_beneath),
		cmocka_unit_test(names_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
