/* Part of mftd; see LICENSE. */
#include "mftd/outbound/pulls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/catalog/found.h"
#include "mftd/catalog/pull.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_fetch.h"
#include "mftd/outbound/child.h"
#include "mftd/outbound/fetch.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"

#define CONTEXT_BYTES (2 * MFTD_NAME_BYTES + 32)
#define MS_PER_S 1000
#define US_PER_S 1000000

/* What a fetch asks, as it came. */
union question {
	struct {
		struct mftd_msg_fetch_ask head;
		struct mftd_msg_fetch_file files[MFTD_FETCH_ASK_MAX];
	} ask;
	struct mftd_msg_fetch_called called;
	struct mftd_msg_fetch_staged staged;
	struct mftd_msg_fetch_found found;
	struct mftd_msg_fetch_looked looked;
	struct mftd_msg_fetch_tidy tidy;
};

/* A process that fetches, or is to end. */
struct puller {
	struct mftd_queue *q;
	struct mftd_child child;
	struct mftd_chan *chan; /* NULL: it is to end */
	char route[MFTD_NAME_BYTES];
	uint32_t asks; /* type of its question; 0: none */
	union question question;
	char delivery[MFTD_ID_BYTES]; /* for FOUND */
	int64_t asked_us; /* wall clock */
};

/* A route that takes a partner's files. */
struct pulled {
	const struct mftd_route *r; /* of q->objects */
	int64_t due_ms;
	char trouble[MFTD_REASON_BYTES]; /* as it was logged; "" none */
};

struct mftd_pulls {
	struct pulled list[MFTD_FETCHES_MAX];
	size_t n;
	struct puller pullers[MFTD_FETCHES_MAX];
};

#define FOR_EACH_PULLER(p, pulls)    \
	for ((p) = (pulls)->pullers; \
	     (p) < (pulls)->pullers + MFTD_FETCHES_MAX; (p)++)

static struct pulled *
find_pulled(const struct mftd_pulls *pulls, const char *route)
{
	size_t i;

	for (i = 0; i < pulls->n; i++)
		if (strcmp(pulls->list[i].r->name, route) == 0)
			return (struct pulled *)(uintptr_t)&pulls->list[i];
	return NULL;
}

/* ---- the processes */

static bool
is_busy(const struct puller *p)
{
	return p->child.pid > 0 || p->chan != NULL;
}

static void
end_puller(struct puller *p)
{
	mftd_child_kill(&p->child);
	if (p->chan != NULL)
		mftd_worker_detach(p->q->w, p->chan);
}

static void
on_exit_of_child(void *data, int status)
{
	struct puller *p = data;

	(void)status;
	mftd_queue_wake(p->q);
}

static int
fetch(const void *job, struct mftd_chan *c)
{
	return mftd_fetch_run(job, c);
}

static int
start(struct puller *p, struct mftd_queue *q, const struct pulled *w)
{
	struct mftd_worker *worker = q->w;
	const struct mftd_route_pull *pull = w->r->pull;
	const struct mftd_fetch j = {
		.partner = mftd_known_partner(q, pull->partner),
		.route = w->r->name,
		.directory = pull->directory,
		.files = w->r->files,
		.n_files = w->r->n_files,
		.except = w->r->except,
		.n_except = w->r->n_except,
		.every_s = pull->every_s,
		.stable_s = pull->stable_s,
		.conf = worker->conf,
		.volume = pull->volume,
		.lease = worker->lease,
		.secret_key = worker->conf->secret_key,
	};
	char context[CONTEXT_BYTES];
	const struct mftd_errand e = { .name = "fetch",
		.context = context,
		.kind = MFTD_PROC_FETCH,
		.instance = p->route,
		.fd = -1,
		.run = fetch,
		.job = &j,
		.ended = on_exit_of_child,
		.data = p };

	if (j.partner == NULL)
		return -ENOENT;
	*p = (struct puller) { .q = q };
	snprintf(p->route, sizeof(p->route), "%s", w->r->name);
	snprintf(context, sizeof(context), "route=%s partner=%s", p->route,
	    pull->partner);
	return mftd_child_start(&p->child, worker, &e, &p->chan);
}

/* ---- what they ask */

/* A look has ended.  What is wrong is told once. */
static void
note(struct pulled *w, const char *text)
{
	if (strcmp(text, w->trouble) != 0 && text[0] != '\0')
		log_warn("route=%s: fetch: %s", w->r->name, text);
	else if (w->trouble[0] != '\0' && text[0] == '\0')
		log_info("route=%s: fetch: no trouble any more", w->r->name);
	snprintf(w->trouble, sizeof(w->trouble), "%s", text);
}

