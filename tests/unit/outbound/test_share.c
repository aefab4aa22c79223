/* Part of mftd; see LICENSE. */
/* Who gets a partner's connection: the table, and that neither side starves. */
#include "mftd/outbound/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N(v) (sizeof(v) / sizeof((v)[0]))

static void
each_state(void **state)
{
	static const struct {
		struct mftd_share s;
		bool deliver, fetch, over, wanted;
	} rows[] = {
#define ROW(most, d, f, dw, fw, last, ...) \
	{ { most, d, f, dw, fw, last }, __VA_ARGS__ }
		/* there is enough */
		ROW(2, 0, 0, true, true, false, true, true, false, false),
		ROW(2, 0, 0, true, true, true, true, true, false, false),
		/* none is left */
		ROW(1, 1, 0, true, false, false, false, false, false, false),
		ROW(1, 0, 1, true, false, true, false, false, false, false),
		ROW(2, 1, 1, true, true, true, false, false, false, true),
		ROW(1, 2, 0, true, true, true, false, false, false, true),
		/* the last one, and one who waits */
		ROW(1, 0, 0, true, false, false, true, true, false, false),
		ROW(1, 0, 0, true, false, true, true, false, false, false),
		ROW(1, 0, 0, false, true, false, false, true, false, false),
		ROW(1, 0, 0, false, true, true, true, true, false, false),
		/* and two: by turns */
		ROW(1, 0, 0, true, true, false, false, true, false, false),
		ROW(1, 0, 0, true, true, true, true, false, false, false),
		ROW(4, 3, 0, true, true, false, false, true, false, false),
		ROW(4, 3, 0, true, true, true, true, false, false, false),
		/* between two batches */
		ROW(1, 1, 0, true, true, false, false, false, true, true),
		ROW(4, 4, 0, false, true, false, false, false, true, true),
		ROW(4, 3, 1, true, true, true, false, false, false, true),
		ROW(4, 3, 0, false, true, false, false, true, false, false),
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(rows); i++)
		if (mftd_share_for_deliver(&rows[i].s) != rows[i].deliver ||
		    mftd_share_for_fetch(&rows[i].s) != rows[i].fetch ||
		    mftd_share_is_over(&rows[i].s) != rows[i].over ||
		    mftd_share_is_wanted(&rows[i].s) != rows[i].wanted)
			fail_msg("row %zu", i);
}

/* Both always want one more; a deliver makes place only when it is told to, a
 * fetch after each look. */
static void
neither_starves(void **state)
{
	struct mftd_share s = { .deliver_waits = true, .fetch_waits = true };
	unsigned delivers, fetches;
	int i;

	(void)state;
	for (s.most = 1; s.most <= 8; s.most++) {
		s.delivers = s.fetches = 0;
		delivers = fetches = 0;
		for (i = 0; i < 1000; i++) {
			if (mftd_share_for_deliver(&s)) {
				s.delivers++;
				delivers++;
				s.fetch_was_last = false;
			}
			if (mftd_share_for_fetch(&s)) {
				s.fetches++;
				fetches++;
				s.fetch_was_last = true;
			}
			assert_true(s.delivers + s.fetches <= s.most);
			if (s.fetches > 0)
				s.fetches--;
			if (s.delivers > 0 && mftd_share_is_over(&s))
				s.delivers--;
		}
		assert_true(delivers > 0 && fetches > 100);
		if (s.most == 1)
			assert_in_range(delivers, fetches - 2, fetches + 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state),
		cmocka_unit_test(neither_starves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
