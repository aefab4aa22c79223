/* Part of mftd; see LICENSE. */
/* The places of a queue, shared among its partners. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/outbound/pulse.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"
#include "mftd/outbound/step.h"

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

/* A try that is the last one, and what is said of it. */
static void
test_words_of_the_last_try(void **state)
{
	static const struct {
		uint32_t tries, before;
		const char *words;
	} cases[] = {
		{ 1, 0, "given up after 1 try: why" },
		{ 3, 2, "given up after 1 try: why" },
		{ 2, 0, "given up after 2 tries: why" },
	};
	struct mftd_queue *q = calloc(1, sizeof(*q));
	struct mftd_job job = { .q = q };
	struct mftd_attempt a;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		job.d.state = MFTD_DELIVERY_SENDING;
		job.d.tries = cases[i].tries;
		job.d.tries_before = cases[i].before;
		job.d.retry_tries = cases[i].tries - cases[i].before;
		mftd_job_set_step(&job, MFTD_EVENT_RETRY, -EIO, "why");
		assert_int_equal(mftd_step_make(&job, &a), 0);
		assert_int_equal(a.d.state, MFTD_DELIVERY_FAILED);
		assert_string_equal(a.d.error, cases[i].words);
	}
	free(q);
}

/* Nobody but a person ends it. */
static void
test_doubt_says_what_to_do(void **state)
{
	struct mftd_queue *q = calloc(1, sizeof(*q));
	struct mftd_job job = { .q = q, .d.state = MFTD_DELIVERY_PUBLISHING };
	struct mftd_attempt a;

	mftd_job_set_step(&job, MFTD_EVENT_DOUBT, -MFTD_E_PARTNER, "why");
	assert_int_equal(mftd_step_make(&job, &a), 0);
	assert_int_equal(a.d.state, MFTD_DELIVERY_IN_DOUBT);
	assert_string_equal(
	    a.d.error, "why; say which by mftctl delivery resolve");
	free(q);
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

/* A queue some of whose places are taken: of partners that answered last so
 * long ago. */
static struct mftd_queue *
make_runners(void)
{
	struct mftd_queue *q = make_queue();
	size_t i;

	q->pulses = mftd_pulses_new(MFTD_RUNNERS_MAX);
	assert_non_null(q->pulses);
	for (i = 0; i < MFTD_RUNNERS_MAX; i++)
		q->runners[i].q = q;
	return q;
}

static struct mftd_runner *
run(struct mftd_queue *q, const char *partner, size_t n, int64_t heard_ms)
{
	struct mftd_runner *rn = q->runners, *first = NULL;

	for (; n > 0; n--) {
		while (rn->child.pid != 0)
			rn++;
		assert_true(rn < q->runners + MFTD_RUNNERS_MAX);
		rn->child.pid = 1; /* of nobody that is ended here */
		rn->n = 1;
		snprintf(rn->partner, sizeof(rn->partner), "%s", partner);
		mftd_pulse_beat(
		    mftd_runner_pulse(rn), mftd_clock_ms() - heard_ms);
		if (first == NULL)
			first = rn;
	}
	return first;
}

static void
drop_queue(struct mftd_queue *q)
{
	mftd_jobs_free(q);
	free(q->hung);
	free(q);
}

/* An answer is a beat of its pulse. */
static bool
is_answered(struct mftd_runner *rn)
{
	struct mftd_pulse *pulse = mftd_runner_pulse(rn);
	int64_t past_ms = mftd_clock_ms() - MFTD_SILENT_MS;
	bool yes = mftd_pulse_ms(pulse) > past_ms;

	mftd_pulse_beat(pulse, past_ms);
	return yes;
}

/* A deliver that asks about some of its jobs has one answer, once all of these
 * are answered; what became of the others is none. */
static void
test_asked_is_answered_once(void **state)
{
	struct mftd_worker w = { .attached = NULL };
	struct mftd_queue *q = make_runners();
	struct mftd_runner *rn = run(q, "a", 1, MFTD_SILENT_MS);
	struct mftd_job jobs[4] = { { .runner = rn } };
	int fds[2];
	uint32_t i;

	assert_int_equal(mftd_chan_pair(fds), 0);
	q->w = &w;
	rn->chan = mftd_chan_new(fds[0], MFTD_PROC_DELIVER, "");
	assert_non_null(rn->chan);
	for (i = 0; i < 4; i++) {
		jobs[i] = (struct mftd_job) { .q = q, .runner = rn, .item = i };
		rn->jobs[i] = &jobs[i];
	}
	rn->n = 4;
	jobs[0].asked = jobs[1].asked = true;
	rn->asked = 2;
	mftd_runner_answer(&jobs[2], -ENOENT, true);
	mftd_runner_answer(&jobs[0], 0, false);
	mftd_runner_answer(&jobs[0], -ENOENT, true);
	assert_int_equal(rn->asked, 1);
	assert_int_equal(rn->n, 2);
	assert_false(is_answered(rn));
	mftd_runner_answer(&jobs[1], -ECANCELED, true);
	assert_int_equal(rn->asked, 0);
	assert_true(is_answered(rn));
	assert_int_equal(rn->answer.err[0], 0);
	assert_int_equal(rn->answer.err[1], -ECANCELED);
	mftd_runner_answer(&jobs[3], -ENOENT, true);
	assert_int_equal(rn->asked, 0);
	assert_int_equal(rn->n, 0);
	assert_false(is_answered(rn));
	mftd_chan_free(rn->chan);
	close(fds[1]);
	drop_queue(q);
}

/* What a deliver says, and whose runner it comes to. */
struct said {
	struct mftd_msg_deliver_step head;
	struct mftd_msg_step steps[3];
};

struct saying {
	struct mftd_runner *rn;
	struct mftd_job jobs[2];
	struct said said;
	struct mftd_msg m;
};

static void
be_asked_before(struct saying *s)
{
	s->rn->asked = 1;
}

static void
be_a_probe(struct saying *s)
{
	s->rn->probe = true;
}

static void
say_nothing(struct saying *s)
{
	s->said.head.n = 0;
	s->m.len = sizeof(s->said.head);
}

static void
say_less(struct saying *s)
{
	s->m.len -= sizeof(s->said.steps[0]);
}

static void
say_more(struct saying *s)
{
	s->m.len += sizeof(s->said.steps[0]);
}

static void
fail_let_in(struct saying *s)
{
	s->said.head.called = MFTD_CALLED_LET_IN;
	s->said.head.err = -ETIMEDOUT;
}

static void
call_in_vain(struct saying *s)
{
	s->said.head.called = MFTD_CALLED_IN_VAIN;
}

static void
say_of_none(struct saying *s)
{
	s->said.steps[1].item = MFTD_DELIVER_BATCH_MAX;
}

static void
say_of_an_ended(struct saying *s)
{
	s->rn->jobs[1] = NULL;
}

static void
say_twice(struct saying *s)
{
	s->said.steps[1].item = 0;
}

static void
say_of_a_pending(struct saying *s)
{
	s->jobs[1].pending = true;
}

static void
say_without_end(struct saying *s)
{
	memset(s->said.steps[1].text, 'x', sizeof(s->said.steps[1].text));
}

/* Two steps, of which the second is about the second job. */
static void
make_saying(struct saying *s, struct mftd_queue *q, struct mftd_runner *rn)
{
	uint32_t i;

	*s = (struct saying) { .rn = rn };
	rn->asked = 0;
	rn->probe = false;
	for (i = 0; i < 2; i++) {
		s->jobs[i] = (struct mftd_job) { .q = q, .runner = rn };
		rn->jobs[i] = &s->jobs[i];
		s->said.steps[i].item = i;
		s->said.steps[i].event = MFTD_EVENT_SENT;
	}
	s->said.head.n = rn->n = 2;
	s->m.type = MFTD_MSG_DELIVER_STEP;
	s->m.data = &s->said;
	s->m.len = sizeof(s->said.head) + 2 * sizeof(s->said.steps[0]);
}

/* What makes no sense of a deliver is refused, and nothing comes of it. */
static void
test_unsound_is_refused(void **state)
{
	static void (*const faults[])(struct saying *) = { NULL,
		be_asked_before, be_a_probe, say_nothing, say_less, say_more,
		fail_let_in, call_in_vain, say_of_none, say_of_an_ended,
		say_twice, say_of_a_pending, say_without_end };
	struct mftd_queue *q = make_runners();
	struct mftd_runner *rn = run(q, "a", 1, 0);
	struct mftd_chan *c;
	struct saying s;
	size_t i;
	int fds[2], r;

	assert_int_equal(mftd_chan_pair(fds), 0);
	c = mftd_chan_new(fds[0], MFTD_PROC_DELIVER, "");
	assert_non_null(c);
	mftd_chan_set_data(c, rn);
	q->awake = true; /* there is no loop */
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		make_saying(&s, q, rn);
		if (faults[i] != NULL)
			faults[i](&s);
		r = mftd_runner_on_step(q, c, &s.m);
		if ((r == 0) != (faults[i] == NULL))
			fail_msg("fault %zu: %d", i, r);
		assert_int_equal(s.jobs[0].pending, faults[i] == NULL);
	}
	mftd_chan_free(c);
	close(fds[1]);
	drop_queue(q);
}

