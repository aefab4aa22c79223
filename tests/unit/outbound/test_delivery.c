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
#include "mftd/outbound/longname.h"

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
	{ MFTD_DELIVERY_DELIVERED, ".....DV...F......." },
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

/* What its temporary file tells beside: 'u' as it was left, 'l' it has another
 * name, 'r' somebody has read it, 'b' both, 'n' nobody says how many names it
 * has, 'a' as it was left, and would be if somebody had read it. */
static const char traces[] = "ulrbna";

static void
leave(struct mftd_evidence *e, char what)
{
	uint32_t mtime = e->mtime != 0 ? (uint32_t)e->mtime : e->temp.mtime;

	e->temp.links = what == 'n' ? 0 : what == 'l' || what == 'b' ? 2 : 1;
	e->temp.atime = mftd_delivery_atime(mtime);
	if (what == 'r' || what == 'b')
		e->temp.atime = 100;
	e->blind = what == 'a';
}

/* The same verdict where half a RENAME may have been done, and left that
 * trace. */
static char
with_trace(char verdict, const struct mftd_evidence *e, char trace)
{
	bool left = trace == 'u' && e->temp.has_mtime;
	bool linked = trace == 'l' || trace == 'b';

	if (strchr("NSRJU", verdict) == NULL ||
	    e->if_exists == MFTD_IF_EXISTS_OVERWRITE)
		return verdict;
	if (e->seen || (e->unanswered && !left) || (e->refused && linked))
		return e->settled ? 'I' : 'A';
	return verdict;
}

static void
test_every_evidence(void **state)
{
	/* without a trace: temp, final, verdict with a known mtime, without
	 * one: N rename, M remove temp (A look again, unsettled), V delivered,
	 * S restart, J rejected, I in doubt */
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
	int known, bits, trace;
	char want;

	assert_int_equal(sizeof(cases) / sizeof(cases[0]), 5 * 5);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (known = 0; known < 2; known++)
			for (bits = 0; bits < 16 * 6; bits++) {
				trace = traces[bits / 16];
				e.refused = bits & 1;
				e.settled = bits & 2;
				e.unanswered = bits & 4;
				e.seen = bits & 8;
				e.temp = look(cases[i][0]);
				e.final = look(cases[i][1]);
				e.mtime = known ? 5 : 0;
				leave(&e, (char)trace);
				want = cases[i][known ? 2 : 3];
				if (want == 'N' && e.refused)
					want = 'R';
				if (want == 'M' && !e.settled)
					want = 'A';
				want = with_trace(want, &e, (char)trace);
				v = mftd_delivery_judge(&e);
				if (verdicts[v] != want)
					print_message("%s known %d %c: %s\n",
					    cases[i], known, trace,
					    mftd_delivery_verdict_name(v));
				assert_int_equal(verdicts[v], want);
			}
}

/*
 * The temporary name after a RENAME without an answer, in words: what the trace
 * is, its verdict at first, settled, and after a refusal.  With final name '-'
 * and, as routes say, with another's file there.
 */
static void
test_half_a_rename(void **state)
{
	static const char verdicts[] = "NMAVSRJUI";
	static const struct {
		enum mftd_if_exists if_exists;
		char final;
		const char *want[6]; /* as traces */
	} cases[] = {
		{ MFTD_IF_EXISTS_FAIL, '-',
		    { "NNR", "AIA", "AIR", "AIA", "AIR", "AIR" } },
		{ MFTD_IF_EXISTS_FAIL, 't',
		    { "JJJ", "AIA", "AIJ", "AIA", "AIJ", "AIJ" } },
		/* it is there: nothing else is needed */
		{ MFTD_IF_EXISTS_FAIL, 'm',
		    { "AMA", "AMA", "AMA", "AMA", "AMA", "AMA" } },
		{ MFTD_IF_EXISTS_NUMBER, '-',
		    { "NNR", "AIA", "AIR", "AIA", "AIR", "AIR" } },
		{ MFTD_IF_EXISTS_NUMBER, 't',
		    { "AUU", "AIA", "AIU", "AIA", "AIU", "AIU" } },
		{ MFTD_IF_EXISTS_SKIP, '-',
		    { "NNR", "AIA", "AIR", "AIA", "AIR", "AIR" } },
		{ MFTD_IF_EXISTS_SKIP, 't',
		    { "JJJ", "AIA", "AIJ", "AIA", "AIJ", "AIJ" } },
		/* one step */
		{ MFTD_IF_EXISTS_OVERWRITE, '-',
		    { "NNR", "NNR", "NNR", "NNR", "NNR", "NNR" } },
		{ MFTD_IF_EXISTS_OVERWRITE, 't',
		    { "NNR", "NNR", "NNR", "NNR", "NNR", "NNR" } },
	};
	enum mftd_verdict v;
	size_t i;
	int t, k;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (t = 0; t < 6; t++)
			for (k = 0; k < 3; k++) {
				struct mftd_evidence e = { .size = 100,
					.mtime = 5,
					.temp = look('m'),
					.final = look(cases[i].final),
					.if_exists = cases[i].if_exists,
					.unanswered = k < 2,
					.settled = k == 1,
					.refused = k == 2 };

				leave(&e, traces[t]);
				v = mftd_delivery_judge(&e);
				if (verdicts[v] != cases[i].want[t][k])
					print_message("case %zu %c %d: %s\n", i,
					    traces[t], k,
					    mftd_delivery_verdict_name(v));
				assert_int_equal(
				    verdicts[v], cases[i].want[t][k]);
			}
}

