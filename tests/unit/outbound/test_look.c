/* Part of mftd; see LICENSE. */
#include "mftd/outbound/sight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/outbound/looks.h"

#define STABLE_MS 5000
#define AS_IT_IS               \
	{                      \
		10, 20, 30, 40 \
	}
#define THEN 100000 /* when it was seen first */

/* How a file was seen before, and what is to be done with it now. */
static void
when_a_file_is_taken(void **state)
{
	static const struct mftd_version v = AS_IT_IS;
	static const struct {
		const char *what;
		bool seen, known, ever;
		struct mftd_version was;
		int64_t now_ms;
		enum mftd_verdict verdict;
		int64_t since_ms;
		bool known_now, ever_now;
	} rows[] = {
		{ "new", false, false, false, { 0 }, THEN, MFTD_SIGHT_WAIT,
		    THEN, false, false },
		{ "not for long enough", true, false, false, AS_IT_IS,
		    THEN + STABLE_MS - 1, MFTD_SIGHT_WAIT, THEN, false, false },
		{ "for long enough", true, false, false, AS_IT_IS,
		    THEN + STABLE_MS, MFTD_SIGHT_TAKE, THEN, false, false },
		{ "for longer", true, false, true, AS_IT_IS,
		    THEN + 9 * STABLE_MS, MFTD_SIGHT_TAKE, THEN, false, true },
		{ "found", true, true, true, AS_IT_IS, THEN + 9 * STABLE_MS,
		    MFTD_SIGHT_KNOWN, THEN + 9 * STABLE_MS, true, true },
		{ "of another size", true, true, true, { 11, 20, 30, 40 },
		    THEN + 9 * STABLE_MS, MFTD_SIGHT_WAIT, THEN + 9 * STABLE_MS,
		    false, true },
		{ "of another mtime", true, true, true, { 10, 21, 30, 40 },
		    THEN + 9 * STABLE_MS, MFTD_SIGHT_WAIT, THEN + 9 * STABLE_MS,
		    false, true },
		{ "of another ctime", true, false, true, { 10, 20, 31, 40 },
		    THEN + 9 * STABLE_MS, MFTD_SIGHT_WAIT, THEN + 9 * STABLE_MS,
		    false, true },
		{ "another inode", true, true, true, { 10, 20, 30, 41 },
		    THEN + 9 * STABLE_MS, MFTD_SIGHT_WAIT, THEN + 9 * STABLE_MS,
		    false, true },
		{ "seen in the future", true, false, false, AS_IT_IS, THEN - 1,
		    MFTD_SIGHT_WAIT, THEN - 1, false, false },
	};
	struct mftd_sight before, now;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].what);
		before = (struct mftd_sight) { .v = rows[i].was,
			.since_ms = THEN,
			.known = rows[i].known,
			.ever = rows[i].ever };
		now = (struct mftd_sight) { .v = v };
		assert_int_equal(
		    mftd_sight_judge(&now, rows[i].seen ? &before : NULL,
			rows[i].now_ms, STABLE_MS),
		    rows[i].verdict);
		assert_int_equal(now.since_ms, rows[i].since_ms);
		assert_int_equal(now.known, rows[i].known_now);
		assert_int_equal(now.ever, rows[i].ever_now);
	}
}

static void
when_it_looks_again(void **state)
{
	(void)state;
	assert_int_equal(mftd_looks_next_ms(1000, 1200, 10, 0), 11000);
	/* a file may be stable before that, or after it */
	assert_int_equal(mftd_looks_next_ms(1000, 1200, 10, 5000), 6000);
	assert_int_equal(mftd_looks_next_ms(1000, 1200, 10, 50000), 11000);
	/* it took long: at once, but not those that it missed */
	assert_int_equal(mftd_looks_next_ms(1000, 90000, 10, 0), 90000);
	assert_int_equal(mftd_looks_next_ms(1000, 90000, 10, 1), 90000);
}

