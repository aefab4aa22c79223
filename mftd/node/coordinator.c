/* Part of mftd; see LICENSE. */
#include "mftd/node/coordinator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"

#define JOURNAL_SILENT_MS 7000 /* three of its reports missed */
#define LAST_WORD_MS 1000
#define LAST_WORD_TICK_MS 10
#define OWN_START_MS 60000 /* standalone: bound of starting the services */

/* ---- services */

struct mftd_co_service *
mftd_co_service_find(
    struct mftd_coordinator *co, uint32_t service, const char *queue)
{
	struct mftd_co_service *s;

	for (s = co->services; s < co->services + MFTD_CO_SERVICES_MAX; s++) {
		if (!s->known) {
			memset(s, 0, sizeof(*s));
			s->known = true;
			s->state.service = service;
			snprintf(s->state.queue, sizeof(s->state.queue), "%s",
			    queue);
			return s;
		}
		if (s->state.service == service &&
		    strcmp(s->state.queue, queue) == 0)
			return s;
	}
	return NULL;
}

int
mftd_co_service_set(struct mftd_coordinator *co, uint32_t service,
    const char *queue, uint32_t role, uint32_t deadline_ms, uint64_t client)
{
	struct mftd_msg_service_set set = {
		.service = service,
		.role = role,
		.deadline_ms = deadline_ms,
	};
	struct mftd_co_wait *wait = NULL, *same = NULL, *o;

	snprintf(set.queue, sizeof(set.queue), "%s", queue);
	for (o = co->waits; o < co->waits + MFTD_CO_WAITS_MAX; o++) {
		if (o->ref == 0 && wait == NULL)
			wait = o;
		if (o->ref != 0 && !o->answered && o->service == service &&
		    o->role == role && strcmp(o->queue, queue) == 0)
			same = o;
	}
	if (wait == NULL)
		return -MFTD_E_LIMIT;
	memset(wait, 0, sizeof(*wait));
	wait->client = client;
	wait->service = service;
	wait->role = role;
	snprintf(wait->queue, sizeof(wait->queue), "%s", queue);
	/* an equal wish is on its way: its answer is this one's too */
	wait->ref = same != NULL ? same->ref : ++co->next_ref;
	if (same != NULL)
		return 0;
	return mftd_worker_send(co->w, co->w->parent, MFTD_MSG_SERVICE_SET,
	    wait->ref, &set, sizeof(set));
}

static int
on_service_state(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_coordinator *co = data;
	const struct mftd_msg_service_state *st = m->data;
	struct mftd_co_service *s;

	s = mftd_co_service_find(co, st->service, st->queue);
	if (s == NULL)
		return 0;
	if (st->role != MFTD_ROLE_PROMOTED)
		s->out_known = false;
	if (st->role != s->state.role)
		mftd_cluster_role(co->cluster, st->service, st->queue, st->role,
		    s->out_known ? s->out.epoch : 0);
	s->state = *st;
	if (m->ref != 0)
		mftd_co_answer(co, m->ref, st);
	mftd_co_places_follow(co);
	return 0;
}

static int
on_outbound_state(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	mftd_co_outbound_state(data, c, m->data);
	return 0;
}

static void
outbound_down(void *data, struct mftd_chan *c)
{
	mftd_co_outbound_down(data, c);
}

/* ---- sessions */

static int
on_session_open(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	/* on failure the descriptor is closed: the session ends */
	if (mftd_co_session_open(data, m->data, m->fds[0]) == 0)
		m->fds[0] = -1;
	return 0;
}

static void
session_down(void *data, struct mftd_chan *c)
{
	mftd_co_session_down(data, c);
}

static int
on_session_stat(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	return 0; /* load figures are not shown yet */
}

/* ---- failures of sources */

static int
on_failure(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	mftd_co_bans_failure(data, m->data);
	return 0;
}

static void
listener_up(void *data, struct mftd_chan *c)
{
	struct mftd_coordinator *co = data;

	co->listener = c;
	mftd_co_bans_look(co, true);
}

static void
listener_down(void *data, struct mftd_chan *c)
{
	struct mftd_coordinator *co = data;

	if (co->listener == c)
		co->listener = NULL;
}

static int
on_listener_state(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_coordinator *co = data;

	co->listener_state = *(const struct mftd_msg_listener_state *)m->data;
	return 0;
}

