/* Part of mftd; see LICENSE. */
#include "mftd/outbound/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/outbound/call.h"
#include "mftd/outbound/remote.h"
#include "mftd/ssh/client.h"

#define CONNECT_MS 10000
#define REQUEST_MS 30000
/* For what has no deadline of its own. */
#define WATCHDOG_S MFTD_CALL_WATCHDOG_S
#define NAME_BYTES (MFTD_PATH_BYTES + 2 * MFTD_ID_BYTES)
#define TEST_BYTES 4096
#define DAY_S 86400

enum { TEMP, FINAL, SECOND, NAMES };

struct probe {
	const struct mftd_probe *p;
	struct mftd_ssh_client *client;
	struct mftd_remote *remote;
	enum mftd_ssh_stage reached; /* the next one */
	const char *directory; /* being tested */
	char name[NAMES][NAME_BYTES];
	bool made[NAMES]; /* to be removed */
	bool fails;
	char why[MFTD_REASON_BYTES]; /* the last request's failure */
};

static void
found(struct probe *b, enum mftd_finding f, const char *step, const char *text)
{
	b->fails = b->fails || f == MFTD_FINDING_FAIL;
	b->p->found(b->p->data, f, step, text);
}

/* A finding in the directory at hand. */
static int
in_directory(
    struct probe *b, enum mftd_finding f, const char *what, const char *text)
{
	char step[MFTD_PATH_BYTES + 64];

	snprintf(step, sizeof(step), "%s: %s", b->directory, what);
	found(b, f, step, text);
	return f == MFTD_FINDING_FAIL ? -MFTD_E_PARTNER : 0;
}

static int
refused(struct probe *b, const char *what)
{
	return in_directory(b, MFTD_FINDING_FAIL, what, b->why);
}

/* Waits for what was asked for with r as result, one request or several: 0,
 * what the server answered to it, or the connection's error. */
static int
ask(struct probe *b, int r, const struct mftd_remote_answer *a)
{
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	snprintf(b->why, sizeof(b->why), "%s",
	    r < 0 ? mftd_remote_why(b->remote) : a->why);
	return r < 0 ? r : a->err;
}

/* Whether err is the server's own answer. */
static bool
is_answer(int err)
{
	return err == -ENOENT || err == -EACCES || err == -EOPNOTSUPP ||
	    err == -MFTD_E_PARTNER;
}

static int
lstat_name(struct probe *b, const char *name, struct mftd_remote_attrs *attrs)
{
	struct mftd_remote_answer a = { 0 };

	return ask(b, mftd_remote_lstat(b->remote, name, attrs, &a), &a);
}

static int
rename_name(struct probe *b, const char *from, const char *to)
{
	struct mftd_remote_answer a = { 0 };

	return ask(b, mftd_remote_rename(b->remote, from, to, &a), &a);
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
	struct probe *b = data;

	found(b, MFTD_FINDING_OK, stages[stage], what);
	b->reached = stage + 1;
}

static int
ask_to_go_on(void *data)
{
	alarm(WATCHDOG_S);
	return 0;
}

static int
connect_partner(struct probe *b, struct mftd_call *call)
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
		found(b, MFTD_FINDING_FAIL, stages[b->reached], why);
		return r;
	}
	r = mftd_remote_open(b->client, &b->remote);
	if (r < 0)
		found(b, MFTD_FINDING_FAIL, "sftp",
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
look_at_extensions(struct probe *b)
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
	found(b, MFTD_FINDING_OK, "extensions", n > 0 ? text : "none of use");
	if (!is_offered(offers, names[0]))
		found(b, MFTD_FINDING_NOTE, names[0],
		    "not offered: a power cut there may take away what was "
		    "delivered");
}

/* ---- a directory */

