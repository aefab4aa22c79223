/* Part of mftd; see LICENSE. */
#include "mftd/inbound/auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/catalog/account_policy.h"
#include "mftd/catalog/catalog.h"
#include "mftd/inbound/accounts.h"
#include "mftd/inbound/cert.h"
#include "mftd/inbound/checks.h"
#include "mftd/inbound/held.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/ipc/worker.h"

/* A session itself ends after login_tries refusals, at most 100; one that asks
 * more often than this is none of ours. */
#define ASKED_MAX 200
#define TICK_MS 10000 /* looks for accounts that have expired */

struct auth {
	struct mftd_worker *w;
	struct mftd_objects *objects; /* of the last good snapshot, or NULL */
	struct mftd_chan *coordinator;
	struct mftd_chan *journals[MFTD_VOLUMES_MAX];
	struct mftd_checks *checks;
	struct mftd_held *held; /* questions from before the first snapshot */
	int64_t looked_s; /* since the epoch, for accounts that expire */
};

/* A session that is not logged in yet. */
struct client {
	struct auth *auth;
	struct mftd_chan *chan;
	char session[MFTD_ID_BYTES];
	char peer[MFTD_ADDR_BYTES];
	char source[MFTD_ADDR_BYTES]; /* peer without its port */
	char user[MFTD_NAME_BYTES]; /* of the password check under way */
	uint64_t ref;
	int asked;
	bool checking, dummy, granted;
	int64_t hold_ms; /* until then it waits for the first snapshot */
	char proven[MFTD_NAME_BYTES]; /* user whose key was, and who needs a
					 password too; "" */
};

static void on_tick(void *data);

static void
tick(struct auth *a)
{
	if (mftd_worker_timer(a->w, TICK_MS, on_tick, a) < 0)
		log_error("no timer: sessions of accounts that expire go on");
}

/* ---- answers */

/* A refused password; queries of keys are no failures, agents hold many. */
static void
report(struct client *c, uint32_t kind)
{
	struct mftd_msg_failure f = { .kind = kind };

	snprintf(f.peer, sizeof(f.peer), "%s", c->peer);
	if (c->auth->coordinator != NULL)
		mftd_worker_send(c->auth->w, c->auth->coordinator,
		    MFTD_MSG_FAILURE, 0, &f, sizeof(f));
}

static void
refuse(struct client *c, uint64_t ref, const char *user, const char *method,
    const char *reason)
{
	struct mftd_msg_auth_result r = { 0 };

	snprintf(r.reason, sizeof(r.reason), "%s", reason);
	log_info("session=%s user=%s peer=%s %s refused: %s", c->session, user,
	    c->peer, method, reason);
	if (strcmp(method, "password") == 0 &&
	    strncmp(reason, "temporary", 9) != 0)
		report(c, MFTD_FAILURE_PASSWORD);
	mftd_worker_send(
	    c->auth->w, c->chan, MFTD_MSG_AUTH_RESULT, ref, &r, sizeof(r));
}

static struct mftd_chan *
journal_of(const struct auth *a, const char *volume)
{
	size_t i;

	for (i = 0; i < MFTD_VOLUMES_MAX; i++)
		if (a->journals[i] != NULL &&
		    strcmp(mftd_chan_instance(a->journals[i]), volume) == 0)
			return a->journals[i];
	return NULL;
}

static void
fill_open(struct mftd_msg_session_open *o, const struct client *c,
    const struct mftd_account *a)
{
	memset(o, 0, sizeof(*o));
	snprintf(o->session, sizeof(o->session), "%s", c->session);
	snprintf(o->account, sizeof(o->account), "%s", a->name);
	snprintf(o->volume, sizeof(o->volume), "%s", a->volume);
	snprintf(o->root, sizeof(o->root), "%s", a->root);
	snprintf(o->peer, sizeof(o->peer), "%s", c->peer);
}