/* ---- catalog */

static void
catalog_up(void *data, struct mftd_chan *c)
{
	((struct mftd_coordinator *)data)->catalog = c;
}

static void
catalog_down(void *data, struct mftd_chan *c)
{
	struct mftd_coordinator *co = data;

	if (co->catalog == c)
		co->catalog = NULL;
	co->catalog_state.reachable = 0;
	co->catalog_state.tried = 1;
	snprintf(co->catalog_state.reason, sizeof(co->catalog_state.reason),
	    "its process is being restarted");
}

static int
on_catalog_state(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_coordinator *co = data;
	const struct mftd_msg_catalog_state *st = m->data;
	uint64_t before = co->catalog_state.config_version;

	co->catalog_state = *st;
	if (st->config_version > before) {
		mftd_cluster_config(co->cluster, st->config_version);
		mftd_co_outbound_config(co, st->config_version);
	}
	return 0;
}

static int
on_backlog(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	mftd_co_queues_backlog(data, m->data);
	mftd_co_places_follow(data);
	return 0;
}

/* ---- journals and recovery */

static int
journal_slot(const struct mftd_coordinator *co, const char *volume)
{
	int i;

	for (i = 0; i < co->n_journals; i++)
		if (strcmp(co->volumes[i].volume, volume) == 0)
			return i;
	return -1;
}

static void
journal_up(void *data, struct mftd_chan *c)
{
	struct mftd_coordinator *co = data;
	int i = journal_slot(co, mftd_chan_instance(c));

	if (i < 0 && co->n_journals < MFTD_VOLUMES_MAX)
		i = co->n_journals++;
	if (i < 0)
		return;
	snprintf(co->volumes[i].volume, sizeof(co->volumes[i].volume), "%s",
	    mftd_chan_instance(c));
	co->journals[i] = c;
	co->heard_ms[i] = mftd_clock_ms();
	/* until it says otherwise, or nothing; what waits waits still */
	co->volumes[i].healthy = 1;
	co->volumes[i].records = co->volumes[i].syncs = 0;
	co->volumes[i].reason[0] = '\0';
}

/* A recovery step of one journal is over. */
static void
recovery_part(
    struct mftd_coordinator *co, struct mftd_co_recovery *rec, int err)
{
	if (err < 0)
		rec->err = err;
	if (--rec->waiting > 0)
		return;
	log_info("recovery of %s: %s", rec->incarnation,
	    rec->err < 0 ? mftd_strerror(rec->err) : "done");
	mftd_cluster_recovered(co->cluster, rec->incarnation, rec->err);
	rec->incarnation[0] = '\0';
}

static void
journal_down(void *data, struct mftd_chan *c)
{
	struct mftd_coordinator *co = data;
	int i = journal_slot(co, mftd_chan_instance(c)), k;

	if (i < 0 || co->journals[i] != c)
		return;
	co->journals[i] = NULL;
	co->volumes[i].healthy = 0;
	for (k = 0; k < MFTD_NODES_MAX; k++)
		if (co->recoveries[k].incarnation[0] != '\0')
			recovery_part(co, &co->recoveries[k], -MFTD_E_CLOSED);
}

static int
on_volume_state(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_coordinator *co = data;
	int i = journal_slot(co, mftd_chan_instance(c));

	if (i < 0)
		return 0;
	co->volumes[i] = *(const struct mftd_msg_volume_state *)m->data;
	co->heard_ms[i] = mftd_clock_ms();
	return 0;
}

bool
mftd_co_volume_well(const struct mftd_coordinator *co, int i)
{
	return co->volumes[i].healthy &&
	    mftd_clock_ms() - co->heard_ms[i] < JOURNAL_SILENT_MS;
}

static struct mftd_co_recovery *
recovery_find(struct mftd_coordinator *co, const char *incarnation)
{
	int k;

	for (k = 0; k < MFTD_NODES_MAX; k++)
		if (strcmp(co->recoveries[k].incarnation, incarnation) == 0)
			return &co->recoveries[k];
	return NULL;
}

static int
on_recovered(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_coordinator *co = data;
	const struct mftd_msg_recovered *r = m->data;
	struct mftd_co_recovery *rec = r->incarnation[0] != '\0'
	    ? recovery_find(co, r->incarnation)
	    : NULL;

	if (rec == NULL)
		return 0;
	log_info("volume %s: %u published and %u abandoned of %s",
	    mftd_chan_instance(c), r->published, r->abandoned, r->incarnation);
	recovery_part(co, rec, r->err);
	return 0;
}

