/* Part of mftd; see LICENSE. */
#include "mftd/catalog/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/catalog/backlog.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/disposer.h"
#include "mftd/catalog/feed.h"
#include "mftd/catalog/links.h"
#include "mftd/catalog/source.h"
#include "mftd/conf/conf.h"
#include "mftd/conf/place.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/worker.h"

#define POLL_MS 2000
#define SOON_MS 20 /* while journals have not taken what they were told */
#define STATE_MS 5000
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000

struct process {
	struct mftd_worker *w;
	struct mftd_catalog *c;
	struct mftd_feeds *feeds;
	struct mftd_disposer *disposer;
	struct mftd_chan *coordinator;
	struct mftd_chan *auth;
	struct mftd_chan *journals[MFTD_VOLUMES_MAX];
	size_t n_journals;
	char snapshot[MFTD_PATH_BYTES];
	uint64_t version; /* of the snapshot; 0: there is none */
	bool migrated;
	bool reachable;
	bool tried;
	bool kept; /* the database has none, and that was logged */
	char reason[MFTD_REASON_BYTES];
	int backoff_ms;
	int64_t not_before_ms; /* no try before, while it is away */
	bool more; /* links, or sources, that the last look did not get to */
	bool going_on; /* the timer for them runs */
};

/* ---- telling the others */

static void
tell_state(struct process *p)
{
	struct mftd_msg_catalog_state msg = { .reachable = p->reachable,
		.tried = p->tried,
		.config_version = p->version };
	const char *why = p->reason;

	if (why[0] == '\0')
		why = mftd_feeds_stuck(p->feeds);
	if (why[0] == '\0')
		why = mftd_catalog_clock(p->c);
	snprintf(msg.reason, sizeof(msg.reason), "%s", why);
	mftd_worker_send(
	    p->w, p->coordinator, MFTD_MSG_CATALOG_STATE, 0, &msg, sizeof(msg));
}

static void
tell_snapshot(struct process *p)
{
	struct mftd_msg_snapshot msg = { .version = p->version };

	if (p->version == 0)
		return;
	memcpy(msg.path, p->snapshot, sizeof(msg.path));
	mftd_worker_send(
	    p->w, p->auth, MFTD_MSG_SNAPSHOT, 0, &msg, sizeof(msg));
}

/* Notes how the last call to the catalog went: 0 or its error. */
static void
set_state(struct process *p, int err)
{
	bool was = p->reachable, changed;
	char reason[MFTD_REASON_BYTES] = "";

	if (err < 0)
		snprintf(reason, sizeof(reason), "%s: %s", mftd_strerror(err),
		    mftd_catalog_why(p->c));
	p->tried = true;
	p->reachable = err != -MFTD_E_CATALOG_AWAY && (err == 0 || p->migrated);
	if (p->reachable) {
		p->backoff_ms = BACKOFF_MIN_MS;
		p->not_before_ms = 0;
	} else {
		p->not_before_ms = mftd_clock_ms() + p->backoff_ms;
		p->backoff_ms *= 2;
		if (p->backoff_ms > BACKOFF_MAX_MS)
			p->backoff_ms = BACKOFF_MAX_MS;
	}
	changed = was != p->reachable || strcmp(reason, p->reason) != 0;
	memcpy(p->reason, reason, sizeof(p->reason));
	if (!changed)
		return;
	if (err < 0)
		log_warn("%s", reason);
	else
		log_info("catalog reached");
	tell_state(p);
}

/* ---- configuration in */

/* The last known good one, from an earlier life. */
static void
find_snapshot(struct process *p)
{
	struct mftd_catalog *c = NULL;
	char uri[MFTD_PATH_BYTES + 8];
	int r;

	snprintf(uri, sizeof(uri), "sqlite:%s", p->snapshot);
	r = mftd_catalog_open(uri, "", &c);
	if (r == 0)
		r = mftd_catalog_version(c, &p->version);
	if (r == 0) /* it may be of an older program */
		r = mftd_catalog_migrate(c);
	if (r < 0) {
		p->version = 0;
		log_info("no snapshot yet: %s",
		    c != NULL ? mftd_catalog_why(c) : mftd_strerror(r));
	}
	mftd_catalog_close(c);
}

