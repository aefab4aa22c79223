/* Part of mftd; see LICENSE. */
/* The states of a delivery and what evidence proves: every case there is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/outbound/delivery.h"

/*
 * The diagram once more, written down the other way: a line per state, a letter
 * per event in enum order; the letter is the next state, '.' refuses.
 *   Q queued C claimed S sending T sent P publishing V delivered D done
 *   W waiting I in doubt F failed H held X cancelled
 */
static const char letters[] = "QCSTPVDWIFHX";
static const struct {
	enum mftd_delivery_state state;
	const char *next;
} diagram[] = {
	/*                        CLAIM BEGIN SENT PUBLISH DELIVERED FINISH
	 *                        RETRY REFUSED REJECTED DOUBT FAIL
	 *                        PUT_BACK
	 *                        HOLD CANCEL REQUEUE
	 *                        RELEASE ARRIVED RESEND */
	{ MFTD_DELIVERY_QUEUED, "C.........F.HX...." },
	{ MFTD_DELIVERY_CLAIMED, ".S....W...FWHX...." },
	{ MFTD_DELIVERY_SENDING, ".STP..W...FWHX...." },
	{ MFTD_DELIVERY_SENT, ".S.P..W...FWHX...." },
	{ MFTD_DELIVERY_PUBLISHING, "...PV.PWFI........" },
	{ MFTD_DELIVERY_DELIVERED, ".....DV..........." },
	{ MFTD_DELIVERY_DONE, ".................." },
	{ MFTD_DELIVERY_WAITING, "C.........F.HXQ..." },
	{ MFTD_DELIVERY_IN_DOUBT, "................VQ" },
	{ MFTD_DELIVERY_FAILED, ".............XQ..." },
	{ MFTD_DELIVERY_HELD, ".............X.Q.." },
	{ MFTD_DELIVERY_CANCELLED, ".................." },
};

static void
test_every_state_and_event(void **state)
{
	enum mftd_delivery_state next;
	enum mftd_delivery_action action;
	size_t i, e;
	char want;
	int r;

	assert_int_equal(
	    sizeof(diagram) / sizeof(diagram[0]), MFTD_DELIVERY_STATE_COUNT);
	for (i = 0; i < MFTD_DELIVERY_STATE_COUNT; i++) {
		assert_int_equal(strlen(diagram[i].next), MFTD_EVENT_COUNT);
		for (e = 0; e < MFTD_EVENT_COUNT; e++) {
			want = diagram[i].next[e];
			r = mftd_delivery_step(diagram[i].state,
			    (enum mftd_delivery_event)e, &next, &action);
			if (want == '.') {
				assert_int_equal(r, -EINVAL);
				assert_int_equal(next, diagram[i].state);
				assert_int_equal(action, MFTD_ACTION_NONE);
				continue;
			}
			assert_int_equal(r, 0);
			assert_int_equal(letters[next], want);
		}
	}
}

static enum mftd_delivery_action
action_of(enum mftd_delivery_state s, enum mftd_delivery_event e)
{
	enum mftd_delivery_state next;
	enum mftd_delivery_action action;

	assert_int_equal(mftd_delivery_step(s, e, &next, &action), 0);
	return action;
}

static void
test_actions(void **state)
{
	assert_int_equal(action_of(MFTD_DELIVERY_WAITING, MFTD_EVENT_CLAIM),
	    MFTD_ACTION_START);
	assert_int_equal(action_of(MFTD_DELIVERY_SENT, MFTD_EVENT_PUBLISH),
	    MFTD_ACTION_GO_ON);
	assert_int_equal(action_of(MFTD_DELIVERY_SENDING, MFTD_EVENT_RETRY),
	    MFTD_ACTION_BACKOFF);
	assert_int_equal(action_of(MFTD_DELIVERY_PUBLISHING, MFTD_EVENT_RETRY),
	    MFTD_ACTION_EVIDENCE);
	assert_int_equal(
	    action_of(MFTD_DELIVERY_PUBLISHING, MFTD_EVENT_DELIVERED),
	    MFTD_ACTION_FINISH);
	assert_int_equal(action_of(MFTD_DELIVERY_PUBLISHING, MFTD_EVENT_DOUBT),
	    MFTD_ACTION_END);
	assert_int_equal(action_of(MFTD_DELIVERY_IN_DOUBT, MFTD_EVENT_ARRIVED),
	    MFTD_ACTION_FINISH);
}

/* A name: '-' absent, 'm' matches, 's' wrong size, 't' wrong time (and right
 * size), '?' there but the server says neither size nor time. */