/* Partners that hang fill a queue, and then no more. */
static void
test_hung_take_no_place(void **state)
{
	static const size_t hung[] = { 8, 4, 2, 1, 1 };
	struct mftd_queue *q = make_runners();
	struct mftd_runner *rn;
	char name[32];
	size_t i;

	for (i = 0; i < sizeof(hung) / sizeof(hung[0]); i++) {
		snprintf(name, sizeof(name), "p%zu", i);
		run(q, name, hung[i], MFTD_SILENT_MS - 2000);
	}
	assert_int_equal(mftd_places_taken(q), MFTD_DELIVERS_MAX);
	mftd_hung_look(q);
	assert_false(mftd_partner_hangs(q, "p0"));
	for (rn = q->runners; rn < q->runners + MFTD_DELIVERS_MAX; rn++)
		mftd_pulse_beat(
		    mftd_runner_pulse(rn), mftd_clock_ms() - MFTD_SILENT_MS);
	assert_int_equal(mftd_places_taken(q), 0);
	mftd_hung_look(q);
	for (i = 0; i < sizeof(hung) / sizeof(hung[0]); i++) {
		snprintf(name, sizeof(name), "p%zu", i);
		assert_true(mftd_partner_hangs(q, name));
	}
	assert_false(mftd_partner_hangs(q, "p"));
	drop_queue(q);
}

