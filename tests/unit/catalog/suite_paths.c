/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <string.h>
#include <sys/random.h>

/* Names and paths as long as they may be. */
#define LONG_BYTES 4000
#define COMPONENT_BYTES 250

/* A path of bytes that no database can make shorter. */
static void
make_path(char *path)
{
	size_t i;

	for (i = 0; i < LONG_BYTES; i += 250)
		assert_int_equal(getrandom(path + i, 250, 0), 250);
	for (i = 0; i < LONG_BYTES; i++)
		if (i % COMPONENT_BYTES == COMPONENT_BYTES - 1)
			path[i] = '/';
		else if (path[i] == '\0' || path[i] == '/' || path[i] == '.')
			path[i] = 'x';
	path[LONG_BYTES - 1] = 'x';
	path[LONG_BYTES] = '\0';
}

static void
publish(struct db *db, struct stream *s, const char *id, const char *path)
{
	assert_int_equal(say_receipt(db, s, id, path, s->seq + 1), 0);
	assert_int_equal(say_outcome(db, s, id, MFTD_RECORD_PUBLISHED), 0);
}

static enum mftd_delivery_state
state_of(struct db *db, const char *receipt)
{
	struct mftd_delivery d;

	assert_true(find_delivery(db, receipt, &d));
	return d.state;
}

static void
long_paths_are_kept_and_compared(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000000000000 };
	char path[LONG_BYTES + 1], renamed[LONG_BYTES + 1];
	struct db *db = *state;
	struct mftd_delivery_story story;
	struct mftd_delivery d;

	make_path(path);
	make_path(renamed);
	apply_routes(db, 1);
	publish(db, &s, "f1", path);
	/* the same but for its end is another; wholly the same, the same */
	path[LONG_BYTES - 1] = 'y';
	publish(db, &s, "f2", path);
	assert_int_equal(state_of(db, "f1"), MFTD_DELIVERY_QUEUED);
	publish(db, &s, "f3", path);
	assert_int_equal(state_of(db, "f2"), MFTD_DELIVERY_CANCELLED);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 5, renamed), 0);
	assert_true(find_delivery(db, "f3", &d));
	assert_int_equal(mftd_catalog_delivery(db->c, d.id, &story), 0);
	assert_string_equal(story.path, path);
	assert_string_equal(story.path_now, renamed);
	assert_string_equal(d.name, strrchr(renamed, '/') + 1);
}

void
tests_paths(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(long_paths_are_kept_and_compared),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