static struct mftd_remote_attrs
look(char what)
{
	struct mftd_remote_attrs a = { .exists = what != '-' };

	a.has_size = a.has_mtime = a.exists && what != '?';
	a.size = what == 's' ? 99 : 100;
	a.mtime = what == 't' ? 6 : 5;
	return a;
}

static void
test_every_evidence(void **state)
{
	/* temp, final, verdict with a known mtime, verdict without one:
	 * N rename, M remove temp (A look again, unsettled), V delivered, S
	 * restart, J rejected, I in doubt */
	static const char *const cases[] = {
		/* neither, final only */
		"--II",
		"-mVI",
		"-sII",
		"-tII",
		"-?II",
		/* temp only */
		"m-NN",
		"s-SS",
		"t-NN",
		"?-II",
		/* both */
		"mmMI",
		"msJJ",
		"mtJI",
		"m?II",
		"smMI",
		"ssJJ",
		"stJI",
		"s?II",
		"tmMI",
		"tsJJ",
		"ttJI",
		"t?II",
		"?mMI",
		"?sJJ",
		"?tJI",
		"??II",
	};
	static const char verdicts[] = "NMAVSRJUI";
	struct mftd_evidence e = { .size = 100 };
	enum mftd_verdict v;
	size_t i;
	int known, refused, settled, bits;
	char want;

	assert_int_equal(sizeof(cases) / sizeof(cases[0]), 5 * 5);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (known = 0; known < 2; known++)
			for (bits = 0; bits < 4; bits++) {
				refused = bits & 1;
				settled = bits >> 1;
				e.settled = settled != 0;
				e.temp = look(cases[i][0]);
				e.final = look(cases[i][1]);
				e.mtime = known ? 5 : 0;
				e.refused = refused != 0;
				want = cases[i][known ? 2 : 3];
				if (want == 'N' && refused)
					want = 'R';
				if (want == 'M' && !settled)
					want = 'A';
				v = mftd_delivery_judge(&e);
				if (verdicts[v] != want)
					print_message("%s known %d: %s\n",
					    cases[i], known,
					    mftd_delivery_verdict_name(v));
				assert_int_equal(verdicts[v], want);
			}
}

/*
 * What the routes' words change, each case with its verdict unsettled, settled,
 * and after a refusal.  Names as above, and 'c': wrong time, the same content;
 * 'o': right time and size, other content; 'x': of unknown content, without a
 * known time.
 */
