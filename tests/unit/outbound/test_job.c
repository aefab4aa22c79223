/* Part of mftd; see LICENSE. */
/* The places of a queue, shared among its partners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/outbound/queue.h"

#define MANY_PARTNERS 64

/* One after the other takes all that it gets, and gives none back. */
static size_t
take_all(size_t places, size_t taken, size_t most)
{
	size_t own = 0;

	while (own < most && mftd_jobs_room(places, taken + own, own) > 0)
		own++;
	return own;
}

static void
test_room_for_another_partner(void **state)
{
	static const size_t hung[] = { 8, 4, 2, 1, 1 };
	size_t taken = 0, i;

	/* each leaves half of what the others left */
	for (i = 0; i < sizeof(hung) / sizeof(hung[0]); i++) {
		assert_int_equal(
		    take_all(MFTD_DELIVERS_MAX, taken, MFTD_CONNECTIONS_MAX),
		    hung[i]);
		taken += hung[i];
	}
	assert_int_equal(taken, MFTD_DELIVERS_MAX);
	assert_int_equal(mftd_jobs_room(MFTD_DELIVERS_MAX, taken, 0), 0);
	/* as many as are configured by default: five, and a sixth */
	for (taken = i = 0; i < 5; i++)
		taken += take_all(
		    MFTD_DELIVERS_MAX, taken, MFTD_DELIVERS_PARTNER_MAX);
	assert_int_equal(mftd_jobs_room(MFTD_DELIVERS_MAX, taken, 0), 1);
}

/* Whatever is taken by whom. */
static void
test_room_always(void **state)
{
	size_t places = 40, taken, own, room;

	for (taken = 0; taken <= places + 2; taken++)
		for (own = 0; own <= taken; own++) {
			room = mftd_jobs_room(places, taken, own);
			if (taken >= places) {
				assert_int_equal(room, 0);
				continue;
			}
			/* who has none gets one while there is any */
			if (own == 0)
				assert_true(room > 0);
			/* who has some takes no last one */
			if (own > 0)
				assert_true(taken + room < places);
			/* it leaves at least as much as it then has, or has one
			 */
			assert_true(own + room <= places - taken - room ||
			    room == 0 || own + room == 1);
		}
}

static const char *
busy(struct mftd_queue *q)
{
	static char text[MANY_PARTNERS * MFTD_TARGET_BYTES];
	FILE *f = fmemopen(text, sizeof(text), "w");

	mftd_jobs_busy(q, f);
	fclose(f);
	return text;
}

static size_t
take(struct mftd_queue *q, const char *partner, size_t n,
    enum mftd_delivery_state s)
{
	static unsigned int number;
	struct mftd_delivery d = { .state = s };
	size_t i;

	snprintf(d.partner, sizeof(d.partner), "%s", partner);
	for (i = 0; i < n; i++) {
		snprintf(d.id, sizeof(d.id), "d-%u", number++);
		assert_true(mftd_job_take(q, &d));
	}
	return n;
}

static struct mftd_queue *
make_queue(void)
{
	struct mftd_queue *q = calloc(1, sizeof(*q));

	assert_non_null(q);
	TAILQ_INIT(&q->jobs);
	return q;
}

/* Partners that claim as long as they may and send nothing: there is always
 * something left for the next one. */
static void
test_claims_leave_room(void **state)
{
	struct mftd_queue *q = make_queue();
	char name[32], words[40];
	size_t own, n;
	int i;

	for (i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		snprintf(words, sizeof(words), " %s ", name);
		for (own = 0; strstr(busy(q), words) == NULL; own += n) {
			n = mftd_jobs_wanted(q);
			assert_true(n > 0);
			n = take(q, name,
			    n < MFTD_CLAIM_PARTNER_MAX ? n
						       : MFTD_CLAIM_PARTNER_MAX,
			    MFTD_DELIVERY_CLAIMED);
		}
		if (i == 0)
			assert_int_equal(own, MFTD_CLAIMED_MAX / 2);
		/* and all before it are out as well */
		assert_non_null(strstr(busy(q), " p0 "));
	}
	assert_true(mftd_jobs_wanted(q) > 0);
	mftd_jobs_free(q);
	assert_string_equal(busy(q), " ");
	free(q);
}

/* The same of one whose renames hang: what is in PUBLISHING is in hand too. */
static void
test_published_leave_room(void **state)
{
	struct mftd_queue *q = make_queue();

	take(q, "hangs", MFTD_JOBS_MAX / 2 - 1, MFTD_DELIVERY_PUBLISHING);
	assert_string_equal(busy(q), " ");
	take(q, "hangs", 1, MFTD_DELIVERY_PUBLISHING);
	assert_string_equal(busy(q), " hangs ");
	take(q, "other", 10, MFTD_DELIVERY_PUBLISHING);
	assert_string_equal(busy(q), " hangs ");
	assert_true(mftd_jobs_wanted(q) > 0);
	mftd_jobs_free(q);
	free(q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_for_another_partner),
		cmocka_unit_test(test_room_always),
		cmocka_unit_test(test_claims_leave_room),
		cmocka_unit_test(test_published_leave_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