static void
fill(struct mftd_sights *s, int n)
{
	struct mftd_version v = { 1, 2, 3, 4 };
	char name[32];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%d", n - i);
		v.size = (uint64_t)i;
		assert_int_equal(mftd_sights_add(s, name, &v), 0);
		s->list[i].since_ms = i;
		s->list[i].known = i % 2 != 0;
		s->list[i].ever = i % 3 != 0;
	}
	mftd_sights_sort(s);
}

static void
what_it_saw_is_remembered(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct mftd_sights s = { .whole = true }, more = { 0 }, got;
	size_t i;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(mftd_sights_load(fd, &got), 0);
	assert_true(got.n == 0 && !got.whole);
	fill(&s, 1000);
	assert_int_equal(mftd_sights_save(fd, &s), 0);
	assert_int_equal(mftd_sights_load(fd, &got), 0);
	assert_true(got.n == s.n && got.whole);
	for (i = 0; i < s.n; i++) {
		assert_string_equal(got.list[i].name, s.list[i].name);
		assert_true(mftd_version_equal(&got.list[i].v, &s.list[i].v));
		assert_int_equal(got.list[i].since_ms, s.list[i].since_ms);
		assert_int_equal(got.list[i].known, s.list[i].known);
		assert_int_equal(got.list[i].ever, s.list[i].ever);
		assert_ptr_equal(
		    mftd_sights_find(&got, s.list[i].name), &got.list[i]);
	}
	assert_null(mftd_sights_find(&got, "f0"));
	mftd_sights_free(&got);
	/* fewer of them afterwards */
	fill(&more, 3);
	assert_int_equal(mftd_sights_save(fd, &more), 0);
	assert_int_equal(mftd_sights_load(fd, &got), 0);
	assert_true(got.n == 3 && !got.whole);
	mftd_sights_free(&got);
	mftd_sights_free(&s);
	mftd_sights_free(&more);
	close(fd);
}

/* Who wrote it was killed. */
static void
half_a_memory_is_none(void **state)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct mftd_sights s = { .whole = true }, got;
	off_t size, at;

	(void)state;
	assert_true(fd >= 0);
	fill(&s, 3);
	assert_int_equal(mftd_sights_save(fd, &s), 0);
	size = lseek(fd, 0, SEEK_END);
	for (at = size - 1; at >= 0; at--) {
		assert_int_equal(ftruncate(fd, at), 0);
		assert_int_equal(mftd_sights_load(fd, &got), 0);
		assert_true(got.n == 0 && !got.whole);
	}
	mftd_sights_free(&s);
	close(fd);
}

static void
so_many_and_no_more(void **state)
{
	struct mftd_version v = { 0 };
	struct mftd_sights s = { 0 };
	int i;

	(void)state;
	for (i = 0; i < MFTD_LOOK_FILES_MAX; i++)
		assert_int_equal(mftd_sights_add(&s, "x", &v), 0);
	assert_int_equal(mftd_sights_add(&s, "x", &v), -MFTD_E_LIMIT);
	mftd_sights_free(&s);
}

/* Events come as they like; looks do not. */
static void
when_what_changed_is_looked_at(void **state)
{
	(void)state;
	/* at once, if the last look is long over, or there was none */
	assert_int_equal(mftd_looks_woken_ms(0, 0, 7000), 7000);
	assert_int_equal(mftd_looks_woken_ms(1000, 1010, 7000), 7000);
	/* a second after the last one was begun */
	assert_int_equal(mftd_looks_woken_ms(1000, 1010, 1020), 2000);
	assert_int_equal(mftd_looks_woken_ms(1000, 1010, 2000), 2000);
	/* one that takes long leaves others the time */
	assert_int_equal(mftd_looks_woken_ms(1000, 4000, 4001), 16000);
	assert_int_equal(mftd_looks_woken_ms(1000, 4000, 16001), 16001);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(when_a_file_is_taken),
		cmocka_unit_test(when_it_looks_again),
		cmocka_unit_test(what_it_saw_is_remembered),
		cmocka_unit_test(half_a_memory_is_none),
		cmocka_unit_test(when_what_changed_is_looked_at),
		cmocka_unit_test(so_many_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
