/* Part of mftd; see LICENSE. */
#include "mftd/outbound/looks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/catalog/found.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_look.h"
#include "mftd/outbound/child.h"
#include "mftd/outbound/look.h"
#include "mftd/outbound/queue.h"

#define CONTEXT_BYTES (MFTD_NAME_BYTES + 16)
#define SOON_MS 1000 /* after a look that could not be made */

/* What a look asks, as it came. */
union question {
	struct mftd_msg_look_staged staged;
	struct mftd_msg_look_known known;
	struct mftd_msg_look_gone gone;
	struct mftd_msg_look_found found;
};

/* A process that looks, or is to end. */
struct looker {
	struct mftd_queue *q;
	struct mftd_child child;
	struct mftd_chan *chan; /* NULL: it has said all, or is to end */
	char route[MFTD_NAME_BYTES];
	int64_t begun_ms;
	uint32_t asks; /* type of its question; 0: none */
	union question question;
	char delivery[MFTD_ID_BYTES]; /* for FOUND */
	int64_t found_us;
};

/* A route with a folder. */
struct watched {
	const struct mftd_route *r; /* of q->objects */
	int memory;
	int64_t due_ms;
	char trouble[MFTD_REASON_BYTES + 64]; /* as it was logged; "" none */
};

struct mftd_looks {
	struct watched *list;
	size_t n;
	struct looker lookers[MFTD_LOOKS_MAX];
};

int64_t
mftd_looks_next_ms(
    int64_t begun_ms, int64_t ended_ms, int every_s, uint32_t again_ms)
{
	int64_t next_ms = begun_ms + 1000 * (int64_t)every_s;

	if (again_ms > 0 && begun_ms + again_ms < next_ms)
		next_ms = begun_ms + again_ms;
	return next_ms > ended_ms ? next_ms : ended_ms;
}

static struct watched *
find_watched(const struct mftd_looks *looks, const char *route)
{
	size_t i;

	for (i = 0; i < looks->n; i++)
		if (strcmp(looks->list[i].r->name, route) == 0)
			return &looks->list[i];
	return NULL;
}

/* ---- the processes */

/* What it has said and is not read yet is of no use any more. */
static void
end_looker(struct looker *lk)
{
	mftd_child_kill(&lk->child);
	if (lk->chan != NULL)
		mftd_worker_detach(lk->q->w, lk->chan);
}

static bool
is_busy(const struct looker *lk)
{
	return lk->child.pid > 0 || lk->chan != NULL;
}

/* Its process and its channel end in no order.  One that never said how its
 * look ended had no end of it. */
static void
look_ended(struct looker *lk)
{
	struct watched *w = find_watched(lk->q->looks, lk->route);

	if (is_busy(lk))
		return;
	if (w != NULL && w->due_ms == INT64_MAX)
		w->due_ms = mftd_clock_ms() + SOON_MS;
	mftd_queue_wake(lk->q);
}

static void
on_exit_of_child(void *data, int status)
{
	(void)status;
	look_ended(data);
}

static int
look(const void *job, struct mftd_chan *c)
{
	return mftd_look_run(job, c);
}

static int
start(struct looker *lk, struct watched *w)
{
	struct mftd_worker *worker = lk->q->w;
	const struct mftd_look j = {
		.route = w->r, .conf = worker->conf, .memory = w->memory
	};
	char context[CONTEXT_BYTES];
	const struct mftd_errand e = { .name = "look",
		.context = context,
		.kind = MFTD_PROC_LOOK,
		.instance = lk->route,
		.fd = w->memory,
		.run = look,
		.job = &j,
		.ended = on_exit_of_child,
		.data = lk };

	snprintf(lk->route, sizeof(lk->route), "%s", w->r->name);
	snprintf(context, sizeof(context), "route=%s", lk->route);
	lk->asks = 0;
	lk->begun_ms = mftd_clock_ms();
	return mftd_child_start(&lk->child, worker, &e, &lk->chan);
}

/* ---- what they ask */

static int
add_row(void *data, const char *path, const struct mftd_version *v)
{
	struct mftd_msg_look_rows *a = data;

	if (a->n == MFTD_LOOK_ROWS_MAX || strlen(path) >= MFTD_FILE_NAME_BYTES)
		return -MFTD_E_CORRUPT;
	snprintf(a->rows[a->n].name, MFTD_FILE_NAME_BYTES, "%s", path);
	a->rows[a->n].v = (struct mftd_msg_version) { .size = v->size,
		.mtime_ns = v->mtime_ns,
		.ctime_ns = v->ctime_ns,
		.inode = v->inode };
	a->n++;
	return 0;
}