/* The atime that is set: never the one of a read, and older than mtime, or
 * relatime would keep it. */
static void
test_atime(void **state)
{
	assert_int_equal(mftd_delivery_atime(1500000000), 1499999999);
	assert_int_equal(mftd_delivery_atime(UINT32_MAX), UINT32_MAX - 1);
	assert_int_equal(mftd_delivery_atime(1), 0);
	assert_int_equal(mftd_delivery_atime(0), 0);
}

/* What servers say of a file's names. */
static void
test_longname(void **state)
{
	static const struct {
		const char *line;
		uint32_t links;
	} cases[] = {
		{ "-rw-r--r--    1 mft      mft  5 Nov 22 01:30 a", 1 },
		{ "-rw-r--r--   12 0 0 5 Nov 22 01:30 a", 12 },
		{ "-rwsr-xr-t+ 2 u g 5 Nov 22 01:30 a", 2 },
		{ "-rw-------. 3 u g 5 Nov 22 01:30 a", 3 },
		{ "-rw-r--r--    ? mft      mft  5 Nov 22 01:30 a", 0 },
		{ "-rw-r--r-- u g 5 Nov 22 01:30 a", 0 },
		{ "-rw-r--r-- 1", 0 },
		{ "-rw-r--r-- ", 0 },
		{ "-rw-r--r--", 0 },
		{ "-rw-r--r--1 u g 5", 0 },
		{ "-rw-r--r-- 0 u g 5", 0 },
		{ "-rw-r--r-- 1x u g 5", 0 },
		{ "-rw-r--r-- 99999999999999999999 u g 5", 0 },
		{ "drwxr-xr-x 1 u g 5 Nov 22 01:30 a", 0 },
		{ "lrwxrwxrwx 1 u g 5 Nov 22 01:30 a", 0 },
		{ "11-22-26 01:30AM 5 a", 0 },
		{ "a", 0 },
		{ "", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    mftd_longname_links(
			(const uint8_t *)cases[i].line, strlen(cases[i].line)),
		    cases[i].links);
	/* a NUL is no letter of a mode */
	assert_int_equal(
	    mftd_longname_links((const uint8_t *)"-rw\0r--r-- 1 u", 14), 0);
	assert_int_equal(
	    mftd_longname_links((const uint8_t *)"-rw-r--r--\0 1 u", 15), 0);
}

/*
 * What the routes' words change, each case with its verdict unsettled, settled,
 * and after a refusal.  Names as above, and 'c': wrong time, the same content;
 * 'o': right time and size, other content; 'x': of unknown content, without a
 * known time.
 */
static const struct row {
	const char *route; /* n number, o overwrite, s skip, f fail; then flags:
			      r resumed, k skipped */
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
	/* an earlier try's server may still write: its mtime excludes nothing
	 */
	{ "fr", "mt", "III" },
	{ "fr", "-t", "III" },
	{ "fr", "ms", "JJJ" },
	{ "fr", "mc", "AMA" },
	{ "fr", "-c", "VVV" },
	{ "fr", "mo", "JJJ" },
	{ "fr", "t-", "NNR" },
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
				.resumed = strchr(r->route, 'r') != NULL,
				.skipped = strchr(r->route, 'k') != NULL,
				.settled = i == 1,
				.refused = i == 2 };
			const char *t;
			char want;

			e.unanswered = !e.skipped && i < 2;
			for (t = traces; *t != '\0'; t++) {
				leave(&e, *t);
				want = with_trace(r->want[i], &e, *t);
				v = mftd_delivery_judge(&e);
				if (verdicts[v] != want)
					print_message("%s %s %c %d: %s\n",
					    r->route, r->names, *t, i,
					    mftd_delivery_verdict_name(v));
				assert_int_equal(verdicts[v], want);
			}
		}
}

