/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/node/coordinator.h"

/* ---- how many an account may have: the group's order decides who is one too
 * many, so that two nodes cannot both let the last one in */

static void
give_word(struct mftd_coordinator *co, struct mftd_co_session *s, int err)
{
	struct mftd_msg_session_ready ready = { .err = err };

	s->waiting = false;
	if (err < 0)
		log_info("session=%s account=%s refused: %s", s->id, s->account,
		    err == -MFTD_E_LIMIT ? "too many sessions of this account"
					 : mftd_strerror(err));
	mftd_worker_send(
	    co->w, s->chan, MFTD_MSG_SESSION_READY, 0, &ready, sizeof(ready));
}

/* Whether s is done with: refused, and its row may not stand in the way of the
 * next one. */
static bool
decide(struct mftd_coordinator *co, struct mftd_co_session *s)
{
	int rank = mftd_cluster_session_rank(co->cluster, s->account, s->id);

	if (rank < 0)
		return false; /* not agreed yet */
	if ((uint32_t)rank < s->sessions_max) {
		give_word(co, s, 0);
		return false;
	}
	give_word(co, s, -MFTD_E_LIMIT);
	return true;
}

static void
let_in(struct mftd_coordinator *co)
{
	struct mftd_co_session *s, *next;

	for (s = co->sessions; s != NULL; s = next) {
		next = s->next;
		if (s->waiting && decide(co, s))
			mftd_worker_detach(co->w, s->chan);
	}
}

int
mftd_co_session_open(
    struct mftd_coordinator *co, const struct mftd_msg_session_open *so, int fd)
{
	struct mftd_cluster_session row = { .since_us = mftd_clock_wall_us() };
	struct mftd_co_session *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	snprintf(s->id, sizeof(s->id), "%s", so->session);
	snprintf(s->account, sizeof(s->account), "%s", so->account);
	s->sessions_max = so->policy.sessions_max;
	s->waiting = s->sessions_max != 0;
	s->chan =
	    mftd_worker_attach(co->w, fd, MFTD_PROC_SESSION, so->session, s);
	if (s->chan == NULL) {
		free(s);
		return -ENOMEM;
	}
	s->next = co->sessions;
	co->sessions = s;
	snprintf(row.id, sizeof(row.id), "%s", so->session);
	snprintf(row.account, sizeof(row.account), "%s", so->account);
	snprintf(row.peer, sizeof(row.peer), "%s", so->peer);
	/* a full queue must not cost the channel to auth, nor a session whose
	 * account has no bound */
	r = mftd_cluster_session_add(co->cluster, &row);
	if (r < 0)
		log_warn("session=%s is not shown to the group: %s", row.id,
		    mftd_strerror(r));
	if (r < 0 && s->waiting)
		give_word(co, s, r);
	return 0;
}

void
mftd_co_session_down(struct mftd_coordinator *co, struct mftd_chan *c)
{
	struct mftd_co_session *s = mftd_chan_data(c), **at = &co->sessions;

	if (co->cluster != NULL)
		mftd_cluster_session_del(co->cluster, mftd_chan_instance(c));
	while (*at != NULL && *at != s)
		at = &(*at)->next;
	if (*at != NULL)
		*at = s->next;
	free(s);
}

/* ---- whom the group wants ended */

static void
end_session(
    struct mftd_coordinator *co, struct mftd_co_session *s, const char *why)
{
	struct mftd_msg_session_end end = { 0 };

	if (s->ending)
		return;
	s->ending = true;
	snprintf(end.reason, sizeof(end.reason), "%s", why);
	log_info("session=%s account=%s is to end: %s", s->id, s->account, why);
	mftd_worker_send(
	    co->w, s->chan, MFTD_MSG_SESSION_END, 0, &end, sizeof(end));
}

void
mftd_co_account_shut(
    struct mftd_coordinator *co, const struct mftd_msg_account_shut *m)
{
	struct mftd_co_session *s;

	for (s = co->sessions; s != NULL; s = s->next)
		if (strcmp(s->account, m->account) == 0)
			end_session(co, s, m->reason);
}

/* A session's row in the group, and whether it is that account's. */
struct sought {
	const struct mftd_msg_session_yield *m;
	bool found;
};

static int
seek(void *data, const char *node, const struct mftd_cluster_session *row)
{
	struct sought *k = data;

	k->found |= strcmp(row->id, k->m->session) == 0 &&
	    strcmp(row->account, k->m->account) == 0;
	return 0;
}

void
mftd_co_session_yield(
    struct mftd_coordinator *co, const struct mftd_msg_session_yield *m)
{
	struct sought k = { .m = m };
	int r = -ENOENT;

	mftd_cluster_sessions(co->cluster, seek, &k);
	if (k.found)
		r = mftd_cluster_session_end(
		    co->cluster, m->session, "its upload is gone on with");
	if (r < 0)
		log_info("session=%s account=%s cannot be asked to end: %s",
		    m->session, m->account, mftd_strerror(r));
}

static int
end_one(void *data, const char *node, const struct mftd_cluster_session *row)
{
	struct mftd_coordinator *co = data;
	struct mftd_co_session *s = co->sessions;

	if (row->end[0] == '\0')
		return 0;
	while (s != NULL && strcmp(s->id, row->id) != 0)
		s = s->next;
	if (s != NULL) /* else another node's */
		end_session(co, s, row->end);
	return 0;
}

void
mftd_co_sessions_look(struct mftd_coordinator *co)
{
	let_in(co);
	mftd_cluster_sessions(co->cluster, end_one, co);
}

/* ---- control */

static int
add_row(void *data, const char *node, const struct mftd_cluster_session *s)
{
	return json_array_append_new(data,
	    json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "id", s->id, "node",
		node, "account", s->account, "peer", s->peer, "since_us",
		(json_int_t)s->since_us, "end", s->end));
}

json_t *
mftd_co_cmd_session(struct mftd_coordinator *co, uint64_t client, json_t *req)
{
	const char *action = json_string_value(json_object_get(req, "action"));
	const char *id = json_string_value(json_object_get(req, "id"));
	json_t *list;
	int r;

	if (action != NULL && strcmp(action, "list") == 0) {
		list = json_array();
		mftd_cluster_sessions(co->cluster, add_row, list);
		return json_pack("{s:b, s:o}", "ok", 1, "sessions", list);
	}
	if (action == NULL || strcmp(action, "end") != 0 || id == NULL)
		return json_pack("{s:b, s:s}", "ok", 0, "reason",
		    "session: only list, and end with an id");
	r = mftd_id_valid(id)
	    ? mftd_cluster_session_end(co->cluster, id, "ended by hand")
	    : -ENOENT;
	if (r < 0)
		return json_pack("{s:b, s:s}", "ok", 0, "reason",
		    r == -ENOENT ? "no session of that id" : mftd_strerror(r));
	return json_pack("{s:b}", "ok", 1);
}
