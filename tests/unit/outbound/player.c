/* Part of mftd; see LICENSE. */
#include "tests/unit/outbound/player.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_outbound.h"
#include "tests/unit/journal/steps.h"

int
world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (w == NULL || partner_start(&w->partner) < 0)
		return -1;
	child_volume(&w->partner, w->volume, sizeof(w->volume), &w->conf);
	w->lease = mftd_lease_new();
	mftd_lease_hold(w->lease);
	w->j.partner = &w->partner.p;
	w->j.conf = &w->conf;
	w->j.lease = w->lease;
	w->settled_after = 2;
	return 0;
}

int
world_teardown(void **state)
{
	struct world *w = *state;

	partner_stop(&w->partner);
	free(w);
	return 0;
}

void
prepare_one(struct world *w, uint32_t k, const char *name, uint64_t size)
{
	struct mftd_delivery *d = &w->d[k];
	char path[192];

	snprintf(d->id, sizeof(d->id), "d-%u", k + 1);
	snprintf(d->receipt, sizeof(d->receipt), "r-%u", k + 1);
	snprintf(d->volume, sizeof(d->volume), "main");
	snprintf(d->directory, sizeof(d->directory), "%s", w->partner.in);
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->size = size;
	d->has_sha256 = true;
	d->mtime = 1500000000;
	d->state = MFTD_DELIVERY_CLAIMED;
	snprintf(path, sizeof(path), "%s/.mft/out/r-%u", w->volume, k + 1);
	make_file(path, size, 7 + k, d->sha256);
	w->n = w->n > k ? w->n : k + 1;
}

void
prepare_many(struct world *w, uint32_t n)
{
	char name[32];
	uint32_t k;

	for (k = 0; k < n; k++) {
		snprintf(name, sizeof(name), "f%u", k);
		prepare_one(w, k, name, 1000 + 100 * k);
	}
}

/* Writes a row as outbound does.  Whether the try goes on. */
static bool
apply(struct world *w, const struct mftd_msg_step *s, const char *host)
{
	enum mftd_delivery_state next;
	enum mftd_delivery_action action;
	struct mftd_delivery *d = &w->d[s->item];

	assert_int_equal(
	    mftd_delivery_step(
		d->state, (enum mftd_delivery_event)s->event, &next, &action),
	    0);
	w->events[s->event]++;
	w->last_err = s->err;
	snprintf(w->last_text, sizeof(w->last_text), "%s", s->text);
	w->errs[s->item] = s->err;
	snprintf(w->texts[s->item], sizeof(w->texts[0]), "%s", s->text);
	d->state = next;
	w->seen[s->item] |= s->seen != 0;
	if (s->event == MFTD_EVENT_BEGIN)
		snprintf(d->host, sizeof(d->host), "%s", host);
	if (s->event == MFTD_EVENT_PUBLISH)
		d->mtime = s->mtime;
	if (s->event == MFTD_EVENT_BEGIN || s->event == MFTD_EVENT_SENT ||
	    s->event == MFTD_EVENT_PUBLISH || s->event == MFTD_EVENT_DELIVERED)
		d->has = s->has;
	return action == MFTD_ACTION_GO_ON ||
	    (action == MFTD_ACTION_FINISH && d->at.trigger[0] != '\0');
}

static int
deliver(void *job, struct mftd_chan *c)
{
	return mftd_deliver_run(job, c);
}

static bool
is_final(const struct mftd_delivery *d)
{
	if (d->state == MFTD_DELIVERY_DELIVERED)
		return d->at.trigger[0] == '\0';
	return d->state == MFTD_DELIVERY_DONE ||
	    d->state == MFTD_DELIVERY_FAILED ||
	    d->state == MFTD_DELIVERY_IN_DOUBT;
}

/* Sends all rows that are not final as one batch; their places in map.  How
 * many. */
static uint32_t
send_batch(struct world *w, struct mftd_chan *c, uint32_t *map)
{
	struct mftd_msg_deliver_job job;
	const struct mftd_delivery *d;
	uint32_t i, k, n = 0;

	for (k = 0; k < w->n; k++)
		if (!is_final(&w->d[k]))
			map[n++] = k;
	for (i = 0; i < n; i++) {
		d = &w->d[map[i]];
		memset(&job, 0, sizeof(job));
		job.item = i;
		job.more = n - i - 1;
		job.evidence = d->state == MFTD_DELIVERY_PUBLISHING;
		job.delivered = d->state == MFTD_DELIVERY_DELIVERED;
		job.settled = w->settled;
		job.seen = w->seen[map[i]];
		job.at = d->at;
		job.has = d->has;
		job.tries = d->tries;
		job.has_sha256 = d->has_sha256;
		job.size = d->size;
		job.mtime = d->mtime;
		memcpy(job.sha256, d->sha256, sizeof(job.sha256));
		snprintf(job.id, sizeof(job.id), "%s", d->id);
		snprintf(job.receipt, sizeof(job.receipt), "%s", d->receipt);
		snprintf(job.volume, sizeof(job.volume), "%s", d->volume);
		snprintf(
		    job.directory, sizeof(job.directory), "%s", d->directory);
		snprintf(job.name, sizeof(job.name), "%s", d->name);
		snprintf(job.host, sizeof(job.host), "%s", d->host);
		assert_int_equal(mftd_chan_send(c, MFTD_MSG_DELIVER_JOB, 0,
				     &job, sizeof(job), NULL, 0),
		    0);
	}
	return n;
}