/* What must never be concluded from it, whatever the names are called. */
static void
check_never(const struct mftd_evidence *e, char temp, char final, char trace)
{
	enum mftd_verdict v = mftd_delivery_judge(e);
	bool known = e->mtime != 0,
	     renames = v == MFTD_VERDICT_RENAME || v == MFTD_VERDICT_RENUMBER;
	bool over = e->if_exists == MFTD_IF_EXISTS_OVERWRITE;

	/* DELIVERED, and the end of the temporary name: with proof */
	if (v == MFTD_VERDICT_DELIVERED || v == MFTD_VERDICT_REMOVE_TEMP)
		assert_true(final == 'c' || (final == 'm' && known));
	/* a rename only of what is there, whole as far as is known */
	if (renames)
		assert_null(memchr("-s?", temp, 3));
	/* a file of others is in the way of all but one */
	if (v == MFTD_VERDICT_RENAME && final != '-')
		assert_true(over);
	/* that it was sent and is gone is never sent once more */
	if (temp == '-' && !e->skipped)
		assert_true(v == MFTD_VERDICT_DELIVERED ||
		    v == MFTD_VERDICT_IN_DOUBT || v == MFTD_VERDICT_LOOK_AGAIN);
	/* nor what somebody has, or may have, by half a rename */
	if (!over &&
	    (e->seen || (e->unanswered && trace != 'u') ||
		(e->refused && (trace == 'l' || trace == 'b'))))
		assert_true(v == MFTD_VERDICT_DELIVERED ||
		    v == MFTD_VERDICT_REMOVE_TEMP ||
		    v == MFTD_VERDICT_IN_DOUBT || v == MFTD_VERDICT_LOOK_AGAIN);
	/* what is settled is not looked at for ever */
	if (e->settled)
		assert_int_not_equal(v, MFTD_VERDICT_LOOK_AGAIN);
}

/* Every combination there is. */
static void
test_never(void **state)
{
	static const char names[] = "-mst?co";
	struct mftd_evidence e;
	int t, f, k, bits, known, trace;

	for (t = 0; t < 7; t++)
		for (f = 0; f < 7; f++)
			for (k = 0; k < MFTD_IF_EXISTS_COUNT; k++)
				for (known = 0; known < 2; known++)
					for (bits = 0; bits < 64 * 6; bits++) {
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
							.resumed = bits & 1,
							.skipped = bits & 2,
							.settled = bits & 4,
							.refused = bits & 8,
							.unanswered = bits & 16,
							.seen = bits & 32
						};
						trace = traces[bits / 64];
						leave(&e, (char)trace);
						check_never(&e, names[t],
						    names[f], (char)trace);
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
	d.retry_tries = 1; /* looks are no tries */
	d.tries = 9;
	d.retry_hours = 24;
	d.first_us = now_us - 24 * hour_us + 1;
	assert_false(mftd_delivery_is_late(&d, now_us));
	d.first_us--;
	assert_true(mftd_delivery_is_late(&d, now_us));
}

/* How long a delivery in PUBLISHING waits for a host that is not to be had. */
static void
test_unseen(void **state)
{
	const uint32_t all = MFTD_SETTLED_LOOKS, gone = MFTD_GONE_LOOKS;
	const struct {
		struct mftd_unseen u; /* unknown, gone, looks, away, late */
		bool over;
	} cases[] = {
		{ { false, 0, 0, false, false }, false },
		{ { true, 0, 0, false, false }, true },
		/* its host is in the configuration: for its hours */
		{ { false, 0, 1000, true, false }, false },
		{ { false, 0, 0, false, true }, false },
		{ { false, 0, all - 1, false, true }, false },
		{ { false, 0, all, false, true }, true },
		{ { false, 0, 0, true, true }, true },
		/* it is not: for a few looks */
		{ { false, gone - 1, 1000, true, false }, false },
		{ { false, gone, gone, false, false }, true },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    mftd_delivery_is_unseen(&cases[i].u), cases[i].over);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_event),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_every_evidence),
		cmocka_unit_test(test_half_a_rename),
		cmocka_unit_test(test_atime),
		cmocka_unit_test(test_longname),
		cmocka_unit_test(test_what_routes_say),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_spent),
		cmocka_unit_test(test_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