static int
answer_ask(struct puller *p, const struct mftd_route *r,
    struct mftd_msg_fetch_answer *a)
{
	const struct mftd_msg_fetch_file *f = p->question.ask.files;
	struct mftd_queue *q = p->q;
	uint32_t i;
	int e;

	for (i = 0; i < p->question.ask.head.n; i++, f++) {
		e = mftd_pull_known(q->catalog, &q->role, r, f);
		if (e < 0)
			return e;
		a->err[i] = e > 0 ? -EEXIST : 0;
	}
	return 0;
}

static int
answer_found(struct puller *p, const struct mftd_route *r)
{
	struct mftd_queue *q = p->q;
	const struct mftd_pulled found = { .found = &p->question.found,
		.delivery = p->delivery,
		.now_us = p->asked_us };
	int e =
	    mftd_pull_put(q->catalog, &q->role, q->objects->version, r, &found);

	if (e == 0) {
		q->claim_ms = q->vain_ms = 0; /* there is something new */
		mftd_queue_wake(q);
	}
	return e;
}

/* Of one thing: what is to be answered, or the catalog's error. */
static int
answer_one(struct puller *p, struct pulled *w)
{
	const union question *m = &p->question;
	struct mftd_queue *q = p->q;
	int64_t due_us = p->asked_us;

	switch (p->asks) {
	case MFTD_MSG_FETCH_CALLED:
		mftd_breakers_called(
		    q, w->r->pull->partner, m->called.err, m->called.why);
		return 0;
	case MFTD_MSG_FETCH_LOOKED:
		note(w, m->looked.why);
		return 0;
	case MFTD_MSG_FETCH_STAGED:
		return mftd_found_abandon(
		    q->catalog, &q->role, m->staged.id, p->asked_us);
	case MFTD_MSG_FETCH_TIDY:
		if (m->tidy.step == MFTD_FETCH_LATER)
			due_us += (int64_t)MFTD_FETCH_TIDY_AGAIN_S * US_PER_S;
		return mftd_pull_step(q->catalog, &q->role, &m->tidy, due_us);
	default:
		return answer_found(p, w->r);
	}
}

/* Whether the catalog has answered: r is not for the next time. */
static bool
has_answered(struct mftd_queue *q, int r)
{
	if (r != -EEXIST && r != -EAGAIN)
		mftd_queue_outcome(q, "fetch", r);
	return r != -MFTD_E_CATALOG_AWAY && r != -MFTD_E_STALE_EPOCH;
}

static void
answer_next(struct puller *p, const struct mftd_route *r)
{
	struct mftd_msg_fetch_wish wish;
	struct mftd_queue *q = p->q;
	int e = mftd_pull_next(q->catalog, r, mftd_clock_wall_us(), &wish);

	if (!has_answered(q, e))
		return;
	if (e <= 0) /* what cannot be read is not to be done */
		memset(&wish, 0, sizeof(wish));
	p->asks = 0;
	mftd_worker_send(
	    q->w, p->chan, MFTD_MSG_FETCH_WISH, 0, &wish, sizeof(wish));
}

/* Of none of the files anything is known. */
static void
fill(struct mftd_msg_fetch_answer *a, int err)
{
	size_t i;

	for (i = 0; i < MFTD_FETCH_ASK_MAX; i++)
		a->err[i] = err;
}

/* Answers a question; while the catalog is away it waits. */
static void
answer(struct puller *p)
{
	struct mftd_msg_fetch_answer a = { { 0 } };
	struct mftd_queue *q = p->q;
	struct pulled *w = find_pulled(q->pulls, p->route);
	int r;

	if (q->stale || w == NULL || !mftd_lease_held(q->w->lease))
		return;
	if (p->asks == MFTD_MSG_FETCH_NEXT) {
		answer_next(p, w->r);
		return;
	}
	if (p->asks == MFTD_MSG_FETCH_ASK)
		r = answer_ask(p, w->r, &a);
	else
		r = a.err[0] = answer_one(p, w);
	if (!has_answered(q, r))
		return;
	if (r < 0 && p->asks == MFTD_MSG_FETCH_ASK)
		fill(&a, r);
	p->asks = 0;
	mftd_worker_send(
	    q->w, p->chan, MFTD_MSG_FETCH_ANSWER, 0, &a, sizeof(a));
}

