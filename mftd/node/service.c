/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/lock.h"
#include "mftd/base/log.h"
#include "mftd/conf/place.h"
#include "mftd/node/parent.h"

#define GRACE_MS 8000 /* from STOP to SIGKILL */
#define REBIRTH_GRACE_MS 1500 /* the same when the coordinator is gone */
#define QUICK_MS 10000 /* a worker that ends sooner is restarted slower */
#define QUICK_MAX 8 /* and this many times */

static const char *const role_words[] = { "stopped", "started", "promoted" };

static const char *
service_name(const struct mftd_svc *s)
{
	static const char *const names[] = { "inbound", "outbound" };

	return names[s->kind];
}

static void
lock_path(
    const struct mftd_parent *p, const struct mftd_svc *s, char *out, size_t n)
{
	snprintf(out, n, "%s/%s%s%s.lock", p->conf->run_dir, service_name(s),
	    s->queue[0] != '\0' ? "-" : "", s->queue);
}

struct mftd_child *
mftd_parent_coordinator(struct mftd_parent *p)
{
	struct mftd_child *ch;

	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++)
		if (ch->pid > 0 && ch->kind->proc == MFTD_PROC_COORDINATOR)
			return ch;
	return NULL;
}

void
mftd_service_tell(
    struct mftd_parent *p, struct mftd_svc *s, int err, uint64_t ref)
{
	struct mftd_child *co = mftd_parent_coordinator(p);
	struct mftd_msg_service_state st = {
		.service = s->kind,
		.role = s->now,
		.err = err,
		.restarts = s->restarts,
		.killed = s->killed,
	};
	struct mftd_child *ch;

	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++)
		if (ch->pid > 0 && ch->service == s - p->services) {
			st.workers++;
			st.ready += ch->ready;
		}
	snprintf(st.queue, sizeof(st.queue), "%s", s->queue);
	snprintf(st.reason, sizeof(st.reason), "%s", s->reason);
	if (co != NULL && co->chan != NULL)
		mftd_chan_send(co->chan, MFTD_MSG_SERVICE_STATE, ref, &st,
		    sizeof(st), NULL, 0);
}

/* The one place where a service's role changes. */
static void
set_now(struct mftd_parent *p, struct mftd_svc *s, enum mftd_role role)
{
	char word[16];

	if (s->now != role)
		log_info("service %s%s%s: %s -> %s", service_name(s),
		    s->queue[0] != '\0' ? " " : "", s->queue,
		    role_words[s->now], role_words[role]);
	s->now = role;
	if (s->lock_fd < 0)
		return;
	snprintf(word, sizeof(word), "%s\n", role_words[role]);
	if (mftd_lock_write(s->lock_fd, role == MFTD_ROLE_STOPPED ? "" : word) <
	    0)
		log_warn("cannot write the lock file of %s", service_name(s));
}

static void
answer(struct mftd_parent *p, struct mftd_svc *s, int err)
{
	uint64_t ref = s->ref;

	s->ref = 0;
	mftd_service_tell(p, s, err, ref);
}

static struct mftd_svc *
find_service(struct mftd_parent *p, enum mftd_service kind, const char *queue)
{
	int i;

	for (i = 0; i < p->n_services; i++)
		if (p->services[i].kind == kind &&
		    strcmp(p->services[i].queue, queue) == 0)
			return &p->services[i];
	return NULL;
}

static struct mftd_svc *
add_service(struct mftd_parent *p, enum mftd_service kind, const char *queue)
{
	struct mftd_svc *s;

	if (p->n_services == MFTD_SERVICES_MAX)
		return NULL;
	s = &p->services[p->n_services++];
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	snprintf(s->queue, sizeof(s->queue), "%s", queue);
	s->lock_fd = -1;
	s->settled = true;
	return s;
}

/* A service that was never started is stopped already. */
static void
answer_unknown(
    struct mftd_parent *p, const struct mftd_msg_service_set *set, uint64_t ref)
{
	struct mftd_child *co = mftd_parent_coordinator(p);
	struct mftd_msg_service_state st = {
		.service = set->service,
		.role = MFTD_ROLE_STOPPED,
	};

	snprintf(st.queue, sizeof(st.queue), "%s", set->queue);
	if (co != NULL && co->chan != NULL)
		mftd_chan_send(co->chan, MFTD_MSG_SERVICE_STATE, ref, &st,
		    sizeof(st), NULL, 0);
}