/* What the route remembers: 0 once it is sent, or the catalog's error. */
static int
answer_known(struct looker *lk)
{
	struct mftd_msg_look_rows *a = calloc(1, sizeof(*a));
	struct mftd_queue *q = lk->q;
	int r = -ENOMEM;

	if (a != NULL)
		r = mftd_found_list(q->catalog, lk->route,
		    lk->question.known.after, MFTD_LOOK_ROWS_MAX, add_row, a);
	mftd_queue_outcome(q, "found", r);
	if (r >= 0) {
		lk->asks = 0;
		mftd_worker_send(
		    q->w, lk->chan, MFTD_MSG_LOOK_ROWS, 0, a, sizeof(*a));
	}
	free(a);
	return r;
}

static int
put_found(struct looker *lk)
{
	const struct mftd_msg_look_found *m = &lk->question.found;
	struct mftd_queue *q = lk->q;
	const struct watched *w = find_watched(q->looks, lk->route);
	char shown[MFTD_PATH_BYTES];
	struct mftd_found f = { .origin = MFTD_ORIGIN_FOLDER,
		.route = lk->route,
		.path = m->name,
		.shown = shown,
		.v = { .size = m->v.size,
		    .mtime_ns = m->v.mtime_ns,
		    .ctime_ns = m->v.ctime_ns,
		    .inode = m->v.inode },
		.sha256 = m->sha256,
		.receipt = m->receipt,
		.delivery = lk->delivery,
		.now_us = lk->found_us,
		.seq = (int64_t)m->seq };
	int r;

	if (w == NULL)
		return -EAGAIN;
	f.volume = w->r->folder->volume;
	snprintf(shown, sizeof(shown), "%s/%s", w->r->folder->path, m->name);
	r = mftd_found_put(q->catalog, &q->role, q->objects->version, &f);
	if (r == 0) {
		q->claim_ms = q->vain_ms = 0; /* there is something new */
		mftd_queue_wake(q);
	}
	return r;
}

static int
write_answer(struct looker *lk)
{
	struct mftd_queue *q = lk->q;

	switch (lk->asks) {
	case MFTD_MSG_LOOK_STAGED:
		return mftd_found_abandon(q->catalog, &q->role,
		    lk->question.staged.receipt, mftd_clock_wall_us());
	case MFTD_MSG_LOOK_GONE:
		return mftd_found_forget(
		    q->catalog, &q->role, lk->route, lk->question.gone.name);
	default:
		return put_found(lk);
	}
}

/* Answers a question; while the catalog is away it waits. */
static void
answer(struct looker *lk)
{
	struct mftd_msg_look_answer a;
	struct mftd_queue *q = lk->q;
	int r;

	if (q->stale || !mftd_lease_held(q->w->lease))
		return;
	if (lk->asks == MFTD_MSG_LOOK_KNOWN) {
		answer_known(lk);
		return;
	}
	r = write_answer(lk);
	if (r != -EEXIST && r != -EAGAIN)
		mftd_queue_outcome(q, "found", r);
	if (r == -MFTD_E_CATALOG_AWAY || r == -MFTD_E_STALE_EPOCH)
		return;
	lk->asks = 0;
	a.err = r;
	mftd_worker_send(
	    q->w, lk->chan, MFTD_MSG_LOOK_ANSWER, 0, &a, sizeof(a));
}

int
mftd_looks_on_question(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct looker *lk = mftd_chan_data(c);

	(void)data;
	if (lk->asks != 0 || m->len > sizeof(lk->question))
		return -MFTD_E_PROTOCOL;
	memcpy(&lk->question, m->data, m->len);
	lk->asks = m->type;
	lk->found_us = mftd_clock_wall_us();
	if (m->type == MFTD_MSG_LOOK_FOUND &&
	    mftd_id_timed(
		"d", lk->found_us, lk->delivery, sizeof(lk->delivery)) < 0)
		return -EIO;
	answer(lk);
	return 0;
}

int
mftd_looks_on_end(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	const struct mftd_msg_look_end *end = m->data;
	struct looker *lk = mftd_chan_data(c);
	struct watched *w = find_watched(lk->q->looks, lk->route);
	int64_t now_ms = mftd_clock_ms();
	char text[sizeof(w->trouble)] = "";

	(void)data;
	if (w == NULL)
		return 0;
	w->due_ms = mftd_looks_next_ms(
	    lk->begun_ms, now_ms, w->r->folder->every_s, end->again_ms);
	if (end->err == -EAGAIN)
		w->due_ms = now_ms + SOON_MS;
	else if (end->err < 0)
		snprintf(text, sizeof(text), "%s: %s", end->text,
		    mftd_strerror(end->err));
	if (strcmp(text, w->trouble) != 0 && text[0] != '\0')
		log_warn("route=%s: look: %s", lk->route, text);
	else if (w->trouble[0] != '\0' && text[0] == '\0')
		log_info("route=%s: look: no trouble any more", lk->route);
	memcpy(w->trouble, text, sizeof(w->trouble));
	return 0;
}