/* There is an end to it. */
static void
test_so_many_take_no_place(void **state)
{
	struct mftd_queue *q = make_runners();

	run(q, "hangs", MFTD_DELIVERS_SILENT_MAX, MFTD_SILENT_MS);
	assert_int_equal(mftd_places_taken(q), 0);
	run(q, "well", 3, 0);
	assert_int_equal(mftd_places_taken(q), 3);
	run(q, "hangs", 2, MFTD_SILENT_MS);
	assert_int_equal(mftd_places_taken(q), 5);
	run(q, "well", MFTD_DELIVERS_MAX - 5, 0);
	assert_int_equal(mftd_places_taken(q), MFTD_DELIVERS_MAX);
	drop_queue(q);
}

/* Who waits for us, for work, or for a disk, does not wait for a partner. */
static void
test_who_does_not_hang(void **state)
{
	struct mftd_queue *q = make_runners();

	run(q, "a", 1, MFTD_SILENT_MS)->asked = 1;
	run(q, "b", 1, MFTD_SILENT_MS)->n = 0;
	run(q, "@c", 1, MFTD_SILENT_MS);
	assert_int_equal(mftd_places_taken(q), 3);
	mftd_hung_look(q);
	assert_null(q->hung);
	/* a probe has no jobs, and may hang */
	run(q, "d", 1, MFTD_SILENT_MS)->probe = true;
	q->runners[3].n = 0;
	assert_int_equal(mftd_places_taken(q), 3);
	drop_queue(q);
}