int
mftd_service_set(
    struct mftd_parent *p, const struct mftd_msg_service_set *set, uint64_t ref)
{
	struct mftd_svc *s;

	if (set->service >= MFTD_SERVICE_COUNT ||
	    set->role > MFTD_ROLE_PROMOTED)
		return -MFTD_E_PROTOCOL;
	s = find_service(p, (enum mftd_service)set->service, set->queue);
	if (s == NULL && set->role == MFTD_ROLE_STOPPED) {
		answer_unknown(p, set, ref);
		return 0;
	}
	if (s == NULL)
		s = add_service(p, (enum mftd_service)set->service, set->queue);
	if (s == NULL)
		return -MFTD_E_LIMIT;
	if (s->ref != 0)
		answer(p, s, -ECANCELED); /* a newer wish replaces it */
	if (s->wanted != (enum mftd_role)set->role) {
		s->wanted = (enum mftd_role)set->role;
		s->reason[0] = '\0';
	}
	if (s->wanted != MFTD_ROLE_STOPPED)
		p->served = true;
	s->settled = false;
	s->ref = ref;
	s->deadline_ms = mftd_clock_ms() + set->deadline_ms;
	return 0;
}

/* ---- workers of a service */

/* What is wanted of it: the node's place is served while its inbound is. */
static enum mftd_role
wish_of(const struct mftd_parent *p, const struct mftd_svc *s)
{
	const struct mftd_svc *in;

	if (mftd_place_node(s->queue) == NULL)
		return s->wanted;
	for (in = p->services; in < p->services + p->n_services; in++)
		if (in->kind == MFTD_SERVICE_INBOUND &&
		    in->wanted != MFTD_ROLE_STOPPED &&
		    in->now != MFTD_ROLE_STOPPED)
			return s->wanted;
	return MFTD_ROLE_STOPPED;
}

static enum mftd_role
effective(const struct mftd_parent *p, const struct mftd_svc *s)
{
	return p->ending || p->rebirth ? MFTD_ROLE_STOPPED : wish_of(p, s);
}

static struct mftd_child *
find_child(
    struct mftd_parent *p, const struct mftd_kind *k, const char *instance)
{
	struct mftd_child *ch, *free_slot = NULL;

	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++) {
		if (ch->kind == k && strcmp(ch->instance, instance) == 0)
			return ch;
		if (ch->kind == NULL && free_slot == NULL)
			free_slot = ch;
	}
	if (free_slot == NULL)
		return NULL;
	memset(free_slot, 0, sizeof(*free_slot));
	free_slot->kind = k;
	free_slot->service = -1;
	snprintf(
	    free_slot->instance, sizeof(free_slot->instance), "%s", instance);
	return free_slot;
}

/* Starts the worker if it is due.  Whether it is ready. */
static bool
ensure(struct mftd_parent *p, int service, const struct mftd_kind *k,
    const char *instance)
{
	struct mftd_child *ch = find_child(p, k, instance);
	int r;

	if (ch == NULL)
		return false;
	ch->service = service;
	if (ch->pid > 0)
		return ch->ready && !ch->stopping;
	if (mftd_clock_ms() < ch->restart_ms)
		return false;
	r = mftd_spawn(p, ch);
	if (r < 0) {
		log_error("cannot start %s: %s", mftd_proc_name(k->proc),
		    mftd_strerror(r));
		ch->restart_ms = mftd_clock_ms() + 1000;
	}
	return false;
}

/* All workers of the kind, for service s (or the node: -1).  Whether all are
 * ready. */
static bool
ensure_kind(struct mftd_parent *p, int service, const struct mftd_kind *k)
{
	bool ready = true;
	size_t i;

	switch (k->each) {
	case MFTD_EACH_ONE:
		return ensure(p, service, k, "");
	case MFTD_EACH_QUEUE:
		return ensure(p, service, k, p->services[service].queue);
	case MFTD_EACH_DEFAULT:
		return strcmp(p->services[service].queue, "default") != 0 ||
		    ensure(p, service, k, "default");
	case MFTD_EACH_VOLUME:
		for (i = 0; i < p->conf->n_volumes; i++)
			ready &=
			    ensure(p, service, k, p->conf->volumes[i].name);
		return ready;
	}
	return false;
}

