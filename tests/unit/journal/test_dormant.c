/* Part of mftd; see LICENSE. */
#include "mftd/journal/dormant.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/recover.h"
#include "tests/unit/journal/node.h"

#define LIFE_1 "n1-0123456789abcdef"
#define LIFE_2 "n2-fedcba9876543210"
#define LIFE_3 "n3-0000000000000003"
#define PART LIFE_1 "-1.1"
#define NEW LIFE_2 "-1.1"

struct world {
	struct tree t;
	struct node one, two;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	tree_make(&w->t);
	node_open(&w->one, &w->t, "n1", LIFE_1);
	node_open(&w->two, &w->t, "n2", LIFE_2);
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	if (w->one.work != NULL)
		node_close(&w->one);
	node_close(&w->two);
	tree_remove(&w->t);
	free(w);
	return 0;
}

/* The first node says, durably, how much of its part is durable. */
static void
told(struct world *w, const char *part, uint64_t durable, uint64_t base)
{
	struct mftd_rec_part rec = { .durable = durable, .base = base };

	snprintf(rec.part, sizeof(rec.part), "%s", part);
	mftd_work_part(w->one.work, &rec);
	assert_int_equal(mftd_work_commit(w->one.work), 0);
}

/* The first node is gone, and the second sees to what it left. */
static void
recover(struct world *w)
{
	struct mftd_recovery out = { 0 };

	if (w->one.work != NULL)
		node_close(&w->one);
	w->one.work = NULL;
	assert_int_equal(
	    mftd_recover_incarnation(w->two.work, LIFE_1, &out), 0);
}

/* What lies of alice's f: dormant so many bytes, or nothing (-1). */
static int64_t
left(struct world *w)
{
	struct mftd_dormant_look k = { .bytes = 0 };
	int dir = node_parts_dir(&w->two);

	assert_int_equal(tree_count(&w->t, ".mft/aside"), 0);
	if (dir < 0)
		return -1;
	assert_int_equal(mftd_dormant_look(dir, "", &k), 0);
	close(dir);
	assert_string_equal(k.live, "");
	return k.name[0] != '\0' ? (int64_t)k.bytes : -1;
}

/* The second node's session adopts it; its content must be text. */
static void
adopt(struct world *w, int want, const char *text)
{
	struct mftd_msg_adopt m = { .path = "f", .part = NEW };
	char *data;
	size_t len;
	int dir;

	assert_int_equal(node_change(&w->two, MFTD_MSG_ADOPT, &m), want);
	if (want < 0)
		return;
	dir = node_parts_dir(&w->two);
	assert_int_equal(mftd_file_read(dir, NEW, 100, &data, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
	free(data);
	close(dir);
}

/* n2's session has it open. */
static void
is_live(struct world *w)
{
	struct mftd_msg_adopt m = { .path = "f", .part = LIFE_2 "-1.2" };

	assert_int_equal(
	    node_change(&w->two, MFTD_MSG_ADOPT, &m), -MFTD_E_HELD);
}

/* More was written than was durable, and maybe out of order: only what is known
 * to be there, less one byte, is gone on with. */
static void
what_was_durable_is_left(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 4, 0);
	told(w, PART, 7, 0);
	recover(w);
	assert_int_equal(left(w), 6);
	adopt(w, 0, "012345");
}

/* It was cut, or written over: the last word counts, not the largest. */
static void
last_word_counts(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	told(w, PART, 3, 0);
	recover(w);
	assert_int_equal(left(w), 2);
}

static void
nothing_durable_leaves_nothing(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	recover(w);
	assert_int_equal(left(w), -1);
	adopt(w, -ENOENT, NULL);
}

static void
one_byte_leaves_nothing(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 1, 0);
	recover(w);
	assert_int_equal(left(w), -1);
}

static void
shorter_than_its_base_leaves_nothing(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 7);
	recover(w);
	assert_int_equal(left(w), -1);
}

static void
longer_than_its_base_is_left(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 6);
	recover(w);
	assert_int_equal(left(w), 6);
}

/* It is published, and a power cut brought its old name back. */
static void
published_one_leaves_nothing(void **state)
{
	struct world *w = *state;
	int dir;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	dir = node_parts_dir(&w->one);
	assert_int_equal(linkat(dir, PART, w->one.owner.root_fd, "f", 0), 0);
	close(dir);
	recover(w);
	assert_int_equal(left(w), -1);
	assert_true(tree_holds(&w->t, "alice/f", "0123456789"));
}

/* The recoverer died after it had sealed the stream: the next one still knows
 * what was durable. */
static void
recovery_goes_on_where_another_stopped(void **state)
{
	struct mftd_recovery out = { 0 };
	struct world *w = *state;
	struct node third;
	const char *stream;
	char id[MFTD_ID_BYTES];

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	stream = mftd_stream_id(w->one.stream);
	snprintf(id, sizeof(id), "%s", stream);
	node_close(&w->one);
	w->one.work = NULL;
	node_open(&third, &w->t, "n3", LIFE_3);
	assert_int_equal(mftd_recover_stream(third.work, "n1", id, &out), 0);
	node_close(&third);
	recover(w);
	assert_int_equal(left(w), 6);
}

