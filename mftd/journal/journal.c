/* Part of mftd; see LICENSE. */
#include "mftd/journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/journal/count.h"
#include "mftd/journal/process.h"
#include "mftd/journal/usage.h"

#define TICK_MS 1000
#define TELL_TICKS 2 /* the coordinator hears of us at least so often */
#define FLUSH_MS 20 /* an outcome waits so long for the next commit */

static _Noreturn void
die(const struct mftd_journal *j, const char *what, int err)
{
	log_error(
	    "volume=%s: %s: %s", j->worker->instance, what, mftd_strerror(err));
	exit(1);
}

void
mftd_journal_insist(struct mftd_journal *j)
{
	if (j->work->failed != 0)
		die(j, "the stream ends", j->work->failed);
}

/* By what recovery found, or forwarding. */
static bool
is_damaged(const struct mftd_journal *j)
{
	return j->damaged ||
	    (j->forwarder != NULL && mftd_forwarder_stuck(j->forwarder));
}

static void
tell(struct mftd_journal *j)
{
	struct mftd_msg_volume_state st = { .healthy = j->healthy };

	if (j->coordinator == NULL || mftd_chan_pending(j->coordinator))
		return;
	snprintf(st.volume, sizeof(st.volume), "%s", j->worker->instance);
	/* nothing that a restart, or fencing, would mend: it stays well */
	snprintf(st.reason, sizeof(st.reason), "%s",
	    j->reason[0] == '\0' && is_damaged(j)
		? "a stream is damaged: see mftctl journal verify"
		: j->reason);
	if (j->stream != NULL) {
		st.records = mftd_stream_committed(j->stream);
		st.syncs = mftd_stream_syncs(j->stream);
		mftd_forwarder_lag(
		    j->forwarder, &st.lag_records, &st.lag_since_us);
	}
	j->lags = st.lag_records > 0;
	j->told_ms = mftd_clock_ms();
	mftd_worker_send(j->worker, j->coordinator, MFTD_MSG_VOLUME_STATE, 0,
	    &st, sizeof(st));
}

void
mftd_journal_health(struct mftd_journal *j, bool healthy, const char *reason)
{
	bool changed = j->healthy != healthy;

	j->healthy = healthy;
	snprintf(j->reason, sizeof(j->reason), "%s", reason);
	if (!changed)
		return;
	if (healthy)
		log_info("volume=%s is well again", j->worker->instance);
	else
		log_warn("volume=%s: %s", j->worker->instance, reason);
	tell(j);
}

/* The coordinator hears at once that something begins to wait for the catalog,
 * or that nothing does any more; the former, with uploads all the time, not
 * more than once in a tick. */
static void
tell_if_lag_changed(struct mftd_journal *j)
{
	bool lags = mftd_forwarder_lags(j->forwarder);

	if (lags != j->lags &&
	    (!lags || mftd_clock_ms() - j->told_ms >= TICK_MS))
		tell(j);
}

static void
flush(void *data)
{
	struct mftd_journal *j = data;

	j->flush_due = false;
	if (j->stream == NULL)
		return;
	mftd_work_commit(j->work);
	mftd_journal_settle(j);
}

void
mftd_journal_settle(struct mftd_journal *j)
{
	mftd_journal_insist(j);
	mftd_forwarder_grown(j->forwarder);
	tell_if_lag_changed(j);
	if (j->flush_due || j->batch_due || !mftd_stream_dirty(j->stream))
		return;
	if (mftd_worker_timer(j->worker, FLUSH_MS, flush, j) == 0)
		j->flush_due = true;
}

/* Recovers what earlier processes of this node left. */
static int
recover_own(struct mftd_journal *j, bool started)
{
	struct mftd_recovery out = { 0 };
	int r = mftd_recover_own(j->work, j->node, started, &out);

	if (j->work->failed != 0)
		return j->work->failed;
	j->streams_held = out.held > 0 || (r < 0 && started);
	j->damaged |= out.damaged > 0;
	return r;
}

static void
stop(struct mftd_journal *j)
{
	mftd_forwarder_free(j->forwarder);
	mftd_leftovers_free(j->leftovers);
	mftd_work_free(j->work);
	mftd_stream_close(j->stream);
	mftd_volume_close(&j->vol);
	j->forwarder = NULL;
	j->leftovers = NULL;
	j->work = NULL;
	j->stream = NULL;
}