/* Starts what role needs, stage by stage.  Whether everything is ready. */
static bool
bring_up(struct mftd_parent *p, int service, int kind, enum mftd_role role)
{
	const struct mftd_kind *k;
	bool ready = true;
	int stage;

	for (stage = 0; stage < 4 && ready; stage++)
		for (k = mftd_kinds; k->main != NULL; k++)
			if (k->service == kind && k->stage == stage &&
			    k->role <= role)
				ready &= ensure_kind(p, service, k);
	return ready;
}

/* Stops what runs above role (enum mftd_role; -1: all), the last stage first.
 * Whether all is gone. */
static bool
bring_down(struct mftd_parent *p, int service, int role)
{
	struct mftd_child *ch;
	int grace = p->rebirth ? REBIRTH_GRACE_MS : GRACE_MS;
	int stage;
	bool alive = false;

	for (stage = 3; stage >= 0 && !alive; stage--)
		for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX;
		     ch++) {
			if (ch->kind == NULL || ch->service != service ||
			    (int)ch->kind->role <= role ||
			    ch->kind->stage != stage)
				continue;
			if (ch->pid > 0) {
				mftd_child_stop(ch, grace);
				alive = true;
			} else {
				ch->kind = NULL; /* no restart any more */
			}
		}
	return !alive;
}

/* ---- what is next for a service */

/* A fresh description can take the lock only when every process that inherited
 * the old one is gone: that is the proof.  0, or -EAGAIN. */
static int
prove_gone(struct mftd_parent *p, struct mftd_svc *s)
{
	char path[256];
	int r;

	if (!s->proving)
		return 0;
	if (s->kind == MFTD_SERVICE_INBOUND)
		mftd_orphans_kill(p); /* sessions without a listener */
	mftd_fd_close(&s->lock_fd);
	lock_path(p, s, path, sizeof(path));
	r = mftd_lock_take(path);
	if (r < 0)
		return -EAGAIN;
	s->lock_fd = r;
	s->proving = false;
	return 0;
}

static int
take_lock(struct mftd_parent *p, struct mftd_svc *s)
{
	char path[256];
	int r;

	if (s->lock_fd >= 0)
		return 0;
	lock_path(p, s, path, sizeof(path));
	r = mftd_lock_take(path);
	if (r == -EAGAIN)
		snprintf(s->reason, sizeof(s->reason),
		    "workers of an earlier start still hold %s", path);
	if (r < 0)
		return r;
	s->lock_fd = r;
	return 0;
}

/* Nobody listens any more: the port refuses, though it stays ours (shutdown of
 * a listening socket takes it back to bound; Linux, tcp(7)). */
static void
stop_listening(struct mftd_parent *p)
{
	int i;

	for (i = 0; i < p->n_listen; i++)
		shutdown(p->listen_fds[i], SHUT_RDWR);
}

/* Whether nothing of the node's place is left.  Else what Pacemaker takes away
 * behind a stopped inbound, storage and addresses, would still be in use. */
static bool
place_gone(const struct mftd_parent *p)
{
	const struct mftd_svc *s;

	for (s = p->services; s < p->services + p->n_services; s++)
		if (mftd_place_node(s->queue) != NULL &&
		    (s->lock_fd >= 0 || s->proving))
			return false;
	return true;
}

/* One step towards role.  1: there; 0: under way; negative: it failed. */
static int
step(struct mftd_parent *p, struct mftd_svc *s, enum mftd_role role)
{
	int index = (int)(s - p->services);

	if (role < s->now)
		s->proving = true;
	if (s->kind == MFTD_SERVICE_INBOUND && role == MFTD_ROLE_STOPPED &&
	    !place_gone(p))
		return 0;
	if (!bring_down(p, index, role))
		return 0;
	if (s->proving && prove_gone(p, s) < 0)
		return 0;
	if (role == MFTD_ROLE_STOPPED) {
		if (s->kind == MFTD_SERVICE_INBOUND && s->lock_fd >= 0)
			stop_listening(p);
		set_now(p, s, role);
		mftd_fd_close(&s->lock_fd);
		return 1;
	}
	if (take_lock(p, s) < 0)
		return 0;
	if (role == MFTD_ROLE_PROMOTED && s->now != MFTD_ROLE_PROMOTED)
		set_now(p, s, role); /* the word stands before the deed */
	if (!bring_up(p, index, s->kind, role))
		return 0;
	set_now(p, s, role);
	return 1;
}