static const struct row {
	const char *route; /* n number, o overwrite, s skip, f fail; then flags:
			      S shared, r resumed, k skipped */
	const char *names; /* temporary, final */
	const char *want;
} rows[] = {
	/* overwrite: what is there proves nothing by itself */
	{ "o", "ms", "NNR" },
	{ "o", "mt", "NNR" },
	{ "o", "m?", "NNR" },
	{ "o", "m-", "NNR" },
	{ "o", "mm", "AMA" },
	{ "o", "mo", "NNR" },
	{ "o", "ss", "SSS" },
	{ "o", "sm", "AMA" },
	{ "o", "?s", "III" },
	{ "o", "-s", "III" },
	{ "o", "-t", "III" },
	{ "o", "--", "III" },
	{ "o", "-m", "VVV" },
	{ "o", "-o", "III" },
	{ "o", "-?", "III" },
	/* number: a taken name costs nothing, once no old rename can come */
	{ "n", "ms", "AUU" },
	{ "n", "mt", "AUU" },
	{ "n", "mo", "AUU" },
	{ "n", "m?", "III" },
	{ "n", "ss", "SSS" },
	{ "n", "?s", "III" },
	{ "n", "mm", "AMA" },
	{ "n", "m-", "NNR" },
	{ "n", "-s", "III" },
	{ "n", "-m", "VVV" },
	{ "n", "--", "III" },
	/* skip: the same content will do, else as fail */
	{ "s", "mc", "AMA" },
	{ "s", "-c", "VVV" },
	{ "s", "mt", "JJJ" },
	{ "s", "mo", "JJJ" },
	{ "s", "ms", "JJJ" },
	{ "s", "-t", "III" },
	/* and where no rename was ever asked for, nothing is in doubt */
	{ "sk", "-c", "VVV" },
	{ "sk", "mc", "MMM" },
	{ "sk", "-t", "SSS" },
	{ "sk", "--", "SSS" },
	{ "sk", "-o", "SSS" },
	{ "sk", "mt", "JJJ" },
	{ "sk", "m-", "NNR" },
	/* a name of a convention: ours only with proof, and nothing but
	 * DELIVERED before it is settled */
	{ "fS", "m-", "ANR" },
	{ "fS", "s-", "AII" },
	{ "fS", "t-", "AII" },
	{ "fS", "?-", "AII" },
	{ "fS", "c-", "ANR" },
	{ "fS", "o-", "AII" },
	{ "fS", "--", "AII" },
	{ "fS", "-m", "VVV" },
	{ "fS", "tm", "VVV" },
	{ "fS", "sm", "VVV" },
	{ "fS", "?m", "VVV" },
	{ "fS", "mm", "AMA" },
	{ "fS", "ms", "AJJ" },
	{ "fS", "ts", "AII" },
	{ "fS", "m?", "AII" },
	{ "oS", "ms", "ANR" },
	{ "oS", "ts", "AII" },
	{ "oS", "tm", "VVV" },
	{ "nS", "ms", "AUU" },
	{ "nS", "ts", "AII" },
	/* an earlier try's server may still write: its mtime excludes nothing
	 */
	{ "fr", "mt", "III" },
	{ "fr", "-t", "III" },
	{ "fr", "ms", "JJJ" },
	{ "fr", "mc", "AMA" },
	{ "fr", "-c", "VVV" },
	{ "fr", "mo", "JJJ" },
	{ "fr", "t-", "NNR" },
	{ "fSr", "t-", "AII" },
	{ "fSr", "c-", "ANR" },
	{ "or", "mt", "NNR" },
	/* without a known time (mtime: preserve) only content proves */
	{ "fp", "-t", "III" },
	{ "fp", "-m", "III" },
	{ "fp", "-c", "VVV" },
	{ "fp", "mc", "AMA" },
	{ "fp", "mm", "III" },
	{ "fp", "mo", "JJJ" },
	{ "fp", "m-", "NNR" },
	{ "op", "mm", "NNR" },
	{ "np", "mm", "III" },
	{ "np", "mo", "AUU" },
	{ "fSp", "m-", "AII" },
	{ "fSp", "c-", "ANR" },
	{ "fSp", "mc", "VVV" },
};

static struct mftd_remote_attrs
look_into(char what)
{
	struct mftd_remote_attrs a = look(what == 'c' ? 't'
		: what == 'o'			      ? 'm'
						      : what);

	if (what == 'c')
		a.content = MFTD_CONTENT_SAME;
	if (what == 'o')
		a.content = MFTD_CONTENT_OTHER;
	return a;
}

static void
test_what_routes_say(void **state)
{
	static const char verdicts[] = "NMAVSRJUI", words[] = "fnos";
	const struct row *r;
	enum mftd_verdict v;
	int i;

	for (r = rows; r < rows + sizeof(rows) / sizeof(rows[0]); r++)
		for (i = 0; i < 3; i++) {
			struct mftd_evidence e = { .size = 100,
				.temp = look_into(r->names[0]),
				.final = look_into(r->names[1]),
				.mtime = strchr(r->route, 'p') ? 0 : 5,
				.if_exists = (enum mftd_if_exists)(
				    strchr(words, r->route[0]) - words),
				.shared = strchr(r->route, 'S') != NULL,
				.resumed = strchr(r->route, 'r') != NULL,
				.skipped = strchr(r->route, 'k') != NULL,
				.settled = i == 1,
				.refused = i == 2 };

			v = mftd_delivery_judge(&e);
			if (verdicts[v] != r->want[i])
				print_message("%s %s %d: %s\n", r->route,
				    r->names, i, mftd_delivery_verdict_name(v));
			assert_int_equal(verdicts[v], r->want[i]);
		}
}