/* Until it answers again, which is its own matter. */
static void
test_hung_claim_little(void **state)
{
	struct mftd_queue *q = make_runners();
	size_t i;

	for (i = 0; i < 3; i++)
		run(q, i == 0 ? "a" : i == 1 ? "ab" : "b", 1, MFTD_SILENT_MS);
	mftd_hung_look(q);
	mftd_hung_look(q);
	assert_string_equal(q->hung, " a ab b ");
	take(q, "a", MFTD_HUNG_JOBS_MAX - 1, MFTD_DELIVERY_CLAIMED);
	take(q, "well", MFTD_HUNG_JOBS_MAX, MFTD_DELIVERY_CLAIMED);
	assert_string_equal(busy(q), " ");
	take(q, "a", 1, MFTD_DELIVERY_CLAIMED);
	assert_string_equal(busy(q), " a ");
	mftd_hung_forget(q, "ab");
	assert_string_equal(q->hung, " a b ");
	mftd_hung_forget(q, "none");
	mftd_hung_forget(q, "a");
	assert_string_equal(q->hung, " b ");
	assert_string_equal(busy(q), " ");
	mftd_hung_forget(q, "b");
	assert_null(q->hung);
	drop_queue(q);
}

static struct mftd_job *
take_named(struct mftd_queue *q, const char *directory, const char *name)
{
	static unsigned int number;
	struct mftd_delivery d = { .state = MFTD_DELIVERY_CLAIMED,
		.partner = "acme" };

	snprintf(d.id, sizeof(d.id), "n-%u", number++);
	snprintf(d.directory, sizeof(d.directory), "%s", directory);
	snprintf(d.name, sizeof(d.name), "%s", name);
	assert_true(mftd_job_take(q, &d));
	return TAILQ_LAST(&q->jobs, mftd_jobs);
}

/* As if its route said so. */
static struct mftd_job *
take_handled(struct mftd_queue *q, const char *directory, const char *name,
    const char *trigger)
{
	struct mftd_job *job = take_named(q, directory, name);

	mftd_places_leave(&q->places, &job->place);
	strcpy(job->d.at.trigger, trigger);
	mftd_place_of(&job->d, &job->place);
	mftd_places_enter(&q->places, &job->place);
	return job;
}

/* One that has a name as its final one, and one that has it as another. */
static void
test_names_of_other_kinds(void **state)
{
	static const struct {
		const char *directory, *name; /* of who comes second */
		const char *trigger; /* of the first: "in/x" */
		bool waits;
	} cases[] = {
		{ "in", "x.up", "{name}.up", true },
		{ "in", "x.up", "{name}.end", false },
		{ "in", "x.up", "", false },
		{ "in", "x", "{name}.up", false },
		{ "in", "y.up", "{name}.up", false },
		{ "out", "x.up", "{name}.up", false },
		{ "/home/p/in", "x.up", "{name}.up", true },
		{ "./in/", "x.up", "{name}.up", true },
		{ "a//b/./in", "x.up", "{name}.up", true },
		{ ".", "x.up", "{name}.up", true },
		{ "", "x.up", "{name}.up", true },
		{ "", "y.up", "{name}.up", false },
	};
	static struct mftd_partner acme = { .name = (char *)"acme" };
	static struct mftd_objects objects = { .partners = &acme,
		.n_partners = 1 };
	struct mftd_queue *q;
	struct mftd_job *one, *two;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		q = make_queue();
		q->objects = &objects;
		one = take_handled(q, "in", "x", cases[i].trigger);
		two = take_named(q, cases[i].directory, cases[i].name);
		assert_true(mftd_job_is_ready(one));
		assert_int_equal(mftd_job_is_ready(two), !cases[i].waits);
		/* until its trigger is there, too */
		one->d.state = MFTD_DELIVERY_DELIVERED;
		assert_int_equal(mftd_job_is_ready(two), !cases[i].waits);
		one->d.state = MFTD_DELIVERY_DONE;
		assert_true(mftd_job_is_ready(two));
		/* and so does the first for the second that is at it */
		one->d.state = MFTD_DELIVERY_CLAIMED;
		two->d.state = MFTD_DELIVERY_PUBLISHING;
		assert_int_equal(mftd_job_is_ready(one), !cases[i].waits);
		drop_queue(q);
	}
}

