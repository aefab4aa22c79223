/* Part of mftd; see LICENSE. */
#include "mftd/base/id.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/limits.h"

#define BEHIND_ALL (INT64_C(1) << 52) /* 13 hex digits of microseconds */

/* Ids sort as they were made, up to the last that have a time, and "since" is
 * what those of then or later have or sort behind. */
static void
timed_ids_sort(void **state)
{
	static const int64_t at[] = { 0, 1, 15, 16, 1500000000000000,
		BEHIND_ALL - 2, BEHIND_ALL - 1 };
	char before[MFTD_ID_BYTES] = "", id[MFTD_ID_BYTES];
	char since[MFTD_ID_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		assert_int_equal(mftd_id_timed("d", at[i], id, sizeof(id)), 0);
		assert_true(mftd_id_valid(id));
		assert_int_equal(strlen(id), strlen("d-") + 13 + 12);
		assert_int_equal(
		    mftd_id_since("d", at[i], since, sizeof(since)), 0);
		assert_memory_equal(id, since, strlen(since));
		assert_true(strcmp(id, before) > 0);
		assert_true(strcmp(since, before) > 0);
		strcpy(before, id);
	}
}

/* There is no id of such a time; "since" it is behind all that are, or nearly.
 */
static void
times_that_no_id_has(void **state)
{
	static const int64_t behind[] = { BEHIND_ALL, BEHIND_ALL + 1,
		INT64_MAX };
	char id[MFTD_ID_BYTES], since[MFTD_ID_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
		assert_int_equal(
		    mftd_id_timed("d", behind[i], id, sizeof(id)), -EINVAL);
		assert_int_equal(
		    mftd_id_since("d", behind[i], since, sizeof(since)), 0);
		assert_string_equal(since, "d-fffffffffffff");
	}
	assert_int_equal(mftd_id_timed("d", -1, id, sizeof(id)), -EINVAL);
	assert_int_equal(mftd_id_since("d", -1, since, sizeof(since)), -EINVAL);
	/* nor room */
	assert_int_equal(mftd_id_timed("d", 1, id, 27), -EINVAL);
	assert_int_equal(mftd_id_timed("d", 1, id, 28), 0);
	assert_int_equal(mftd_id_since("d", 1, since, 15), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timed_ids_sort),
		cmocka_unit_test(times_that_no_id_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