/* ---- what the group tells */

static void
ev_recover(void *data, const char *incarnation)
{
	struct mftd_coordinator *co = data;
	struct mftd_msg_recover msg = { 0 };
	struct mftd_co_recovery *rec = recovery_find(co, incarnation);
	int i;

	if (rec != NULL)
		return; /* it is under way */
	rec = recovery_find(co, "");
	if (rec == NULL) {
		mftd_cluster_recovered(co->cluster, incarnation, -EAGAIN);
		return;
	}
	memset(rec, 0, sizeof(*rec));
	snprintf(rec->incarnation, sizeof(rec->incarnation), "%s", incarnation);
	snprintf(msg.incarnation, sizeof(msg.incarnation), "%s", incarnation);
	rec->waiting = 1; /* held until all are asked */
	for (i = 0; i < (int)co->w->conf->n_volumes; i++) {
		rec->waiting++;
		if (i >= co->n_journals ||
		    mftd_worker_send(co->w, co->journals[i], MFTD_MSG_RECOVER,
			0, &msg, sizeof(msg)) < 0)
			recovery_part(co, rec, -EAGAIN);
	}
	recovery_part(co, rec, 0);
}

static void
ev_config(void *data, uint64_t version)
{
	struct mftd_coordinator *co = data;
	const struct mftd_msg_config_poke poke = { .version = version };

	if (version > co->catalog_state.config_version)
		mftd_worker_send(co->w, co->catalog, MFTD_MSG_CONFIG_POKE, 0,
		    &poke, sizeof(poke));
	mftd_co_outbound_config(co, version);
}

static void
ev_restart(void *data, const char *why)
{
	struct mftd_coordinator *co = data;

	log_warn("a new incarnation is due: %s", why);
	co->restarting = true;
	mftd_worker_stop(co->w);
}

static void
ev_quorum(void *data, bool quorate)
{
	log_info("quorum: %s", quorate ? "yes" : "no");
	if (quorate)
		mftd_co_bans_ready(data);
}

static void
ev_changed(void *data)
{
	mftd_co_sessions_look(data);
	mftd_co_bans_look(data, false);
}

/* ---- start */

/* Standalone: nobody will ask, so the services start by themselves. */
static void
start_own(struct mftd_coordinator *co)
{
	const struct mftd_conf *conf = co->w->conf;
	size_t i;
	int r = mftd_co_service_set(
	    co, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED, OWN_START_MS, 0);

	for (i = 0; i < conf->n_queues && r == 0; i++)
		r = mftd_co_service_set(co, MFTD_SERVICE_OUTBOUND,
		    conf->queues[i], MFTD_ROLE_PROMOTED, OWN_START_MS, 0);
	if (r < 0)
		log_error("cannot start the services: %s", mftd_strerror(r));
}

static int
read_boot_id(char *out, size_t size)
{
	int fd, r = 0;
	ssize_t n;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = mftd_fd_pread_full(fd, out, size - 1, 0);
	if (n < 0)
		r = (int)n;
	else
		out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	mftd_fd_close(&fd);
	return r;
}

static int
join(struct mftd_coordinator *co)
{
	static const struct mftd_cluster_events events = { ev_quorum,
		ev_recover, ev_config, ev_restart, ev_changed };
	char boot_id[MFTD_ID_BYTES];
	struct mftd_cluster_conf cc = {
		.node = co->w->conf->node,
		.incarnation = co->w->incarnation,
		.boot_id = boot_id,
		.standalone = !co->w->conf->cluster,
		.lease_ms = co->w->conf->lease_ms,
	};
	int r = read_boot_id(boot_id, sizeof(boot_id));

	if (r == 0)
		r = mftd_cluster_open(
		    co->w->loop, &cc, co->w->lease, &events, co, &co->cluster);
	if (r < 0)
		log_error("cannot join the group: %s%s", mftd_strerror(r),
		    co->w->conf->cluster
			? " (does Corosync run, and may this user speak to "
			  "it: uidgid.d?)"
			: "");
	return r;
}

/* ---- end */