/* Two recover at once, or one does so twice: it is laid down once, and what was
 * adopted meanwhile is nobody's to touch. */
static void
recovery_leaves_what_was_adopted(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	recover(w);
	adopt(w, 0, "012345");
	recover(w);
	is_live(w);
}

/* A journal that starts again cannot know whether the sessions of its own life
 * are gone: it lays nothing down that they may still write to. */
static void
parts_of_our_own_life_are_set_aside(void **state)
{
	struct mftd_recovery out = { 0 };
	struct world *w = *state;
	struct node again;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	node_close(&w->one);
	w->one.work = NULL;
	node_open(&again, &w->t, "n1", LIFE_1);
	assert_int_equal(mftd_recover_own(again.work, "n1", false, &out), 0);
	node_close(&again);
	assert_int_equal(left(w), -1);
}

/* The next life of the same node can. */
static void
parts_of_our_last_life_are_left(void **state)
{
	struct mftd_recovery out = { 0 };
	struct world *w = *state;
	struct node again;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	node_close(&w->one);
	w->one.work = NULL;
	node_open(&again, &w->t, "n1", "n1-00000000000000ff");
	assert_int_equal(mftd_recover_own(again.work, "n1", false, &out), 0);
	/* and its next look leaves what lies dormant */
	assert_int_equal(mftd_recover_own(again.work, "n1", true, &out), 0);
	node_close(&again);
	assert_int_equal(left(w), 6);
}

/* Less is there than was said to be durable: nothing of it can be trusted. */
static void
short_file_is_not_adopted(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "012");
	told(w, PART, 7, 0);
	recover(w);
	adopt(w, -MFTD_E_CORRUPT, NULL);
	assert_int_equal(left(w), -1);
}

/* ---- the reaper */

static int64_t
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static int
reap(struct world *w, int64_t before_s)
{
	int n = mftd_dormant_reap(w->two.work, before_s);

	assert_int_equal(mftd_work_sync(w->two.work), 0);
	assert_int_equal(mftd_work_commit(w->two.work), 0);
	return n;
}

static void
reaper_takes_the_old_ones(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	recover(w);
	assert_int_equal(reap(w, now_s() - 1), 0);
	assert_int_equal(left(w), 6);
	assert_int_equal(reap(w, now_s() + 2), 1);
	assert_int_equal(left(w), -1);
	adopt(w, -ENOENT, NULL);
}

static void
reaper_leaves_those_in_use(void **state)
{
	struct world *w = *state;

	node_part(&w->one, PART, "0123456789");
	told(w, PART, 7, 0);
	assert_int_equal(reap(w, now_s() + 1000), 0); /* being written */
	recover(w);
	adopt(w, 0, "012345");
	assert_int_equal(reap(w, now_s() + 1000), 0); /* gone on with */
	is_live(w);
}

/* ---- names */

static void
names(void **state)
{
	char name[MFTD_ID_BYTES], part[MFTD_ID_BYTES];
	uint64_t bytes = 0;

	assert_int_equal(mftd_layout_dormant(PART, 0xfedcba98765, name), 0);
	assert_string_equal(name, PART ".dfedcba98765");
	assert_true(mftd_layout_is_dormant(name, &bytes));
	assert_int_equal(bytes, 0xfedcba98765);
	assert_false(mftd_layout_is_dormant(PART, &bytes));
	assert_false(mftd_layout_is_dormant(PART ".d", &bytes));
	assert_false(mftd_layout_is_dormant(PART ".dg", &bytes));
	assert_false(mftd_layout_is_dormant(PART ".d1x", &bytes));
	assert_false(mftd_layout_is_dormant(".d1", &bytes));
	assert_false(
	    mftd_layout_is_dormant(PART ".d11112222333344445", &bytes));
	memset(part, 'x', sizeof(part) - 1);
	part[sizeof(part) - 1] = '\0';
	assert_int_equal(mftd_layout_dormant(part, 1, name), -ENAMETOOLONG);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_was_durable_is_left),
		T(last_word_counts),
		T(nothing_durable_leaves_nothing),
		T(one_byte_leaves_nothing),
		T(shorter_than_its_base_leaves_nothing),
		T(longer_than_its_base_is_left),
		T(published_one_leaves_nothing),
		T(recovery_goes_on_where_another_stopped),
		T(recovery_leaves_what_was_adopted),
		T(parts_of_our_own_life_are_set_aside),
		T(parts_of_our_last_life_are_left),
		T(short_file_is_not_adopted),
		T(reaper_takes_the_old_ones),
		T(reaper_leaves_those_in_use),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