static int
take_objects(struct process *p)
{
	struct mftd_objects *o = NULL;
	int r;

	r = mftd_catalog_load(p->c, &o);
	if (r < 0)
		return r;
	r = mftd_catalog_snapshot(o, p->snapshot);
	if (r == 0) {
		log_info("configuration %" PRIu64 " (was %" PRIu64 ")",
		    o->version, p->version);
		p->version = o->version;
		tell_snapshot(p);
		tell_state(p);
	} else {
		/* not the database's fault: the last good one stays */
		log_error("%s: %s", p->snapshot, mftd_strerror(r));
		r = 0;
	}
	mftd_objects_free(o);
	return r;
}

static int
look_for_version(struct process *p)
{
	uint64_t version = 0;
	int r;

	r = mftd_catalog_version(p->c, &version);
	if (r == 0 && (version != 0 || p->version == 0))
		r = mftd_links_tell(p->w, p->c, p->journals, p->n_journals);
	if (r < 0 || version == p->version)
		return r;
	if (version == 0) {
		if (!p->kept)
			log_warn("the database has no configuration; %" PRIu64
				 " is kept",
			    p->version);
		p->kept = true;
		return 0;
	}
	p->kept = false;
	return take_objects(p);
}

/* ---- links that may go */

static bool
journals_work(const struct process *p)
{
	size_t i;

	for (i = 0; i < p->n_journals; i++)
		if (!mftd_feeds_offered(p->feeds, p->journals[i]))
			return false;
	return p->n_journals == p->w->conf->n_volumes;
}

/* Whether the journals have taken what they were told. */
static bool
journals_listen(const struct process *p)
{
	size_t i;

	for (i = 0; i < p->n_journals; i++)
		if (mftd_chan_pending(p->journals[i]))
			return false;
	return true;
}

static int
release(struct process *p)
{
	int n = mftd_links_release(p->w, p->c, p->journals, p->n_journals);

	p->more |= n > 0;
	return n < 0 ? n : 0;
}

/* What is to become of sources goes before their links. */
static int
dispose(struct process *p)
{
	int n = mftd_source_look(p->c);

	p->more |= n > 0;
	return n < 0
	    ? n
	    : mftd_disposer_work(p->disposer, p->journals, p->n_journals);
}

/* Sources and links, as far as one look gets: p->more, if there may be more. */
static int
clean_up(struct process *p)
{
	int r;

	p->more = false;
	if (!journals_work(p))
		return 0;
	r = dispose(p);
	p->more |= r == 0 && !journals_listen(p);
	if (r == 0 && journals_listen(p))
		r = release(p);
	return r;
}

/* ---- the rounds */

static int
round_once(struct process *p)
{
	int r = 0;

	if (!p->migrated) {
		r = mftd_catalog_migrate(p->c);
		p->migrated = r == 0;
	}
	if (r == 0)
		r = look_for_version(p);
	if (r == 0)
		r = mftd_feeds_resume(p->feeds);
	if (r == 0)
		r = clean_up(p);
	return r;
}

/* Nobody but this node serves its place. */
static int
needed_places(struct process *p, struct mftd_msg_backlog *msg)
{
	char own[MFTD_QUEUE_BYTES];
	bool needed = false;
	int r;

	mftd_place_of_node(p->w->conf->node, own);
	r = mftd_catalog_place_needed(p->c, own, &needed);
	if (r < 0)
		return r;
	msg->node_needed = needed;
	r = mftd_catalog_place_needed(p->c, MFTD_PLACE_CONTROLLER, &needed);
	msg->controller_needed = r == 0 && needed;
	return r;
}

