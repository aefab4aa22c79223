/* Part of mftd; see LICENSE. */
#include "mftd/outbound/probe_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/limits.h"
#include "mftd/outbound/call.h"
#include "mftd/outbound/remote.h"
#include "mftd/ssh/client.h"

#define CONNECT_MS 10000
#define REQUEST_MS 30000
/* For what has no deadline of its own. */
#define WATCHDOG_S MFTD_CALL_WATCHDOG_S

void
mftd_probe_found(struct mftd_probe_state *b, enum mftd_finding f,
    const char *step, const char *text)
{
	b->fails = b->fails || f == MFTD_FINDING_FAIL;
	b->p->found(b->p->data, f, step, text);
}

int
mftd_probe_say(struct mftd_probe_state *b, enum mftd_finding f,
    const char *what, const char *text)
{
	char step[sizeof(b->at) + 64];

	snprintf(step, sizeof(step), "%s: %s", b->at, what);
	mftd_probe_found(b, f, step, text);
	return f == MFTD_FINDING_FAIL ? -MFTD_E_PARTNER : 0;
}

int
mftd_probe_refused(struct mftd_probe_state *b, const char *what)
{
	return mftd_probe_say(b, MFTD_FINDING_FAIL, what, b->why);
}

int
mftd_probe_ask(
    struct mftd_probe_state *b, int r, const struct mftd_remote_answer *a)
{
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	snprintf(b->why, sizeof(b->why), "%s",
	    r < 0 ? mftd_remote_why(b->remote) : a->why);
	return r < 0 ? r : a->err;
}

bool
mftd_probe_is_answer(int err)
{
	return err == -ENOENT || err == -EACCES || err == -EOPNOTSUPP ||
	    err == -MFTD_E_PARTNER;
}

const char *
mftd_probe_name(const char *directory)
{
	return directory[0] != '\0' ? directory : ".";
}

void
mftd_probe_enter(
    struct mftd_probe_state *b, const char *directory, const char *words)
{
	b->directory = directory;
	snprintf(
	    b->at, sizeof(b->at), "%s", words[0] != '\0' ? words : directory);
}

/* ---- the connection */

static const char *const stages[MFTD_SSH_STAGES] = {
	[MFTD_SSH_RESOLVED] = "name",
	[MFTD_SSH_CONNECTED] = "tcp",
	[MFTD_SSH_KNOWN] = "host key",
	[MFTD_SSH_LOGGED_IN] = "login",
	[MFTD_SSH_STARTED] = "subsystem",
};

static void
on_stage(void *data, enum mftd_ssh_stage stage, const char *what)
{
	struct mftd_probe_state *b = data;

	mftd_probe_found(b, MFTD_FINDING_OK, stages[stage], what);
	b->reached = stage + 1;
}

static int
ask_to_go_on(void *data)
{
	alarm(WATCHDOG_S);
	return 0;
}

static int
connect_partner(struct mftd_probe_state *b, struct mftd_call *call)
{
	const struct mftd_partner *p = b->p->partner;
	char why[MFTD_REASON_BYTES];
	int r;

	call->target = (struct mftd_ssh_target) {
		.go_on = ask_to_go_on,
		.told = on_stage,
		.data = b,
	};
	alarm(WATCHDOG_S);
	r = mftd_call_open(
	    call, p, b->p->secret_key, NULL, &b->client, why, sizeof(why));
	if (r < 0) {
		mftd_probe_found(b, MFTD_FINDING_FAIL, stages[b->reached], why);
		return r;
	}
	r = mftd_remote_open(b->client, &b->remote);
	if (r < 0)
		mftd_probe_found(b, MFTD_FINDING_FAIL, "sftp",
		    mftd_ssh_client_why(b->client));
	return r;
}

/* Whether name is one of the words of offers. */
static bool
is_offered(const char *offers, const char *name)
{
	size_t len = strlen(name);
	const char *at = offers;

	while ((at = strstr(at, name)) != NULL) {
		if ((at == offers || at[-1] == ' ') &&
		    (at[len] == '\0' || at[len] == ' '))
			return true;
		at += len;
	}
	return false;
}

/* What the server can do beyond the draft, of what matters here. */
static void
look_at_extensions(struct mftd_probe_state *b)
{
	static const char *const names[] = { "fsync@openssh.com",
		"limits@openssh.com", "posix-rename@openssh.com", "check-file",
		"check-file-name", "check-file-handle" };
	const char *offers = mftd_remote_offers(b->remote);
	char text[MFTD_REASON_BYTES];
	size_t i, n = 0;

	text[0] = '\0';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_offered(offers, names[i]))
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s%s", n > 0 ? " " : "", names[i]);
	mftd_probe_found(
	    b, MFTD_FINDING_OK, "extensions", n > 0 ? text : "none of use");
	if (!is_offered(offers, names[0]))
		mftd_probe_found(b, MFTD_FINDING_NOTE, names[0],
		    "not offered: a power cut there may take away what was "
		    "delivered");
}

/* ---- the whole */