static bool
has_event(const struct mftd_msg *m, enum mftd_delivery_event event)
{
	const struct mftd_msg_deliver_step *head = m->data;
	const struct mftd_msg_step *s = (const void *)(head + 1);
	uint32_t i;

	for (i = 0; i < head->n; i++)
		if (s[i].event == (uint32_t)event)
			return true;
	return false;
}

/* Writes the rows of a message, but for the one that is somebody else's by now.
 * How many have ended. */
static uint32_t
apply_all(struct world *w, const struct mftd_msg *m, const uint32_t *map,
    struct mftd_msg_deliver_answer *answer)
{
	const struct mftd_msg_deliver_step *head = m->data;
	const struct mftd_msg_step *s = (const void *)(head + 1);
	struct mftd_msg_step one;
	uint32_t i, ended = 0;

	assert_int_equal(m->len, sizeof(*head) + head->n * sizeof(*s));
	memset(answer, 0, sizeof(*answer));
	for (i = 0; i < head->n; i++) {
		one = s[i];
		one.item = map[s[i].item];
		if (one.event == MFTD_EVENT_PUBLISH &&
		    one.item + 1 == (uint32_t)w->let_alone) {
			answer->err[s[i].item] =
			    w->cancelled ? -ECANCELED : -ENOENT;
			ended++;
			continue;
		}
		ended += !apply(w, &one, head->host);
	}
	return ended;
}

void
run_once(struct world *w, const struct plan *plan)
{
	struct mftd_msg_deliver_answer answer;
	uint32_t map[MFTD_DELIVER_BATCH_MAX], left;
	struct mftd_chan *c;
	struct mftd_msg m;
	bool now = false, last = false;
	pid_t pid;

	if (w->steps != NULL && w->steps_from == NEVER)
		steps_arm(w->steps);
	pid = child_start(&w->partner, w->steps, deliver, &w->j, &c);
	left = send_batch(w, c, map);
	while (!last && left > 0 &&
	    mftd_chan_wait(c, &m, mftd_clock_ms() + 40000) == 0) {
		now = has_event(&m, plan->at);
		if (w->steps != NULL && has_event(&m, w->steps_from))
			steps_arm(w->steps);
		if (now && plan->moment == BEFORE_ROW)
			break;
		left -= apply_all(w, &m, map, &answer);
		if (w->amid != NULL &&
		    has_event(&m,
			w->amid_begin ? MFTD_EVENT_BEGIN : MFTD_EVENT_PUBLISH))
			w->amid(w);
		last = now;
		if (last && plan->moment == AFTER_ROW)
			break;
		mftd_chan_send(c, MFTD_MSG_DELIVER_ANSWER, 0, &answer,
		    sizeof(answer), NULL, 0);
	}
	if (now && plan->cond != NULL)
		assert_true(await(plan->cond, w));
	if (now)
		kill(pid, SIGKILL);
	mftd_chan_free(c);
	waitpid(pid, NULL, 0);
}

static bool
all_final(const struct world *w)
{
	uint32_t k;

	for (k = 0; k < w->n; k++)
		if (!is_final(&w->d[k]))
			return false;
	return true;
}

void
next_round(struct world *w)
{
	struct mftd_delivery *d;

	for (d = w->d; d < w->d + w->n; d++) {
		if (d->state == MFTD_DELIVERY_WAITING)
			d->state = MFTD_DELIVERY_CLAIMED;
		if (d->state == MFTD_DELIVERY_PUBLISHING ||
		    d->state == MFTD_DELIVERY_DELIVERED)
			continue;
		d->tries++;
		if (d->mtime == 0)
			d->mtime = 1500000000;
	}
}

void
run_to_end(struct world *w, const struct plan *first)
{
	static const struct plan calm = { .at = NEVER };
	int i;

	for (i = 0; i < 5 + w->settled_after && !all_final(w); i++) {
		w->settled = i >= w->settled_after;
		if (w->last_err == -EAGAIN)
			poll(NULL, 0, 100); /* a short backoff */
		next_round(w);
		run_once(w, i == 0 && first != NULL ? first : &calm);
		partner_fault(&w->partner, "");
	}
}