/* Every combination there is: what must never be concluded from it. */
static void
test_never(void **state)
{
	static const char names[] = "-mst?co";
	struct mftd_evidence e;
	enum mftd_verdict v;
	int t, f, k, bits, known;

	for (t = 0; t < 7; t++)
		for (f = 0; f < 7; f++)
			for (k = 0; k < MFTD_IF_EXISTS_COUNT; k++)
				for (known = 0; known < 2; known++)
					for (bits = 0; bits < 32; bits++) {
						e = (struct mftd_evidence) {
							.size = 100,
							.temp =
							    look_into(names[t]),
							.final =
							    look_into(names[f]),
							.mtime = known ? 5 : 0,
							.if_exists =
							    (enum mftd_if_exists)
								k,
							.shared = bits & 1,
							.resumed = bits & 2,
							.skipped = bits & 4,
							.settled = bits & 8,
							.refused = bits & 16
						};
						v = mftd_delivery_judge(&e);
						/* DELIVERED, and the end of the
						 * temporary name: with proof */
						if (v ==
							MFTD_VERDICT_DELIVERED ||
						    v ==
							MFTD_VERDICT_REMOVE_TEMP)
							assert_true(
							    names[f] == 'c' ||
							    (names[f] == 'm' &&
								known));
						/* a rename only of what is
						 * there, whole as far as is
						 * known */
						if (v == MFTD_VERDICT_RENAME ||
						    v == MFTD_VERDICT_RENUMBER)
							assert_null(
							    memchr("-s?",
								names[t], 3));
						/* of a shared name only what is
						 * proven to be ours */
						if (e.shared &&
						    (v == MFTD_VERDICT_RENAME ||
							v ==
							    MFTD_VERDICT_RENUMBER ||
							v ==
							    MFTD_VERDICT_REMOVE_TEMP))
							assert_true(
							    names[t] == 'c' ||
							    (names[t] == 'm' &&
								known));
						/* a file of others is in the
						 * way of all but one */
						if (v == MFTD_VERDICT_RENAME &&
						    names[f] != '-')
							assert_int_equal(k,
							    MFTD_IF_EXISTS_OVERWRITE);
						/* that it was sent and is gone
						 * is never sent once more */
						if (names[t] == '-' &&
						    !e.skipped)
							assert_true(v ==
								MFTD_VERDICT_DELIVERED ||
							    v ==
								MFTD_VERDICT_IN_DOUBT ||
							    v ==
								MFTD_VERDICT_LOOK_AGAIN);
						/* what is settled is not looked
						 * at for ever */
						if (e.settled)
							assert_int_not_equal(v,
							    MFTD_VERDICT_LOOK_AGAIN);
					}
}

static void
test_backoff(void **state)
{
	static const uint32_t randoms[] = { 0, 1, 12345, 0x7fffffff,
		0xffffffff };
	int64_t ms, low;
	uint32_t t;
	size_t i;

	for (i = 0; i < sizeof(randoms) / sizeof(randoms[0]); i++) {
		ms = mftd_delivery_backoff_ms(1, randoms[i]);
		assert_in_range(ms, 1000, 2000);
		for (t = 2, low = 5000; t < 40; t++) {
			ms = mftd_delivery_backoff_ms(t, randoms[i]);
			assert_in_range(ms, low * 3 / 4, low * 5 / 4);
			low = low * 2 < 900000 ? low * 2 : 900000;
		}
		ms = mftd_delivery_backoff_ms(UINT32_MAX, randoms[i]);
		assert_in_range(ms, 675000, 1125000);
		assert_in_range(
		    mftd_delivery_long_ms(randoms[i]), 675000, 1125000);
	}
	assert_int_not_equal(
	    mftd_delivery_backoff_ms(5, 1), mftd_delivery_backoff_ms(5, 777));
}

/* The bounds of a route: so many tries, so many hours since the first of them;
 * those before a person began anew count no more. */
static void
test_spent(void **state)
{
	static const int64_t hour_us = 3600000000, now_us = 1000 * 3600000000;
	static const struct {
		uint32_t tries, before, most, hours;
		int64_t age_us; /* -1: no try has begun */
		bool spent;
	} cases[] = {
		{ 1, 0, 2, 1, 0, false },
		{ 2, 0, 2, 1, 0, true },
		{ 3, 0, 2, 1, 0, true },
		{ 5, 4, 2, 1, 0, false },
		{ 6, 4, 2, 1, 0, true },
		{ 1, 0, 100, 24, 24 * hour_us - 1, false },
		{ 1, 0, 100, 24, 24 * hour_us, true },
		{ 1, 0, 100, 24, -1, false },
		{ 1, 0, 100, 8760, 999 * hour_us, false },
		{ 1000000, 0, 0, 0, 999 * hour_us, false },
	};
	struct mftd_delivery d;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&d, 0, sizeof(d));
		d.tries = cases[i].tries;
		d.tries_before = cases[i].before;
		d.retry_tries = cases[i].most;
		d.retry_hours = cases[i].hours;
		if (cases[i].age_us >= 0)
			d.first_us = now_us - cases[i].age_us;
		assert_int_equal(
		    mftd_delivery_is_spent(&d, now_us), cases[i].spent);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_event),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_every_evidence),
		cmocka_unit_test(test_what_routes_say),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_spent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