/* "D/." is there only if D is a directory, or leads to one. */
static int
look_at_directory(struct probe *b)
{
	struct mftd_remote_attrs a;
	char path[NAME_BYTES];
	int r;

	snprintf(path, sizeof(path), "%s/.", b->directory);
	r = lstat_name(b, path, &a);
	if (r == 0 && a.exists)
		return in_directory(b, MFTD_FINDING_OK, "directory", "");
	if (r < 0 && !is_answer(r))
		return refused(b, "directory");
	r = lstat_name(b, b->directory, &a);
	if (r < 0)
		return refused(b, "directory");
	return in_directory(b, MFTD_FINDING_FAIL, "directory",
	    a.exists ? "it is no directory" : "it is not there");
}

static int
make_names(struct probe *b)
{
	char id[MFTD_ID_BYTES];
	int r = mftd_id_random(NULL, id, sizeof(id));

	if (r < 0)
		return r;
	snprintf(b->name[TEMP], NAME_BYTES, "%s/.mft-test-%s.1.part",
	    b->directory, id);
	snprintf(
	    b->name[FINAL], NAME_BYTES, "%s/.mft-test-%s", b->directory, id);
	snprintf(b->name[SECOND], NAME_BYTES, "%s/.mft-test-%s.2.part",
	    b->directory, id);
	return 0;
}

/* A file like those of a delivery, with that mtime.  Whether the server knows
 * fsync, and sets times, is another matter. */
static int
make_file(struct probe *b, int which, uint32_t mtime)
{
	static const char zeros[TEST_BYTES];
	struct mftd_remote *m = b->remote;
	struct mftd_remote_answer a[5] = { 0 };
	struct mftd_remote_file f;
	int r = ask(b,
	    mftd_remote_open_file(
		m, b->name[which], MFTD_REMOTE_CREATE, 0, &f, &a[0]),
	    &a[0]);

	if (r < 0)
		return refused(b, "create");
	b->made[which] = true;
	r = ask(
	    b, mftd_remote_write(m, &f, 0, zeros, TEST_BYTES, &a[1]), &a[1]);
	if (r < 0)
		return refused(b, "write");
	r = ask(b, mftd_remote_sync(m, &f, &a[2]), &a[2]);
	if (r < 0 && r != -EOPNOTSUPP)
		return refused(b, "fsync");
	r = ask(b, mftd_remote_set_mtime(m, &f, mtime, &a[3]), &a[3]);
	if (r < 0 && !is_answer(r))
		return refused(b, "setstat");
	r = ask(b, mftd_remote_close(m, &f, &a[4]), &a[4]);
	return r < 0 ? refused(b, "close") : 0;
}

static int
check_file(struct probe *b, uint32_t mtime)
{
	struct mftd_remote_attrs a;
	int r = lstat_name(b, b->name[TEMP], &a);

	if (r < 0)
		return refused(b, "stat");
	if (!a.exists || !a.has_size || a.size != TEST_BYTES)
		return in_directory(b, MFTD_FINDING_FAIL, "create",
		    "the size is not what was written");
	in_directory(b, MFTD_FINDING_OK, "create", "");
	if (a.has_mtime && a.mtime == mtime)
		return in_directory(b, MFTD_FINDING_OK, "mtime", "kept");
	return in_directory(b, MFTD_FINDING_NOTE, "mtime",
	    "not kept: after a crash more will be in doubt");
}

static int
try_rename(struct probe *b)
{
	struct mftd_remote_attrs temp, final;
	int r = rename_name(b, b->name[TEMP], b->name[FINAL]);

	/* whatever it did: both names are ours */
	b->made[FINAL] = true;
	if (r < 0)
		return refused(b, "rename");
	r = lstat_name(b, b->name[TEMP], &temp);
	if (r == 0)
		r = lstat_name(b, b->name[FINAL], &final);
	if (r < 0)
		return refused(b, "rename");
	b->made[TEMP] = temp.exists;
	if (temp.exists || !final.exists)
		return in_directory(
		    b, MFTD_FINDING_FAIL, "rename", "confirmed, but not done");
	return in_directory(b, MFTD_FINDING_OK, "rename", "");
}