static int
open_signer(struct mftd_journal *j)
{
	int dir, r;

	if (j->signer != NULL)
		return 0;
	dir = open(
	    j->worker->conf->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? -errno : mftd_signer_open(dir, &j->signer);
	mftd_fd_close(&dir);
	if (r < 0)
		log_error("%s: the node's journal key: %s",
		    j->worker->conf->state_dir, mftd_strerror(r));
	return r;
}

/* Opens the volume, makes our stream and recovers the ones before it. */
static int
start(struct mftd_journal *j)
{
	int r = open_signer(j);

	if (r == 0)
		r = mftd_volume_open(&j->vol, j->worker->instance, j->path);
	if (r < 0)
		return r;
	r = mftd_stream_create(j->vol.journal, j->node, j->worker->incarnation,
	    j->vol.name, j->place, j->signer, 0, &j->stream);
	if (r < 0)
		goto fail;
	j->checkpoint = mftd_stream_segment(j->stream);
	j->work = mftd_work_new(&j->vol, j->stream, j->worker->incarnation);
	j->forwarder = mftd_forwarder_new(j->worker, &j->vol, j->stream);
	j->leftovers = mftd_leftovers_new(j->worker, &j->vol);
	if (j->work == NULL || j->forwarder == NULL || j->leftovers == NULL) {
		r = -ENOMEM;
		goto fail;
	}
	r = recover_own(j, false);
	if (r < 0)
		goto fail;
	mftd_usage_recovered(&j->vol); /* our predecessor's, say */
	mftd_forwarder_scan(j->forwarder);
	mftd_forwarder_channel(j->forwarder, j->catalog);
	mftd_leftovers_work(j->leftovers, j->catalog);
	log_info("volume=%s id=%s stream=%s", j->vol.name, j->vol.id,
	    mftd_stream_id(j->stream));
	return 0;
fail:
	stop(j);
	return r;
}

static bool
is_full(int err)
{
	return err == -ENOSPC || err == -EDQUOT;
}

/* Starts, or says that there is no space for it yet; else the process ends. */
static void
try_start(struct mftd_journal *j)
{
	const struct mftd_conf_volume *v =
	    mftd_conf_volume(j->worker->conf, j->worker->instance);
	int r = start(j);

	if (r < 0 && !is_full(r))
		die(j, v != NULL ? v->path : "no such volume", r);
	if (r < 0)
		mftd_journal_health(j, false, "no space to start a stream");
	else
		mftd_journal_health(j, true, "");
}

static bool
lags(const struct mftd_journal *j)
{
	return j->stream != NULL && mftd_forwarder_lags(j->forwarder);
}

/* Tells also since when the catalog lags. */
static void
look_and_tell(struct mftd_journal *j)
{
	if (lags(j))
		mftd_forwarder_look(j->forwarder);
	tell(j);
}

static void
tick(void *data)
{
	struct mftd_journal *j = data;

	if (j->stream == NULL) {
		try_start(j);
	} else {
		if (j->streams_held) {
			recover_own(j, true);
			mftd_journal_insist(j);
			mftd_forwarder_scan(j->forwarder);
		}
		mftd_journal_upkeep(j);
		mftd_journal_settle(j);
	}
	if (++j->ticks % TELL_TICKS == 0 || j->lags || lags(j))
		look_and_tell(j);
	mftd_worker_timer(j->worker, TICK_MS, tick, j);
}

static int
on_recover(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_recover *msg = m->data;
	struct mftd_msg_recovered res = { .err = -ENOSPC };
	struct mftd_recovery out = { 0 };

	if (!mftd_id_valid(msg->incarnation))
		return -MFTD_E_PROTOCOL;
	memcpy(res.incarnation, msg->incarnation, sizeof(res.incarnation));
	if (j->stream != NULL) {
		res.err =
		    mftd_recover_incarnation(j->work, msg->incarnation, &out);
		j->damaged |= out.damaged > 0;
		mftd_journal_insist(j);
		/* it may have died between a change and its count */
		mftd_usage_recovered(&j->vol);
		mftd_count_stale(j);
		mftd_forwarder_scan(j->forwarder);
		mftd_journal_settle(j);
	}
	res.published = out.published;
	res.abandoned = out.abandoned;
	log_info("incarnation=%s recovered: %s, published=%u abandoned=%u",
	    msg->incarnation, res.err == 0 ? "ok" : mftd_strerror(res.err),
	    out.published, out.abandoned);
	mftd_worker_send(
	    j->worker, c, MFTD_MSG_RECOVERED, m->ref, &res, sizeof(res));
	return 0;
}

static int
on_release(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_release *msg = m->data;

	if (!mftd_id_valid(msg->receipt))
		return -MFTD_E_PROTOCOL;
	if (j->stream == NULL)
		return 0; /* it is asked for again */
	if (unlinkat(j->vol.out, msg->receipt, 0) < 0 && errno != ENOENT)
		log_warn("receipt=%s: its link: %s", msg->receipt,
		    mftd_strerror(-errno));
	return 0;
}

static int
on_routes(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_routes *msg = m->data;

	(void)c;
	j->no_routes_until_ms = msg->none_until_ms;
	return 0;
}

static int
on_want(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_want *want = m->data;
	struct mftd_msg_record none = { .seq = want->after };

	if (j->forwarder != NULL)
		return mftd_forwarder_want(j->forwarder, m);
	memcpy(none.stream, want->stream, sizeof(none.stream));
	return mftd_worker_send(
	    j->worker, c, MFTD_MSG_RECORD, m->ref, &none, sizeof(none));
}

static int
on_forwarded(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;

	if (j->forwarder == NULL)
		return 0;
	mftd_forwarder_forwarded(j->forwarder, m);
	tell_if_lag_changed(j);
	return 0;
}

static int
on_links_seen(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;

	if (j->leftovers != NULL)
		mftd_leftovers_seen(j->leftovers, c, m);
	return 0;
}

static void
coordinator_up(void *data, struct mftd_chan *c)
{
	struct mftd_journal *j = data;

	j->coordinator = c;
	look_and_tell(j);
}

static void
coordinator_down(void *data, struct mftd_chan *c)
{
	struct mftd_journal *j = data;

	if (j->coordinator == c)
		j->coordinator = NULL;
}

static void
catalog_up(void *data, struct mftd_chan *c)
{
	struct mftd_journal *j = data;

	j->catalog = c;
	if (j->forwarder != NULL)
		mftd_forwarder_channel(j->forwarder, c);
	if (j->leftovers != NULL)
		mftd_leftovers_work(j->leftovers, c);
}

static void
catalog_down(void *data, struct mftd_chan *c)
{
	struct mftd_journal *j = data;

	if (j->catalog != c)
		return;
	j->catalog = NULL;
	if (j->forwarder != NULL)
		mftd_forwarder_channel(j->forwarder, NULL);
	if (j->leftovers != NULL)
		mftd_leftovers_end(j->leftovers);
}

static const struct mftd_handler coordinator_handlers[] = {
	{ MFTD_MSG_RECOVER, on_recover },
	{ 0, NULL },
};

static const struct mftd_handler catalog_handlers[] = {
	{ MFTD_MSG_WANT, on_want },
	{ MFTD_MSG_FORWARDED, on_forwarded },
	{ MFTD_MSG_RELEASE, on_release },
	{ MFTD_MSG_ROUTES, on_routes },
	{ MFTD_MSG_LINKS_SEEN, on_links_seen },
	{ MFTD_MSG_DISPOSE, mftd_journal_on_dispose },
	{ 0, NULL },
};

static const struct mftd_link links[] = {
	{ MFTD_PROC_COORDINATOR, coordinator_handlers, coordinator_up,
	    coordinator_down },
	{ MFTD_PROC_CATALOG, catalog_handlers, catalog_up, catalog_down },
	{ MFTD_PROC_AUTH, mftd_journal_auth_handlers, NULL, NULL },
	{ MFTD_PROC_SESSION, mftd_journal_session_handlers, NULL,
	    mftd_journal_session_down },
	/* it, too, says which account a session of its deposits is of */
	{ MFTD_PROC_OUTBOUND, mftd_journal_auth_handlers, NULL, NULL },
};

/* A session costs three descriptors here. */
static void
raise_descriptors(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
}

void
mftd_journal_main(struct mftd_worker *w)
{
	struct mftd_journal *j = calloc(1, sizeof(*j));
	size_t i;
	int r;

	if (j == NULL)
		exit(1);
	j->worker = w;
	j->node = w->conf->node;
	j->healthy = true;
	TAILQ_INIT(&j->sessions);
	LIST_INIT(&j->known);
	LIST_INIT(&j->counts);
	LIST_INIT(&j->allowances);
	STAILQ_INIT(&j->pending);
	STAILQ_INIT(&j->held);
	STAILQ_INIT(&j->disposals);
	for (i = 0; i < w->conf->n_volumes; i++)
		if (strcmp(w->conf->volumes[i].name, w->instance) == 0) {
			j->path = w->conf->volumes[i].path;
			j->place = (unsigned)i;
		}
	if (j->path == NULL)
		die(j, "is not configured", -EINVAL);
	raise_descriptors();
	r = mftd_worker_init(w, links, sizeof(links) / sizeof(links[0]), j);
	if (r < 0)
		die(j, "no loop", r);
	try_start(j);
	mftd_worker_timer(w, TICK_MS, tick, j);
	mftd_worker_ready(w);
	mftd_worker_run(w);
	if (j->stream == NULL)
		return;
	if (mftd_work_commit(j->work) == 0)
		j->work->failed = mftd_stream_end(j->stream);
	mftd_journal_insist(j);
	mftd_forwarder_note(j->forwarder);
}