/* Of a name with a number that is known on the way only: who is at it then goes
 * first, and who comes then waits. */
static void
test_number_on_the_way(void **state)
{
	static struct mftd_partner acme = { .name = (char *)"acme" };
	static struct mftd_objects objects = { .partners = &acme,
		.n_partners = 1 };
	struct mftd_msg_deliver_step head = { .n = 1 };
	struct mftd_msg_step s = { .event = MFTD_EVENT_PUBLISH,
		.has = { .number = 1 } };
	struct mftd_queue *q = make_runners();
	struct mftd_runner *rn = run(q, "acme", 1, 0);
	struct mftd_job *one, *other, *late;

	q->objects = &objects;
	one = take_handled(q, "in", "x", "{name}.done");
	one->d.at.if_exists = MFTD_IF_EXISTS_NUMBER;
	one->d.state = MFTD_DELIVERY_SENDING;
	one->runner = rn;
	rn->jobs[0] = one;
	rn->n = rn->asked = 1;
	other = take_named(q, "in", "x-1.done");
	assert_true(mftd_job_is_ready(other)); /* nobody knows yet */
	other->d.state = MFTD_DELIVERY_PUBLISHING;
	mftd_job_said(one, &head, &s);
	assert_null(one->runner);
	assert_int_equal(rn->answer.err[0], -EAGAIN);
	assert_int_equal(rn->asked, 0);
	assert_true(one->pending);
	assert_int_equal(one->step.event, MFTD_EVENT_RETRY);
	/* the next time */
	other->d.state = MFTD_DELIVERY_DONE;
	one->runner = rn;
	rn->jobs[0] = one;
	rn->n = rn->asked = 1;
	mftd_job_said(one, &head, &s);
	assert_ptr_equal(one->runner, rn);
	assert_int_equal(one->step.event, MFTD_EVENT_PUBLISH);
	late = take_named(q, "in", "x-1.done");
	assert_false(mftd_job_is_ready(late));
	late = take_named(q, "in", "x.done");
	assert_true(mftd_job_is_ready(late));
	one->runner = NULL;
	drop_queue(q);
}

/* Behind one that is to be looked at later: its row says so, and it is no try.
 */
static void
test_waits_in_its_row(void **state)
{
	static struct mftd_partner acme = { .name = (char *)"acme" };
	static struct mftd_objects objects = { .partners = &acme,
		.n_partners = 1 };
	struct mftd_queue *q = make_queue();
	struct mftd_job *one, *two;
	struct mftd_attempt a;

	q->objects = &objects;
	q->stale = true; /* nothing is started */
	one = take_handled(q, "in", "x", "{name}.done");
	one->d.state = MFTD_DELIVERY_DELIVERED;
	one->d.retry_hours = 24;
	two = take_named(q, "in", "x.done");
	mftd_jobs_work(q);
	assert_false(two->pending);
	one->start_ms = mftd_clock_ms() + 60000;
	one->pending = true; /* its looks go on */
	mftd_jobs_work(q);
	assert_false(two->pending);
	one->pending = false;
	mftd_jobs_work(q);
	assert_true(two->pending);
	assert_non_null(strstr(two->step.text, one->d.id));
	assert_int_equal(mftd_step_make(two, &a), 0);
	assert_int_equal(a.d.state, MFTD_DELIVERY_WAITING);
	assert_int_equal(a.d.tries, 0);
	assert_true(a.wait_ms > 50000 && a.wait_ms <= 60000);
	mftd_job_set_step(two, MFTD_EVENT_PUT_BACK, 0, "");
	assert_int_equal(mftd_step_make(two, &a), 0);
	assert_true(a.wait_ms < 50000);
	drop_queue(q);
}