/*
 * A stop came to its deadline: what is left of inbound is killed, and may hang
 * in its storage for as long as that does.  Whether each of its processes has
 * SIGKILL pending: sessions are ours to be killed once their listener is gone.
 * Of outbound it would not do, which must be gone.
 */
static bool
kill_rest(struct mftd_parent *p, const struct mftd_svc *s)
{
	struct mftd_child *ch;
	bool listens = false;

	if (s->kind != MFTD_SERVICE_INBOUND || !place_gone(p))
		return false;
	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++) {
		if (ch->pid <= 0 || ch->service != (int)(s - p->services))
			continue;
		ch->stopping = true;
		kill(ch->pid, SIGKILL);
		listens |= ch->kind->proc == MFTD_PROC_LISTENER;
	}
	return mftd_orphans_kill(p) >= 0 && !listens;
}

/* Why a role was not there in time, unless more is known: for an administrator,
 * so with whom to look for. */
static void
explain_late(const struct mftd_parent *p, struct mftd_svc *s)
{
	const struct mftd_child *ch;
	size_t len;

	if (s->reason[0] != '\0')
		return;
	if (s->proving) {
		snprintf(s->reason, sizeof(s->reason),
		    "workers are left: they do not end");
		return;
	}
	snprintf(s->reason, sizeof(s->reason), "not %s within its deadline",
	    role_words[s->wanted]);
	len = strlen(s->reason);
	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++)
		if (ch->pid > 0 && !ch->ready &&
		    ch->service == (int)(s - p->services))
			snprintf(s->reason + len, sizeof(s->reason) - len,
			    ": %s is not ready",
			    mftd_proc_name(ch->kind->proc));
}

static void
advance(struct mftd_parent *p, struct mftd_svc *s)
{
	enum mftd_role role = effective(p, s);
	bool was = s->settled;
	int r = step(p, s, role);

	if (r == 1) {
		s->settled = true;
		if (s->ref != 0 && role == s->wanted)
			answer(p, s, 0);
		else if (!was)
			mftd_service_tell(p, s, 0, 0);
	} else if (s->ref != 0 && mftd_clock_ms() >= s->deadline_ms) {
		s->killed = role == MFTD_ROLE_STOPPED && kill_rest(p, s);
		explain_late(p, s);
		answer(p, s, -ETIMEDOUT);
		s->killed = false;
	}
}

/* The node's own workers.  Whether services may be brought up. */
static bool
advance_node(struct mftd_parent *p)
{
	if (!p->ending && !p->rebirth)
		return bring_up(p, -1, -1, MFTD_ROLE_STOPPED);
	if (mftd_services_gone(p))
		bring_down(p, -1, -1);
	return false;
}

void
mftd_services_advance(struct mftd_parent *p)
{
	bool any = false, up = advance_node(p);
	int i;

	for (i = 0; i < p->n_services; i++) {
		if (up || p->ending || p->rebirth)
			advance(p, &p->services[i]);
		any |= wish_of(p, &p->services[i]) != MFTD_ROLE_STOPPED ||
		    !p->services[i].settled;
	}
	/* the daemon lives while any service is started */
	if (p->conf->cluster && p->served && !any && !p->ending) {
		log_info("the last service is stopped: ending");
		p->ending = true;
	}
}

bool
mftd_services_gone(const struct mftd_parent *p)
{
	int i;

	for (i = 0; i < p->n_services; i++)
		if (p->services[i].lock_fd >= 0 || p->services[i].proving)
			return false;
	return true;
}

void
mftd_service_worker_lost(struct mftd_parent *p, struct mftd_child *ch)
{
	struct mftd_svc *s =
	    ch->service >= 0 ? &p->services[ch->service] : NULL;
	int64_t now = mftd_clock_ms();
	int wait;

	ch->quick = now - ch->started_ms < QUICK_MS ? ch->quick + 1 : 0;
	wait = ch->quick <= 1 ? 0 : 250 << (ch->quick < 6 ? ch->quick : 6);
	ch->restart_ms = now + wait;
	if (s == NULL)
		return;
	s->restarts++;
	s->settled = false;
	if (ch->quick >= QUICK_MAX) {
		snprintf(s->reason, sizeof(s->reason),
		    "%s %s ended %u times in a row: see the log",
		    mftd_proc_name(ch->kind->proc), ch->instance, ch->quick);
		log_error("service %s: %s", service_name(s), s->reason);
	}
	mftd_service_tell(p, s, 0, 0);
}