void
mftd_looks_on_down(void *data, struct mftd_chan *c)
{
	struct looker *lk = mftd_chan_data(c);

	(void)data;
	lk->chan = NULL;
	lk->asks = 0;
	look_ended(lk);
}

/* ---- all of them */

static bool
is_watched_here(const struct mftd_queue *q, const struct mftd_route *r)
{
	return r->folder != NULL && strcmp(r->queue, q->w->instance) == 0;
}

static void
forget_watched(struct mftd_looks *looks)
{
	size_t i;

	for (i = 0; i < looks->n; i++)
		mftd_fd_close(&looks->list[i].memory);
	free(looks->list);
	looks->list = NULL;
	looks->n = 0;
}

static int
add_watched(struct mftd_looks *looks, const struct mftd_route *r)
{
	struct watched *list =
	    reallocarray(looks->list, looks->n + 1, sizeof(*list));
	int fd;

	if (list == NULL)
		return -ENOMEM;
	looks->list = list;
	fd = memfd_create("mftd:look", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	list[looks->n++] = (struct watched) { .r = r, .memory = fd };
	return 0;
}

void
mftd_looks_load(struct mftd_queue *q)
{
	struct mftd_looks *looks = q->looks;
	size_t i;
	int r = 0;

	if (looks == NULL)
		looks = q->looks = calloc(1, sizeof(*looks));
	if (looks == NULL)
		return;
	/* what they hold is of the old objects, which are gone */
	forget_watched(looks);
	mftd_looks_kill(q, false);
	for (i = 0; r == 0 && i < q->objects->n_routes; i++)
		if (is_watched_here(q, &q->objects->routes[i]))
			r = add_watched(looks, &q->objects->routes[i]);
	if (r < 0)
		log_error("looks: %s: some folders are not looked at",
		    mftd_strerror(r));
}

static bool
is_under_way(const struct mftd_looks *looks, const char *route)
{
	const struct looker *lk;

	for (lk = looks->lookers; lk < looks->lookers + MFTD_LOOKS_MAX; lk++)
		if (is_busy(lk) && strcmp(lk->route, route) == 0)
			return true;
	return false;
}

/* The one that has been due longest, or NULL. */
static struct watched *
next_due(const struct mftd_looks *looks)
{
	int64_t now_ms = mftd_clock_ms();
	struct watched *w, *first = NULL;

	for (w = looks->list; w < looks->list + looks->n; w++)
		if (w->due_ms <= now_ms &&
		    (first == NULL || w->due_ms < first->due_ms) &&
		    !is_under_way(looks, w->r->name))
			first = w;
	return first;
}

void
mftd_looks_work(struct mftd_queue *q)
{
	struct looker *lk;
	struct watched *w;
	int r;

	if (q->looks == NULL)
		return;
	for (lk = q->looks->lookers; lk < q->looks->lookers + MFTD_LOOKS_MAX;
	     lk++) {
		if (lk->asks != 0 && q->trouble[0] == '\0')
			answer(lk);
		if (is_busy(lk) || !mftd_lease_held(q->w->lease) || q->stale)
			continue;
		w = next_due(q->looks);
		if (w == NULL)
			continue;
		lk->q = q;
		w->due_ms = INT64_MAX; /* until it ends */
		r = start(lk, w);
		if (r == 0)
			continue;
		w->due_ms = mftd_clock_ms() + SOON_MS;
		log_warn("route=%s: no look: %s", w->r->name, mftd_strerror(r));
	}
}

void
mftd_looks_kill(struct mftd_queue *q, bool wait)
{
	struct looker *lk;

	if (q->looks == NULL)
		return;
	for (lk = q->looks->lookers; lk < q->looks->lookers + MFTD_LOOKS_MAX;
	     lk++) {
		if (is_busy(lk))
			end_looker(lk);
		if (wait)
			mftd_child_wait(&lk->child);
	}
}

void
mftd_looks_free(struct mftd_queue *q)
{
	if (q->looks == NULL)
		return;
	forget_watched(q->looks);
	free(q->looks);
	q->looks = NULL;
}