/* Until the group has heard it, or nobody is there to hear. */
static void
await_last_word(void *data)
{
	struct mftd_coordinator *co = data;

	if (mftd_cluster_settled(co->cluster) || mftd_clock_ms() >= co->end_ms)
		mftd_worker_stop(co->w);
	else
		mftd_worker_timer(
		    co->w, LAST_WORD_TICK_MS, await_last_word, co);
}

/* The parent stops the coordinator last: all workers are proven gone.  (On a
 * restart they are not, and HELLO of the next incarnation says it instead.) */
static void
last_word(struct mftd_coordinator *co)
{
	if (mftd_cluster_gone(co->cluster) < 0)
		return;
	co->end_ms = mftd_clock_ms() + LAST_WORD_MS;
	if (mftd_worker_timer(co->w, LAST_WORD_TICK_MS, await_last_word, co) ==
	    0)
		mftd_worker_run(co->w);
}

static int
on_session_yield(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	mftd_co_session_yield(data, m->data);
	return 0;
}

static const struct mftd_handler from_parent[] = {
	{ MFTD_MSG_SERVICE_STATE, on_service_state },
	{ 0, NULL },
};
static const struct mftd_handler from_catalog[] = {
	{ MFTD_MSG_CATALOG_STATE, on_catalog_state },
	{ MFTD_MSG_BACKLOG, on_backlog },
	{ 0, NULL },
};
static const struct mftd_handler from_journal[] = {
	{ MFTD_MSG_RECOVERED, on_recovered },
	{ MFTD_MSG_VOLUME_STATE, on_volume_state },
	{ MFTD_MSG_SESSION_YIELD, on_session_yield },
	{ 0, NULL },
};
static int
on_account_shut(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	mftd_co_account_shut(data, m->data);
	return 0;
}

static const struct mftd_handler from_auth[] = {
	{ MFTD_MSG_SESSION_OPEN, on_session_open },
	{ MFTD_MSG_ACCOUNT_SHUT, on_account_shut },
	{ MFTD_MSG_FAILURE, on_failure },
	{ 0, NULL },
};
static const struct mftd_handler from_listener[] = {
	{ MFTD_MSG_FAILURE, on_failure },
	{ MFTD_MSG_LISTENER_STATE, on_listener_state },
	{ 0, NULL },
};
static const struct mftd_handler from_session[] = {
	{ MFTD_MSG_SESSION_STAT, on_session_stat },
	{ 0, NULL },
};
static const struct mftd_handler from_outbound[] = {
	{ MFTD_MSG_OUTBOUND_STATE, on_outbound_state },
	{ 0, NULL },
};

static const struct mftd_link links[] = {
	{ MFTD_PROC_PARENT, from_parent, NULL, NULL },
	{ MFTD_PROC_CATALOG, from_catalog, catalog_up, catalog_down },
	{ MFTD_PROC_JOURNAL, from_journal, journal_up, journal_down },
	{ MFTD_PROC_AUTH, from_auth, NULL, NULL },
	{ MFTD_PROC_LISTENER, from_listener, listener_up, listener_down },
	{ MFTD_PROC_SESSION, from_session, NULL, session_down },
	{ MFTD_PROC_OUTBOUND, from_outbound, NULL, outbound_down },
};

void
mftd_coordinator_main(struct mftd_worker *w)
{
	struct mftd_coordinator *co = calloc(1, sizeof(*co));
	char path[512];

	if (co == NULL)
		exit(1);
	co->w = w;
	co->started_us = mftd_clock_wall_us();
	if (mftd_worker_init(w, links, sizeof(links) / sizeof(links[0]), co) <
	    0)
		exit(1);
	co->bans = mftd_co_bans_new(co);
	if (co->bans == NULL || join(co) < 0)
		exit(1);
	snprintf(path, sizeof(path), "%s/control.sock", w->conf->run_dir);
	if (mftd_control_open(
		w->loop, path, mftd_co_request, co, &co->control) < 0) {
		log_error("cannot listen on %s: %s", path, strerror(errno));
		exit(1);
	}
	mftd_worker_ready(w);
	if (!w->conf->cluster)
		start_own(co);
	mftd_worker_run(w);
	mftd_control_close(co->control);
	if (!co->restarting)
		last_word(co);
	mftd_cluster_close(co->cluster);
	mftd_co_bans_free(co->bans);
	free(co);
}