/* Who left off for another configuration is tried again at once, however many
 * tries it had. */
static void
test_excused(void **state)
{
	struct mftd_queue *q = make_queue();
	struct mftd_job *job = take_named(q, "in", "x");
	struct mftd_attempt a;
	int i;

	job->d.state = MFTD_DELIVERY_SENDING;
	job->d.tries = 8;
	job->d.retry_tries = 1;
	for (i = 0; i < 2; i++) {
		mftd_job_set_step(job, MFTD_EVENT_RETRY,
		    i == 0 ? -ECANCELED : -MFTD_E_PARTNER, "");
		assert_int_equal(mftd_step_make(job, &a), 0);
		assert_int_equal(a.d.state,
		    i == 0 ? MFTD_DELIVERY_WAITING : MFTD_DELIVERY_FAILED);
		if (i == 0)
			assert_in_range(a.wait_ms, 1000, 2000);
	}
	drop_queue(q);
}

/* What is being sent goes on only where its partner is called as before. */
static void
test_configured_anew(void **state)
{
	static char a[] = "a", b[] = "b", *one[] = { a, b }, *two[] = { a, a };
	static char *more[] = { b, a, a };
	static const struct mftd_partner was = { .name = a,
		.host = a,
		.port = 22,
		.user = a,
		.other_hosts = one,
		.n_other_hosts = 2,
		.host_keys = one,
		.n_host_keys = 2,
		.bandwidth = 5 };
	struct mftd_partner now[13], before = was;
	struct mftd_objects old = { .partners = &before, .n_partners = 1 };
	struct mftd_objects objects = { .n_partners = 1 };
	struct mftd_queue *q = make_runners();
	struct mftd_runner *rn;
	int i;

	for (i = 0; i < 13; i++)
		now[i] = was;
	now[1].bandwidth = 6; /* what it has is not sent otherwise */
	now[1].connections = 3;
	now[1].host_keys = now[1].other_hosts = more;
	now[1].n_host_keys = now[1].n_other_hosts = 3;
	now[1].password = now[1].key_file = b; /* it is let in already */
	now[2].host = b;
	now[3].port = 23;
	now[4].user = b;
	now[5].other_hosts = two;
	now[6].n_other_hosts = 1;
	now[7].host_keys = two;
	now[8].n_host_keys = 1;
	now[9].source = b;
	now[10].key_exchanges = now[11].ciphers = now[12].macs = b;
	for (i = 0; i < 13 + 1; i++) {
		rn = run(q, "a", 1, 0);
		mftd_pulse_stop(mftd_runner_pulse(rn), false);
		q->objects = &objects;
		objects.partners = &now[i < 13 ? i : 2];
		objects.n_partners = i != 13; /* none */
		mftd_runners_retire(q, NULL);
		assert_true(rn->retire);
		assert_false(mftd_pulse_is_stopped(mftd_runner_pulse(rn)));
		mftd_runners_retire(q, &old);
		assert_int_equal(
		    mftd_pulse_is_stopped(mftd_runner_pulse(rn)), i > 1);
		memset(rn, 0, sizeof(*rn));
		rn->q = q;
	}
	drop_queue(q);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configured_anew),
		cmocka_unit_test(test_waits_in_its_row),
		cmocka_unit_test(test_excused),
		cmocka_unit_test(test_number_on_the_way),
		cmocka_unit_test(test_words_of_the_last_try),
		cmocka_unit_test(test_room_for_another_partner),
		cmocka_unit_test(test_room_always),
		cmocka_unit_test(test_claims_leave_room),
		cmocka_unit_test(test_published_leave_room),
		cmocka_unit_test(test_asked_is_answered_once),
		cmocka_unit_test(test_unsound_is_refused),
		cmocka_unit_test(test_hung_take_no_place),
		cmocka_unit_test(test_so_many_take_no_place),
		cmocka_unit_test(test_who_does_not_hang),
		cmocka_unit_test(test_hung_claim_little),
		cmocka_unit_test(test_doubt_says_what_to_do),
		cmocka_unit_test(test_names_of_other_kinds),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