/* Gives journal and coordinator their ends, and the session the others. */
static int
introduce(struct client *c, uint64_t ref, const struct mftd_account *a,
    struct mftd_chan *journal)
{
	struct mftd_worker *w = c->auth->w;
	struct mftd_msg_auth_result res = { .ok = 1 };
	struct mftd_msg_session_open open;
	int j[2] = { -1, -1 }, k[2] = { -1, -1 }, given[2], r;

	r = mftd_chan_pair(j);
	if (r == 0)
		r = mftd_chan_pair(k);
	if (r < 0)
		goto out;
	fill_open(&open, c, a);
	r = mftd_account_policy(a, &open.policy);
	if (r < 0) {
		log_error("account=%s: no group %s here", a->name, a->group);
		goto out;
	}
	res.policy = open.policy;
	snprintf(res.account, sizeof(res.account), "%s", a->name);
	snprintf(res.volume, sizeof(res.volume), "%s", a->volume);
	given[0] = j[1];
	given[1] = k[1];
	r = mftd_worker_send_fds(w, journal, MFTD_MSG_SESSION_OPEN, 0, &open,
	    sizeof(open), &j[0], 1);
	if (r == 0)
		r = mftd_worker_send_fds(w, c->auth->coordinator,
		    MFTD_MSG_SESSION_OPEN, 0, &open, sizeof(open), &k[0], 1);
	if (r == 0)
		r = mftd_worker_send_fds(w, c->chan, MFTD_MSG_AUTH_RESULT, ref,
		    &res, sizeof(res), given, 2);
out:
	mftd_fd_close(&j[0]);
	mftd_fd_close(&j[1]);
	mftd_fd_close(&k[0]);
	mftd_fd_close(&k[1]);
	return r;
}

static void
grant(struct client *c, uint64_t ref, const struct mftd_account *a,
    const char *method)
{
	struct mftd_chan *journal = journal_of(c->auth, a->volume);
	int r;

	if (journal == NULL || c->auth->coordinator == NULL) {
		refuse(c, ref, a->name, method,
		    journal == NULL ? "temporary: no journal of its volume"
				    : "temporary: no coordinator");
		return;
	}
	r = introduce(c, ref, a, journal);
	if (r < 0) {
		log_error("session=%s: %s", c->session, mftd_strerror(r));
		refuse(c, ref, a->name, method, "temporary: no channels");
		return;
	}
	c->granted = true;
	log_info("session=%s account=%s peer=%s %s accepted", c->session,
	    a->name, c->peer, method);
}

/* ---- questions of sessions */

/* Whether c may ask now; else its channel is given up. */
static int
admit(struct client *c)
{
	if (c->granted || c->checking || ++c->asked > ASKED_MAX)
		return -MFTD_E_PROTOCOL;
	return 0;
}

/* Another user name begins anew. */
static void
forget_other(struct client *c, const char *user)
{
	if (strcmp(c->proven, user) != 0)
		c->proven[0] = '\0';
}

/* Why nobody is let in as an account that is not there. */
static const char *
unknown(const struct client *c)
{
	/* not held against anybody (refuse) */
	return c->auth->objects == NULL ? "temporary: no accounts are known yet"
					: "no such account";
}

/* Why the key does not let user in, or NULL. */
static const char *
key_fault(const struct client *c, const struct mftd_account *a,
    const struct mftd_msg_auth_key *k)
{
	int64_t now_s = mftd_clock_wall_us() / 1000000;
	const char *fault;

	if (a == NULL)
		return unknown(c);
	if (mftd_cert_is(k->key, k->key_bytes)) {
		fault = mftd_account_cert_fault(
		    a, k->key, k->key_bytes, c->source, now_s);
		if (fault != NULL)
			return fault;
	} else if (!mftd_account_has_key(a, k->key, k->key_bytes)) {
		return "not one of its keys";
	}
	if (!mftd_account_takes_key(a))
		return "no method of this account";
	return mftd_account_fault(a, c->source, now_s);
}