/* One from which files are fetched. */
static int
try_source(struct mftd_probe_state *b)
{
	struct mftd_remote_answer a = { 0 }, closed = { 0 };
	struct mftd_remote_file f;
	int r = mftd_probe_ask(
	    b, mftd_remote_open_dir(b->remote, b->directory, &f, &a), &a);

	if (r < 0)
		return mftd_probe_refused(b, "fetch");
	r = mftd_probe_ask(
	    b, mftd_remote_close(b->remote, &f, &closed), &closed);
	return r < 0 ? mftd_probe_refused(b, "fetch")
		     : mftd_probe_say(b, MFTD_FINDING_OK, "fetch", "");
}

static bool
fetches(const struct mftd_probe_state *b, const struct mftd_route *r)
{
	return r->pull != NULL &&
	    strcmp(r->pull->partner, b->p->partner->name) == 0;
}

static bool
delivers(const struct mftd_probe_state *b, const struct mftd_route *r)
{
	return r->partner != NULL &&
	    strcmp(r->partner, b->p->partner->name) == 0;
}

/* Whether an earlier route fetches from there as well. */
static bool
is_listed(const struct mftd_probe_state *b, const struct mftd_route *r)
{
	const struct mftd_route *one = b->p->routes;

	for (; one < r; one++)
		if (fetches(b, one) &&
		    strcmp(one->pull->directory, r->pull->directory) == 0)
			return true;
	return false;
}

/* Whether an earlier route delivers there as well. */
static bool
is_tried(const struct mftd_probe_state *b, const struct mftd_route *r)
{
	const struct mftd_route *one = b->p->routes;

	for (; one < r; one++)
		if (delivers(b, one) &&
		    strcmp(mftd_probe_name(one->directory),
			mftd_probe_name(r->directory)) == 0)
			return true;
	return false;
}

/* Where what was fetched is moved to.  Nothing is moved for a test: others may
 * look into that folder as well. */
static void
look_at_move(struct mftd_probe_state *b, const char *move_to)
{
	char words[sizeof(b->at)];

	snprintf(words, sizeof(words), "%s: move_to %s", b->directory, move_to);
	mftd_probe_enter(b, move_to, words);
	mftd_probe_look(b);
}

static void
try_sources(struct mftd_probe_state *b)
{
	const struct mftd_probe *p = b->p;
	const struct mftd_route *r = p->routes;

	for (; r < p->routes + p->n_routes && !p->ended(p->data); r++) {
		if (!fetches(b, r))
			continue;
		mftd_probe_enter(b, mftd_probe_name(r->pull->directory), "");
		if (!is_listed(b, r))
			try_source(b);
		if (r->pull->move_to != NULL)
			look_at_move(b, r->pull->move_to);
	}
}

static void
try_directories(struct mftd_probe_state *b)
{
	const struct mftd_probe *p = b->p;
	const struct mftd_route *route;
	bool sends = false, pulls = false;
	int r = 0;

	for (route = p->routes; route < p->routes + p->n_routes; route++) {
		pulls = pulls || fetches(b, route);
		if (!delivers(b, route))
			continue;
		sends = true;
		if (r != -EINTR && !is_tried(b, route))
			r = mftd_probe_folder(
			    b, mftd_probe_name(route->directory));
	}
	if (sends || pulls)
		return;
	mftd_probe_found(b, MFTD_FINDING_NOTE, "routes",
	    "none leads there: only the login's directory is looked at");
	mftd_probe_folder(b, ".");
}

enum mftd_probed
mftd_probe(const struct mftd_probe *p)
{
	struct mftd_probe_state b = { .p = p };
	struct mftd_call call;
	int r = connect_partner(&b, &call);

	if (r == 0) {
		look_at_extensions(&b);
		try_sources(&b);
		try_directories(&b);
	}
	alarm(0);
	mftd_remote_free(b.remote);
	mftd_ssh_client_close(b.client);
	if (b.fails && b.reached == MFTD_SSH_KNOWN)
		return MFTD_PROBED_HOST_KEY;
	return b.fails ? MFTD_PROBED_FAILS : MFTD_PROBED_WORKS;
}

/* ---- host keys */

const char *
mftd_probe_algorithm(size_t i)
{
	static const char *const algorithms[] = { "ssh-ed25519",
		"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
		"ecdsa-sha2-nistp521", "rsa-sha2-512,rsa-sha2-256" };

	return i < sizeof(algorithms) / sizeof(algorithms[0]) ? algorithms[i]
							      : NULL;
}

int
mftd_probe_host_key(const char *host, int port, const char *algorithm,
    char line[MFTD_KEY_BYTES], char print[MFTD_REASON_BYTES],
    char why[MFTD_REASON_BYTES])
{
	const struct mftd_ssh_target t = { .host = host,
		.port = port,
		.user = "nobody",
		.connect_ms = CONNECT_MS,
		.request_ms = REQUEST_MS };
	struct mftd_ssh_offer offer;
	int r;

	alarm(WATCHDOG_S);
	r = mftd_ssh_scan(&t, algorithm, &offer, why, MFTD_REASON_BYTES);
	alarm(0);
	if (r < 0)
		return r;
	memcpy(line, offer.line, MFTD_KEY_BYTES);
	memcpy(print, offer.print, MFTD_REASON_BYTES);
	return 0;
}
