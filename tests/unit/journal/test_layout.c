/* Part of mftd; see LICENSE. */
#include "mftd/journal/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/journal/tree.h"

static void
key_names_the_directory(void **state)
{
	struct tree t;
	char key[MFTD_PARENT_KEY_BYTES], want[MFTD_PARENT_KEY_BYTES];

	tree_make(&t);
	snprintf(want, sizeof(want), "0011223344556677.%llx",
	    (unsigned long long)tree_inode(&t, "."));
	assert_int_equal(
	    mftd_layout_parent_key("0011223344556677", t.fd, key, sizeof(key)),
	    0);
	assert_string_equal(key, want);
	assert_int_equal(
	    mftd_layout_parent_key("0011223344556677", t.fd, key, strlen(want)),
	    -ENAMETOOLONG);
	tree_remove(&t);
}

static void
part_is_made_once(void **state)
{
	struct tree t;
	int fd;

	tree_make(&t);
	assert_int_equal(mftd_layout_parts_open(t.fd, "v.1", "f"), -ENOENT);
	fd = mftd_layout_part_create(t.fd, "v.1", "f", "n1-1.1", 0640);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(
	    mftd_layout_part_create(t.fd, "v.1", "f", "n1-1.1", 0640), -EEXIST);
	assert_int_equal(mftd_layout_part_sync(t.fd, "v.1", "f"), 0);
	assert_true(tree_holds(&t, "v.1/f/n1-1.1", ""));
	/* emptied and removed by journal: made again */
	assert_int_equal(unlinkat(t.fd, "v.1/f/n1-1.1", 0), 0);
	assert_int_equal(unlinkat(t.fd, "v.1/f", AT_REMOVEDIR), 0);
	fd = mftd_layout_part_create(t.fd, "v.1", "f", "n1-1.2", 0640);
	assert_true(fd >= 0);
	close(fd);
	tree_remove(&t);
}

static void
names_that_are_no_component_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/" };
	struct tree t;
	size_t i;

	tree_make(&t);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
		    mftd_layout_part_create(t.fd, "v.1", bad[i], "p", 0600),
		    -EINVAL);
		assert_int_equal(
		    mftd_layout_parts_open(t.fd, "v.1", bad[i]), -EINVAL);
	}
	assert_int_equal(tree_count(&t, "."), 0);
	assert_int_equal(symlinkat("/tmp", t.fd, "v.1"), 0);
	assert_int_equal(mftd_layout_parts_open(t.fd, "v.1", "f"), -ELOOP);
	tree_remove(&t);
}

static void
own_directory_is_reserved(void **state)
{
	assert_true(mftd_layout_reserved(".", ".mft"));
	assert_true(mftd_layout_reserved(".", ".mft/out/x"));
	assert_false(mftd_layout_reserved(".", ".mftx"));
	assert_false(mftd_layout_reserved(".", "a/.mft"));
	assert_false(mftd_layout_reserved("alice", ".mft"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_names_the_directory),
		cmocka_unit_test(part_is_made_once),
		cmocka_unit_test(names_that_are_no_component_are_refused),
		cmocka_unit_test(own_directory_is_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