/* So that a queue that no node has is seen. */
static void
tell_backlog(struct process *p)
{
	struct mftd_msg_backlog msg;
	int r = mftd_catalog_backlog(p->c, &msg);

	if (r == 0)
		r = needed_places(p, &msg);
	if (r < 0)
		set_state(p, r);
	else
		mftd_worker_send(p->w, p->coordinator, MFTD_MSG_BACKLOG, 0,
		    &msg, sizeof(msg));
}

static void go_on(struct process *p);

static void
on_more(void *data)
{
	struct process *p = data;

	p->going_on = false;
	if (p->reachable && journals_listen(p))
		set_state(p, clean_up(p));
	go_on(p);
}

/* No pause while there is more, but for journals that have enough to do; what
 * comes from others is looked at in between. */
static void
go_on(struct process *p)
{
	if (p->more && p->reachable && !p->going_on)
		p->going_on =
		    mftd_worker_timer(p->w, journals_listen(p) ? 0 : SOON_MS,
			on_more, p) == 0;
}

/* Which places are needed may have changed with the configuration. */
static void
work(struct process *p)
{
	const bool was = p->reachable;
	const uint64_t before = p->version;

	if (!p->reachable && mftd_clock_ms() < p->not_before_ms)
		return;
	set_state(p, round_once(p));
	if (p->reachable && (!was || p->version != before))
		tell_backlog(p);
	go_on(p);
}

static void
on_poll(void *data)
{
	struct process *p = data;

	work(p);
	mftd_worker_timer(p->w,
	    p->reachable || p->backoff_ms > POLL_MS ? POLL_MS : p->backoff_ms,
	    on_poll, p);
}

static void
on_state_due(void *data)
{
	struct process *p = data;

	if (p->reachable)
		tell_backlog(p);
	tell_state(p);
	mftd_worker_timer(p->w, STATE_MS, on_state_due, p);
}

/* ---- messages */

static int
on_config_poke(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	work(data);
	return 0;
}

static int
on_stream(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct process *p = data;
	int r = mftd_feeds_on_stream(p->feeds, c, m);

	if (r == 0 && p->reachable) {
		r = mftd_feeds_resume(p->feeds);
		if (r < 0)
			set_state(p, r);
		r = 0;
	}
	return r;
}

static int
on_record(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct process *p = data;
	int failed, r = mftd_feeds_on_record(p->feeds, c, m, &failed);

	if (failed < 0)
		set_state(p, failed);
	return r;
}

static int
on_disposed(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct process *p = data;
	int failed, r = mftd_disposer_answered(p->disposer, m, &failed);

	if (r == 1)
		failed =
		    mftd_disposer_work(p->disposer, p->journals, p->n_journals);
	if (failed < 0)
		set_state(p, failed);
	return r < 0 ? r : 0;
}

static void
coordinator_up(void *data, struct mftd_chan *c)
{
	struct process *p = data;

	p->coordinator = c;
	tell_state(p);
}

static void
coordinator_down(void *data, struct mftd_chan *c)
{
	struct process *p = data;

	if (p->coordinator == c)
		p->coordinator = NULL;
}

static void
auth_up(void *data, struct mftd_chan *c)
{
	struct process *p = data;

	p->auth = c;
	tell_snapshot(p);
}

static void
auth_down(void *data, struct mftd_chan *c)
{
	struct process *p = data;

	if (p->auth == c)
		p->auth = NULL;
}

static void
journal_up(void *data, struct mftd_chan *c)
{
	struct process *p = data;

	if (p->n_journals < MFTD_VOLUMES_MAX)
		p->journals[p->n_journals++] = c;
	else
		log_error("journal %s: too many", mftd_chan_instance(c));
}

static void
journal_down(void *data, struct mftd_chan *c)
{
	struct process *p = data;
	size_t i;

	mftd_feeds_drop(p->feeds, c);
	mftd_disposer_lost(p->disposer);
	for (i = 0; i < p->n_journals; i++)
		if (p->journals[i] == c) {
			p->journals[i] = p->journals[--p->n_journals];
			break;
		}
}

