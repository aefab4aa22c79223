/* Part of mftd; see LICENSE. */
#include "mftd/catalog/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/journal/durable.h"

static int
snapshot(void *data)
{
	struct mftd_objects o = { .version = 1 };

	return mftd_catalog_snapshot(&o, data);
}

/* What a node starts with while the database is away: it is whole before it
 * takes the place of the one before, and there afterwards. */
static void
is_durable(void **state)
{
	char dir[] = "test_snapshot_XXXXXX", path[64];
	bool good, there;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s.db", dir);
	good = durable_in_order(snapshot, path, 0);
	there = unlink(path) == 0;
	snprintf(path, sizeof(path), "%s/s.db.new", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	assert_true(good);
	assert_true(there);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