static int
on_key(struct mftd_chan *chan, const struct mftd_msg *m)
{
	struct client *c = mftd_chan_data(chan);
	const struct mftd_msg_auth_key *k = m->data;
	struct mftd_msg_auth_result res = { .ok = 2 };
	const struct mftd_account *a;
	const char *fault;

	if (k->key_bytes > sizeof(k->key) || admit(c) < 0)
		return -MFTD_E_PROTOCOL;
	forget_other(c, k->user);
	a = mftd_accounts_find(c->auth->objects, k->user);
	fault = key_fault(c, a, k);
	if (fault != NULL) {
		refuse(c, m->ref, k->user, "publickey", fault);
		return 0;
	}
	if (k->proven && !mftd_account_needs_both(a)) {
		grant(c, m->ref, a, "publickey");
		return 0;
	}
	if (k->proven) {
		snprintf(c->proven, sizeof(c->proven), "%s", k->user);
		res.ok = 3;
	}
	mftd_worker_send(
	    c->auth->w, chan, MFTD_MSG_AUTH_RESULT, m->ref, &res, sizeof(res));
	return 0;
}

/* Whether a password may let this client in as a. */
static bool
may_try(const struct client *c, const struct mftd_account *a)
{
	return a != NULL && mftd_account_takes_password(a) &&
	    (!mftd_account_needs_both(a) || strcmp(c->proven, a->name) == 0);
}

/* Why the password does not let user in, or NULL; all but its check. */
static const char *
password_fault(const struct client *c, const struct mftd_account *a)
{
	if (a == NULL)
		return unknown(c);
	if (!may_try(c, a))
		return "no method of this account, or not yet";
	if (c->dummy || a->password_hash == NULL)
		return "has no password";
	return mftd_account_fault(a, c->source, mftd_clock_wall_us() / 1000000);
}

static void
on_checked(void *data, bool ok)
{
	struct client *c = data;
	const struct mftd_account *a;
	const char *fault;

	c->checking = false;
	/* the objects may have changed meanwhile */
	a = mftd_accounts_find(c->auth->objects, c->user);
	fault = password_fault(c, a);
	if (fault == NULL && !ok)
		fault = "wrong password";
	if (fault != NULL)
		refuse(c, c->ref, c->user, "password", fault);
	else
		grant(c, c->ref, a, "password");
}

/* Every password costs a check, whoever it is for and whether or not it could
 * let anybody in: the time tells nothing. */
static int
on_password(struct mftd_chan *chan, const struct mftd_msg *m)
{
	struct client *c = mftd_chan_data(chan);
	const struct mftd_msg_auth_password *p = m->data;
	const struct mftd_account *a;
	const char *hash;
	int r;

	if (admit(c) < 0)
		return -MFTD_E_PROTOCOL;
	forget_other(c, p->after_key != 0 ? p->user : "");
	snprintf(c->user, sizeof(c->user), "%s", p->user);
	c->ref = m->ref;
	a = mftd_accounts_find(c->auth->objects, p->user);
	hash = mftd_account_hash(may_try(c, a) ? a : NULL, &c->dummy);
	r = mftd_checks_add(
	    c->auth->checks, c->source, p->password, hash, on_checked, c);
	if (r < 0)
		refuse(c, m->ref, c->user, "password",
		    r == -ENOBUFS ? "temporary: too many password checks wait"
				  : mftd_strerror(r));
	else
		c->checking = true;
	return 0;
}

static void on_held_long(void *data);

/* Before the first snapshot nobody is known, and nobody is refused for that:
 * the session waits, but not for its whole login grace: that would be held
 * against its client. */
