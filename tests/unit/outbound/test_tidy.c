/* Part of mftd; see LICENSE. */
/* The table of what is done at the partner with what was fetched, and which
 * files are stable: both pure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/outbound/listing.h"
#include "mftd/outbound/tidy.h"

enum name { GONE, IT, IT_SAME, IT_OTHER, NEWER, UNSURE };

static struct mftd_remote_attrs
attrs_of(enum name n)
{
	struct mftd_remote_attrs a = { .exists = n != GONE,
		.has_size = true,
		.has_mtime = n != UNSURE,
		.size = n == NEWER ? 11 : 10,
		.mtime = 100 };

	a.content = n == IT_SAME ? MFTD_CONTENT_SAME
	    : n == IT_OTHER	 ? MFTD_CONTENT_OTHER
				 : MFTD_CONTENT_UNKNOWN;
	return a;
}

static void
each_state(void **state)
{
	static const struct {
		enum mftd_fetched what;
		bool begun, fresh;
		enum name source, target;
		enum mftd_tidy_action action;
	} rows[] = {
#define DEL MFTD_FETCHED_DELETE
#define MOV MFTD_FETCHED_MOVE
		/* nothing was begun: what is there must be what was fetched */
		{ DEL, false, false, IT, GONE, MFTD_TIDY_BEGIN },
		{ DEL, false, false, IT_SAME, GONE, MFTD_TIDY_BEGIN },
		{ DEL, false, false, IT_OTHER, GONE, MFTD_TIDY_DONE },
		{ DEL, false, false, GONE, GONE, MFTD_TIDY_DONE },
		{ DEL, false, false, NEWER, GONE, MFTD_TIDY_DONE },
		{ DEL, false, false, UNSURE, GONE, MFTD_TIDY_UNSURE },
		{ MOV, false, false, IT, GONE, MFTD_TIDY_BEGIN },
		{ MOV, false, false, IT, NEWER, MFTD_TIDY_NAME },
		{ MOV, false, false, IT, IT, MFTD_TIDY_NAME },
		{ MOV, false, false, GONE, IT, MFTD_TIDY_DONE },
		{ MOV, false, false, NEWER, GONE, MFTD_TIDY_DONE },
		/* begun just now */
		{ DEL, true, true, IT, GONE, MFTD_TIDY_REMOVE },
		{ MOV, true, true, IT, GONE, MFTD_TIDY_RENAME },
		/* begun by somebody: done or not? */
		{ DEL, true, false, GONE, GONE, MFTD_TIDY_DONE },
		{ DEL, true, false, NEWER, GONE, MFTD_TIDY_DONE },
		{ DEL, true, false, IT, GONE, MFTD_TIDY_READ },
		{ DEL, true, false, IT_SAME, GONE, MFTD_TIDY_REMOVE },
		{ DEL, true, false, IT_OTHER, GONE, MFTD_TIDY_DONE },
		{ MOV, true, false, GONE, IT, MFTD_TIDY_DONE },
		{ MOV, true, false, GONE, GONE, MFTD_TIDY_DONE },
		{ MOV, true, false, NEWER, IT, MFTD_TIDY_DONE },
		{ MOV, true, false, IT, GONE, MFTD_TIDY_READ },
		{ MOV, true, false, IT_SAME, GONE, MFTD_TIDY_RENAME },
		{ MOV, true, false, IT_OTHER, GONE, MFTD_TIDY_DONE },
		/* both names: half of a rename, or a new one of that look */
		{ MOV, true, false, IT, IT, MFTD_TIDY_READ },
		{ MOV, true, true, IT, IT, MFTD_TIDY_READ },
		{ MOV, true, false, IT_SAME, IT, MFTD_TIDY_REMOVE },
		{ MOV, true, false, IT_OTHER, IT, MFTD_TIDY_DONE },
		/* somebody else's file came under the target */
		{ MOV, true, false, IT, NEWER, MFTD_TIDY_NAME },
		/* what the server does not tell is nothing to go by */
		{ DEL, true, false, UNSURE, GONE, MFTD_TIDY_UNSURE },
		{ MOV, true, false, GONE, UNSURE, MFTD_TIDY_UNSURE },
		{ MOV, true, false, IT_SAME, UNSURE, MFTD_TIDY_UNSURE },
		{ MOV, false, false, IT, UNSURE, MFTD_TIDY_NAME },
	};
	struct mftd_tidy t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		t = (struct mftd_tidy) { .what = rows[i].what,
			.begun = rows[i].begun,
			.size = 10,
			.mtime = 100,
			.source = attrs_of(rows[i].source),
			.target = attrs_of(rows[i].target) };
		if (mftd_tidy_next(&t, rows[i].fresh) != rows[i].action)
			fail_msg("row %zu", i);
	}
}

static void
names(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(mftd_tidy_name("d", "f", "id", 0, out, 16), 0);
	assert_string_equal(out, "d/f");
	assert_int_equal(mftd_tidy_name("d", "f", "id", 1, out, 16), 0);
	assert_string_equal(out, "d/f.id");
	assert_int_equal(mftd_tidy_name("d", "f", "id", 2, out, 16), -ENOENT);
	assert_int_equal(
	    mftd_tidy_name("d", "f", "id", 0, out, 3), -ENAMETOOLONG);
}

static bool
is_stable(const struct mftd_listing *l, const char *name, int64_t now_ms)
{
	const struct mftd_listed *e = mftd_listing_find(l, name);

	assert_non_null(e);
	return mftd_listed_is_stable(e, now_ms, 1000);
}

static void
see(struct mftd_listing *l, const char *name, uint64_t size, int64_t mtime,
    int64_t now_ms)
{
	mftd_listing_begin(l);
	if (name != NULL)
		assert_int_equal(
		    mftd_listing_see(l, name, size, mtime, now_ms), 0);
	mftd_listing_end(l);
}

static void
stable(void **state)
{
	struct mftd_listing l = { 0 };

	(void)state;
	see(&l, "a", 1, 1, 5000);
	assert_false(is_stable(&l, "a", 5000));
	see(&l, "a", 1, 1, 5999);
	assert_false(is_stable(&l, "a", 5999));
	see(&l, "a", 1, 1, 6000);
	assert_true(is_stable(&l, "a", 6000));
	see(&l, "a", 2, 1, 6500);
	assert_false(is_stable(&l, "a", 7000));
	see(&l, "a", 2, 2, 7500);
	assert_false(is_stable(&l, "a", 7600));
	/* gone meanwhile: it begins anew */
	see(&l, NULL, 0, 0, 8000);
	assert_null(mftd_listing_find(&l, "a"));
	see(&l, "a", 2, 2, 8600);
	assert_false(is_stable(&l, "a", 8600));
	see(&l, "a", 2, 2, 9700);
	assert_true(is_stable(&l, "a", 9700));
	/* forgotten: so it does */
	mftd_listing_forget(&l, "a");
	see(&l, "a", 2, 2, 9800);
	assert_false(is_stable(&l, "a", 9900));
	/* named twice by one look: one file */
	mftd_listing_begin(&l);
	mftd_listing_see(&l, "b", 1, 1, 1);
	mftd_listing_see(&l, "b", 1, 1, 1);
	mftd_listing_end(&l);
	assert_int_equal(l.n, 1);
	mftd_listing_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state),
		cmocka_unit_test(names),
		cmocka_unit_test(stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
