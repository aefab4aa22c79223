/* Part of mftd; see LICENSE. */
#include "mftd/outbound/claim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/outbound/answer.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"

#define CLAIM_MS 1000 /* how often to look for what is due */
#define CLAIM_MOST MFTD_STEPS_MAX /* at a time */

/* How many more there is room for. */
static size_t
room(const struct mftd_queue *q)
{
	size_t n = mftd_jobs_wanted(q);

	return n < CLAIM_MOST ? n : CLAIM_MOST;
}

/* The partners of which nothing is claimed: the busy ones, those that are
 * stopped, and those that are not configured.  The caller frees it; NULL
 * without memory. */
static char *
left_out(struct mftd_queue *q)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	mftd_jobs_busy(q, f);
	fputs(q->unknown != NULL ? q->unknown : "", f);
	mftd_breakers_print(q, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* Whether nothing was found without just these, lately. */
static bool
is_in_vain(const struct mftd_queue *q, const char *without)
{
	return mftd_clock_ms() < q->vain_ms && strcmp(without, q->vain) == 0;
}

/* But for the memory of what is claimed: a new one each time would be cleared
 * by the kernel each time. */
static void
forget(struct mftd_claiming *c)
{
	free(c->without);
	*c = (struct mftd_claiming) { .to.out = c->to.out, .fd = -1 };
}

/* What follows of r, what came of it. */
static void
follow(struct mftd_queue *q, int r)
{
	struct mftd_claiming *c = &q->claiming;
	int i;

	mftd_queue_outcome(q, "claim", r);
	if (r < 0)
		q->inherit = true; /* it may have gone through */
	for (i = 0; i < r; i++)
		if (!mftd_job_take(q, &c->to.out[i]))
			q->inherit = true;
	/* some were put behind others, which may have ended meanwhile */
	if (!c->versions && mftd_catalog_versions(q->catalog))
		q->look_ms = 0;
	if (r > 0 || (r == 0 && c->to.others > 0)) {
		q->claim_ms = 0;
		mftd_queue_wake(q);
	} else if (r == 0) {
		free(q->vain);
		q->vain = c->without;
		q->vain_ms = q->claim_ms;
		c->without = NULL;
	}
	forget(c);
}

static bool
take(struct mftd_queue *q, bool wait)
{
	struct mftd_claiming *c = &q->claiming;
	int r;

	if (!c->sent)
		return true;
	r = mftd_catalog_claim_take(q->catalog, &c->to, wait);
	if (r == -EAGAIN)
		return false;
	mftd_answer_unwatch(q, &c->fd);
	follow(q, r);
	return true;
}

void
mftd_claim_take(struct mftd_queue *q)
{
	take(q, false);
}

static int
on_catalog(int fd, int revents, void *data)
{
	struct mftd_queue *q = data;

	if (q->claiming.fd == fd && take(q, false))
		mftd_queue_wake(q);
	return 0;
}

/* Sends it. */
static void
send_claim(struct mftd_queue *q, size_t most)
{
	struct mftd_claiming *c = &q->claiming;
	int r;

	q->claim_ms = mftd_clock_ms() + CLAIM_MS;
	mftd_lanes_before_claim(q);
	c->to.max = most;
	c->versions = mftd_catalog_versions(q->catalog);
	r = mftd_catalog_claim_send(
	    q->catalog, &q->role, mftd_clock_wall_us(), c->without, &c->to);
	if (r < 0) {
		follow(q, r);
		return;
	}
	c->sent = true;
	c->fd = mftd_answer_watch(q, q->catalog, q, on_catalog);
	if (c->fd < 0)
		take(q, true);
}

void
mftd_claim_begin(struct mftd_queue *q)
{
	struct mftd_claiming *c = &q->claiming;
	size_t most = room(q);

	if (c->sent || mftd_clock_ms() < q->claim_ms || most == 0)
		return;
	c->without = left_out(q);
	/* not calloc, which may touch all of it, and mostly none comes */
	if (c->to.out == NULL)
		c->to.out = malloc(CLAIM_MOST * sizeof(*c->to.out));
	if (c->to.out != NULL && c->without != NULL &&
	    !is_in_vain(q, c->without))
		send_claim(q, most);
	else
		forget(c);
}

void
mftd_claim_free(struct mftd_queue *q)
{
	mftd_answer_unwatch(q, &q->claiming.fd);
	forget(&q->claiming);
	free(q->claiming.to.out);
	q->claiming.to.out = NULL;
	free(q->vain);
	q->vain = NULL;
}