static int
on_question(void *data, struct mftd_chan *chan, struct mftd_msg *m)
{
	struct auth *a = data;
	const struct client *c = mftd_chan_data(chan);
	int left = mftd_clock_left_ms(c->hold_ms);

	if (a->objects == NULL && left > 0 &&
	    mftd_worker_timer(a->w, left, on_held_long, a) == 0)
		return mftd_held_add(a->held, chan, m);
	return m->type == MFTD_MSG_AUTH_KEY ? on_key(chan, m)
					    : on_password(chan, m);
}

static void
answer_held(void *data, struct mftd_chan *chan, struct mftd_msg *m)
{
	struct auth *a = data;

	if (on_question(a, chan, m) < 0)
		mftd_worker_detach(a->w, chan);
}

static void
on_held_long(void *data)
{
	struct auth *a = data;

	mftd_held_answer(a->held, answer_held, a);
}

static void
on_session_gone(void *data, struct mftd_chan *chan)
{
	struct client *c = mftd_chan_data(chan);

	mftd_held_drop(c->auth->held, chan);
	mftd_checks_cancel(c->auth->checks, c);
	free(c);
}

/* ---- the other peers */

static int
on_session_new(void *data, struct mftd_chan *chan, struct mftd_msg *m)
{
	struct auth *a = data;
	const struct mftd_msg_session_new *n = m->data;
	struct client *c = calloc(1, sizeof(*c));
	char *colon;

	if (c == NULL)
		return 0; /* the session sees its channel close */
	c->auth = a;
	c->hold_ms = mftd_clock_ms() + a->w->conf->login_grace_s * 500LL;
	snprintf(c->session, sizeof(c->session), "%s", n->session);
	snprintf(c->peer, sizeof(c->peer), "%s", n->peer);
	snprintf(c->source, sizeof(c->source), "%s", n->peer);
	colon = strrchr(c->source, ':');
	if (colon != NULL)
		*colon = '\0';
	c->chan = mftd_worker_attach(
	    a->w, m->fds[0], MFTD_PROC_SESSION, n->session, c);
	if (c->chan == NULL) {
		free(c);
		return 0;
	}
	m->fds[0] = -1;
	return 0;
}

static void
tell_shut(void *data, const char *account, const char *why)
{
	struct auth *a = data;
	struct mftd_msg_account_shut m = { 0 };

	snprintf(m.account, sizeof(m.account), "%s", account);
	snprintf(m.reason, sizeof(m.reason), "the account: %s", why);
	mftd_worker_send(
	    a->w, a->coordinator, MFTD_MSG_ACCOUNT_SHUT, 0, &m, sizeof(m));
}

/* Has the sessions ended whose accounts were shut since the last look; now: the
 * objects from now on. */
static void
look_for_shut(struct auth *a, const struct mftd_objects *now)
{
	int64_t now_s = mftd_clock_wall_us() / 1000000;

	if (a->objects != NULL && a->coordinator != NULL)
		mftd_accounts_newly_shut(
		    a->objects, a->looked_s, now, now_s, tell_shut, a);
	a->looked_s = now_s;
}

static void
on_tick(void *data)
{
	struct auth *a = data;

	if (a->objects != NULL)
		look_for_shut(a, a->objects);
	tick(a);
}

/* Reads the accounts from a snapshot. */
static int
load(struct auth *a, const char *path)
{
	char uri[MFTD_PATH_BYTES + 8];
	struct mftd_catalog *cat = NULL;
	struct mftd_objects *o = NULL;
	int r;

	snprintf(uri, sizeof(uri), "sqlite:%s", path);
	r = mftd_catalog_open(uri, "mftd/auth", &cat);
	if (r == 0)
		r = mftd_catalog_load(cat, &o);
	if (r == 0) {
		look_for_shut(a, o);
		mftd_objects_free(a->objects);
		a->objects = o;
		log_info("accounts: %zu, of configuration %llu", o->n_accounts,
		    (unsigned long long)o->version);
		mftd_held_answer(a->held, answer_held, a);
	}
	if (cat != NULL)
		mftd_catalog_close(cat);
	return r;
}