static bool
is_id(const char text[MFTD_ID_BYTES])
{
	return memchr(text, '\0', MFTD_ID_BYTES) != NULL && mftd_id_valid(text);
}

/* A journal has found links: those that may go are told, once more. */
static int
on_links(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct process *p = data;
	const struct mftd_msg_links *links = m->data;
	struct mftd_msg_links_seen seen = { 0 };
	struct mftd_msg_release msg;
	char gone[MFTD_LINKS_MAX][MFTD_ID_BYTES];
	int i, n = -MFTD_E_CATALOG_AWAY;
	uint32_t k;

	for (k = 0; k < links->n; k++)
		if (k >= MFTD_LINKS_MAX || !is_id(links->receipts[k]))
			return -MFTD_E_PROTOCOL;
	if (p->reachable) {
		n = mftd_catalog_gone(p->c, links->receipts, links->n, gone);
		if (n < 0)
			set_state(p, n);
	}
	for (i = 0; i < n; i++) {
		memcpy(msg.receipt, gone[i], sizeof(msg.receipt));
		mftd_worker_send(
		    p->w, c, MFTD_MSG_RELEASE, 0, &msg, sizeof(msg));
	}
	seen.err = n < 0 ? n : 0;
	mftd_worker_send(p->w, c, MFTD_MSG_LINKS_SEEN, 0, &seen, sizeof(seen));
	return 0;
}

static const struct mftd_handler from_coordinator[] = {
	{ MFTD_MSG_CONFIG_POKE, on_config_poke },
	{ 0, NULL },
};

static const struct mftd_handler from_journal[] = {
	{ MFTD_MSG_STREAM, on_stream },
	{ MFTD_MSG_RECORD, on_record },
	{ MFTD_MSG_LINKS, on_links },
	{ MFTD_MSG_DISPOSED, on_disposed },
	{ 0, NULL },
};

static const struct mftd_link links[] = {
	{ MFTD_PROC_COORDINATOR, from_coordinator, coordinator_up,
	    coordinator_down },
	{ MFTD_PROC_JOURNAL, from_journal, journal_up, journal_down },
	{ MFTD_PROC_AUTH, NULL, auth_up, auth_down },
};

static int
start(struct process *p)
{
	const struct mftd_conf *conf = p->w->conf;
	int r;

	if (snprintf(p->snapshot, sizeof(p->snapshot),
		"%s/" MFTD_CATALOG_SNAPSHOT,
		conf->state_dir) >= (int)sizeof(p->snapshot))
		return -ENAMETOOLONG;
	r = mftd_catalog_open(conf->catalog, "mftd/catalog", &p->c);
	if (r < 0)
		return r;
	mftd_catalog_here(p->c, conf->node, p->w->incarnation);
	p->feeds = mftd_feeds_new(p->w, p->c);
	p->disposer = mftd_disposer_new(p->w, p->c);
	if (p->feeds == NULL || p->disposer == NULL)
		return -ENOMEM;
	find_snapshot(p);
	r = mftd_worker_init(p->w, links, sizeof(links) / sizeof(links[0]), p);
	if (r == 0)
		r = mftd_worker_ready(p->w);
	/* the first try comes from the loop: channels, and with them the
	 * snapshot's news, must not wait for a database that hangs */
	if (r == 0)
		r = mftd_worker_timer(p->w, 1, on_poll, p);
	if (r == 0)
		r = mftd_worker_timer(p->w, STATE_MS, on_state_due, p);
	return r;
}

void
mftd_catalog_main(struct mftd_worker *w)
{
	struct process p = { .w = w,
		.backoff_ms = BACKOFF_MIN_MS,
		.reason = "not reached yet" };
	int r;

	r = start(&p);
	if (r < 0) {
		log_error("cannot start: %s", mftd_strerror(r));
		exit(1);
	}
	mftd_worker_run(w);
	mftd_feeds_free(p.feeds);
	mftd_disposer_free(p.disposer);
	mftd_catalog_close(p.c);
}