/* A plain RENAME must not replace a file. */
static int
try_clobber(struct probe *b)
{
	int r = rename_name(b, b->name[SECOND], b->name[FINAL]);

	if (r == 0) {
		b->made[SECOND] = false;
		return in_directory(b, MFTD_FINDING_NOTE, "no clobber",
		    "its rename replaces a file: one that comes there in the "
		    "last moment would be lost");
	}
	if (!is_answer(r))
		return refused(b, "no clobber");
	return in_directory(b, MFTD_FINDING_OK, "no clobber", b->why);
}

/* Nothing is left there, whatever happened. */
static void
tidy_up(struct probe *b)
{
	struct mftd_remote_answer a;
	bool left = false;
	int i, r;

	for (i = 0; i < NAMES; i++) {
		if (!b->made[i])
			continue;
		a = (struct mftd_remote_answer) { 0 };
		r = ask(b, mftd_remote_remove(b->remote, b->name[i], &a), &a);
		if (r == 0 || r == -ENOENT)
			continue;
		left = true;
		found(b, is_answer(r) ? MFTD_FINDING_NOTE : MFTD_FINDING_FAIL,
		    b->name[i], "stays there: it cannot be removed");
	}
	if (b->made[FINAL] && !left)
		in_directory(b, MFTD_FINDING_OK, "remove", "");
}

/* Whether nobody wants to know the rest. */
static int
check_wanted(struct probe *b)
{
	if (!b->p->ended(b->p->data))
		return 0;
	found(b, MFTD_FINDING_FAIL, "test", "ended early");
	return -EINTR;
}

static int
try_directory(struct probe *b)
{
	uint32_t mtime = (uint32_t)time(NULL) - DAY_S;
	int r = look_at_directory(b);

	if (r == 0)
		r = make_names(b);
	if (r == 0)
		r = make_file(b, TEMP, mtime);
	if (r == 0)
		r = check_file(b, mtime);
	if (r == 0 && (r = check_wanted(b)) == 0)
		r = try_rename(b);
	if (r == 0 && (r = check_wanted(b)) == 0)
		r = make_file(b, SECOND, mtime);
	if (r == 0 && (r = check_wanted(b)) == 0)
		r = try_clobber(b);
	tidy_up(b);
	return r;
}

/* ---- the whole */

/* One from which files are fetched. */
static int
try_source(struct probe *b)
{
	struct mftd_remote_answer a = { 0 }, closed = { 0 };
	struct mftd_remote_file f;
	int r =
	    ask(b, mftd_remote_open_dir(b->remote, b->directory, &f, &a), &a);

	if (r < 0)
		return refused(b, "fetch");
	r = ask(b, mftd_remote_close(b->remote, &f, &closed), &closed);
	return r < 0 ? refused(b, "fetch")
		     : in_directory(b, MFTD_FINDING_OK, "fetch", "");
}

static const char *
name_of(const char *directory)
{
	return directory[0] != '\0' ? directory : ".";
}

static void
try_sources(struct probe *b)
{
	const struct mftd_probe *p = b->p;
	size_t i;

	for (i = 0; i < p->n_sources && !p->ended(p->data); i++) {
		b->directory = name_of(p->sources[i]);
		try_source(b);
	}
}

static void
try_directories(struct probe *b)
{
	const struct mftd_probe *p = b->p;
	size_t i;
	int r = 0;

	if (p->n_directories == 0 && p->n_sources > 0)
		return; /* nothing is sent there */
	if (p->n_directories == 0)
		found(b, MFTD_FINDING_NOTE, "routes",
		    "none leads there: only the login's directory is looked "
		    "at");
	for (i = 0; r != -EINTR && (i < p->n_directories || i == 0); i++) {
		b->directory =
		    p->n_directories > 0 ? name_of(p->directories[i]) : ".";
		memset(b->made, 0, sizeof(b->made));
		r = try_directory(b);
	}
}

enum mftd_probed
mftd_probe(const struct mftd_probe *p)
{
	struct probe b = { .p = p };
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