/* The last good one, at the start: the catalog's process may be waiting for a
 * database, and says nothing meanwhile. */
static void
load_last(struct auth *a)
{
	char path[MFTD_PATH_BYTES];
	int r;

	snprintf(path, sizeof(path), "%s/" MFTD_CATALOG_SNAPSHOT,
	    a->w->conf->state_dir);
	r = load(a, path);
	if (r < 0) /* there is none yet, or it is an older program's */
		log_info("snapshot %s: %s", path, mftd_strerror(r));
}

static int
on_snapshot(void *data, struct mftd_chan *chan, struct mftd_msg *m)
{
	struct auth *a = data;
	const struct mftd_msg_snapshot *s = m->data;
	int r = load(a, s->path);

	(void)chan;
	if (r < 0)
		log_error("snapshot %s: %s%s", s->path, mftd_strerror(r),
		    a->objects != NULL ? "; the last good one stays" : "");
	return 0;
}

static void
coordinator_up(void *data, struct mftd_chan *chan)
{
	((struct auth *)data)->coordinator = chan;
}

static void
coordinator_down(void *data, struct mftd_chan *chan)
{
	struct auth *a = data;

	if (a->coordinator == chan)
		a->coordinator = NULL;
}

static void
journal_up(void *data, struct mftd_chan *chan)
{
	struct auth *a = data;
	size_t i;

	/* a restarted one comes before the end of the old one is seen */
	for (i = 0; i < MFTD_VOLUMES_MAX; i++)
		if (a->journals[i] != NULL &&
		    strcmp(mftd_chan_instance(a->journals[i]),
			mftd_chan_instance(chan)) == 0)
			a->journals[i] = NULL;
	for (i = 0; i < MFTD_VOLUMES_MAX; i++)
		if (a->journals[i] == NULL) {
			a->journals[i] = chan;
			return;
		}
	log_error("more journals than volumes can be");
}

static void
journal_down(void *data, struct mftd_chan *chan)
{
	struct auth *a = data;
	size_t i;

	for (i = 0; i < MFTD_VOLUMES_MAX; i++)
		if (a->journals[i] == chan)
			a->journals[i] = NULL;
}

static const struct mftd_handler from_listener[] = {
	{ MFTD_MSG_SESSION_NEW, on_session_new },
	{ 0, NULL },
};

static const struct mftd_handler from_session[] = {
	{ MFTD_MSG_AUTH_KEY, on_question },
	{ MFTD_MSG_AUTH_PASSWORD, on_question },
	{ 0, NULL },
};

static const struct mftd_handler from_catalog[] = {
	{ MFTD_MSG_SNAPSHOT, on_snapshot },
	{ 0, NULL },
};

static const struct mftd_link links[] = {
	{ MFTD_PROC_LISTENER, from_listener, NULL, NULL },
	{ MFTD_PROC_SESSION, from_session, NULL, on_session_gone },
	{ MFTD_PROC_CATALOG, from_catalog, NULL, NULL },
	{ MFTD_PROC_JOURNAL, NULL, journal_up, journal_down },
	{ MFTD_PROC_COORDINATOR, NULL, coordinator_up, coordinator_down },
};

void
mftd_auth_main(struct mftd_worker *w)
{
	struct auth a = { .w = w };
	int r;

	r = mftd_worker_init(w, links, sizeof(links) / sizeof(links[0]), &a);
	if (r == 0) {
		a.checks = mftd_checks_new(w->loop);
		a.held = mftd_held_new();
		r = a.checks != NULL && a.held != NULL ? 0 : -ENOMEM;
	}
	if (r < 0) {
		log_error("cannot start: %s", mftd_strerror(r));
		exit(1);
	}
	load_last(&a);
	tick(&a);
	mftd_worker_ready(w);
	mftd_worker_run(w);
	mftd_checks_free(a.checks);
	mftd_held_free(a.held);
	mftd_objects_free(a.objects);
}