/* Whether the files behind a question are as many as it says. */
static bool
is_whole(const struct mftd_msg *m)
{
	const struct mftd_msg_fetch_ask *ask = m->data;
	const struct mftd_msg_fetch_file *f = (const void *)(ask + 1);
	uint32_t i;

	if (ask->n > MFTD_FETCH_ASK_MAX ||
	    m->len != sizeof(*ask) + ask->n * sizeof(*f))
		return false;
	for (i = 0; i < ask->n; i++)
		if (memchr(f[i].name, '\0', sizeof(f[i].name)) == NULL)
			return false;
	return true;
}

int
mftd_pulls_on_question(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct puller *p = mftd_chan_data(c);

	(void)data;
	if (p->asks != 0 || m->len > sizeof(p->question) ||
	    (m->type == MFTD_MSG_FETCH_ASK && !is_whole(m)))
		return -MFTD_E_PROTOCOL;
	memcpy(&p->question, m->data, m->len);
	p->asks = m->type;
	p->asked_us = mftd_clock_wall_us();
	if (m->type == MFTD_MSG_FETCH_FOUND &&
	    (!mftd_id_valid(p->question.found.id) ||
		mftd_id_timed(
		    "d", p->asked_us, p->delivery, sizeof(p->delivery)) < 0))
		return -MFTD_E_PROTOCOL;
	answer(p);
	return 0;
}

void
mftd_pulls_on_down(void *data, struct mftd_chan *c)
{
	struct puller *p = mftd_chan_data(c);

	(void)data;
	p->chan = NULL;
	p->asks = 0;
	mftd_queue_wake(p->q);
}

/* ---- all of them */

void
mftd_pulls_load(struct mftd_queue *q)
{
	struct mftd_pulls *pulls = q->pulls;
	const struct mftd_route *r;

	if (pulls == NULL)
		pulls = q->pulls = calloc(1, sizeof(*pulls));
	if (pulls == NULL) {
		log_error("no memory: nothing is fetched");
		return;
	}
	/* what they have is of the old objects, which are gone */
	pulls->n = 0;
	mftd_pulls_kill(q, false);
	for (r = q->objects->routes;
	     r < q->objects->routes + q->objects->n_routes; r++) {
		if (r->pull == NULL || strcmp(r->queue, q->w->instance) != 0)
			continue;
		if (pulls->n == MFTD_FETCHES_MAX) {
			log_error("route=%s: not fetched: a queue has %d such "
				  "routes",
			    r->name, MFTD_FETCHES_MAX);
			continue;
		}
		pulls->list[pulls->n++] = (struct pulled) { .r = r };
	}
}

static struct puller *
find_puller(struct mftd_pulls *pulls, const char *route)
{
	struct puller *p;

	FOR_EACH_PULLER(p, pulls)
	if (is_busy(p) && strcmp(p->route, route) == 0)
		return p;
	return NULL;
}

static struct puller *
find_place(struct mftd_pulls *pulls)
{
	struct puller *p;

	FOR_EACH_PULLER(p, pulls)
	if (!is_busy(p))
		return p;
	return NULL;
}

/* One that ends by itself has called in vain. */
static void
work_one(struct mftd_queue *q, struct pulled *w)
{
	struct puller *p = find_puller(q->pulls, w->r->name);
	bool stopped = mftd_breaker_stops(q, w->r->pull->partner) != NULL;
	int r;

	if (p != NULL) {
		if (stopped)
			end_puller(p);
		else if (p->asks != 0 && q->trouble[0] == '\0')
			answer(p);
		return;
	}
	p = find_place(q->pulls);
	if (stopped || p == NULL || w->due_ms > mftd_clock_ms())
		return;
	w->due_ms = mftd_clock_ms() + (int64_t)w->r->pull->every_s * MS_PER_S;
	r = start(p, q, w);
	if (r < 0)
		log_warn("route=%s: nothing is fetched: %s", w->r->name,
		    mftd_strerror(r));
}

void
mftd_pulls_work(struct mftd_queue *q)
{
	size_t i;

	if (q->pulls == NULL || q->stale || !mftd_lease_held(q->w->lease))
		return;
	for (i = 0; i < q->pulls->n; i++)
		work_one(q, &q->pulls->list[i]);
}

void
mftd_pulls_kill(struct mftd_queue *q, bool wait)
{
	struct puller *p;

	if (q->pulls == NULL)
		return;
	FOR_EACH_PULLER(p, q->pulls)
	{
		if (is_busy(p))
			end_puller(p);
		if (wait)
			mftd_child_wait(&p->child);
	}
}

void
mftd_pulls_free(struct mftd_queue *q)
{
	free(q->pulls);
	q->pulls = NULL;
}
