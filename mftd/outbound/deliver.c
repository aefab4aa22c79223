/* Part of mftd; see LICENSE. */
#include "mftd/outbound/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/outbound/call.h"
#include "mftd/outbound/delivery.h"
#include "mftd/outbound/remote.h"
#include "mftd/ssh/client.h"

#define PATH_BYTES (2 * MFTD_PATH_BYTES + 2)
#define OLD_TEMPS_MAX 8 /* earlier tries whose leftovers are looked for */

/* The last resort where a call has no deadline of its own (name resolution, a
 * key exchange that crawls): SIGALRM ends this process. */
#define WATCHDOG_S 120

struct run {
	const struct mftd_deliver *j;
	struct mftd_chan *c;
	struct mftd_ssh_client *client;
	struct mftd_remote *remote;
	struct mftd_call call;
	int source;
	EVP_MD_CTX *sha;
	uint8_t sum[MFTD_SHA256_BYTES];
	int64_t mtime; /* as the partner shows it, or 0 */
	bool publishing; /* its row may be in PUBLISHING */
	bool over; /* told to stop, or outbound is gone */
	char temp[PATH_BYTES];
	char final[PATH_BYTES];
	char why[MFTD_REASON_BYTES];
};

int
mftd_deliver_final_name(const struct mftd_delivery *d, char *out, size_t size)
{
	bool top = d->directory[0] == '\0' || strcmp(d->directory, ".") == 0;
	int n = snprintf(out, size, "%s%s%s", top ? "" : d->directory,
	    top ? "" : "/", d->name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int
mftd_deliver_temp_name(
    const struct mftd_delivery *d, uint32_t tries, char *out, size_t size)
{
	char *slash;
	size_t left;
	int n;

	if (!mftd_id_valid(d->id))
		return -EINVAL;
	if (mftd_deliver_final_name(d, out, size) < 0)
		return -ENAMETOOLONG;
	slash = strrchr(out, '/');
	slash = slash != NULL ? slash + 1 : out;
	left = size - (size_t)(slash - out);
	n = snprintf(slash, left, ".mft-%s.%u.part", d->id, tries);
	return n < 0 || (size_t)n >= left ? -ENAMETOOLONG : 0;
}

/* ---- words with outbound */

/* Tells an event and waits until its row is written.  What this process has
 * done so far is nothing that could not wait: no deadline. */
static int
tell(struct run *run, enum mftd_delivery_event event, int err, const char *text)
{
	struct mftd_msg_deliver_step step = { .event = event,
		.err = err,
		.bytes = run->j->d.size,
		.mtime = run->mtime };
	const struct mftd_msg_deliver_answer *answer;
	struct mftd_msg m;
	int r;

	snprintf(step.text, sizeof(step.text), "%s", text);
	if (event == MFTD_EVENT_SENT) {
		step.has_sha256 = 1;
		memcpy(step.sha256, run->sum, sizeof(step.sha256));
	}
	if (run->client != NULL)
		snprintf(step.host, sizeof(step.host), "%s",
		    mftd_ssh_client_address(run->client));
	if (event == MFTD_EVENT_PUBLISH)
		run->publishing = true;
	alarm(0);
	r = mftd_chan_send(
	    run->c, MFTD_MSG_DELIVER_STEP, 0, &step, sizeof(step), NULL, 0);
	if (r == 0)
		r = mftd_chan_wait(run->c, &m, -1);
	alarm(WATCHDOG_S);
	if (r == 0 && m.type != MFTD_MSG_DELIVER_ANSWER)
		r = -MFTD_E_PROTOCOL;
	if (r == 0) {
		answer = m.data;
		r = answer->err;
	}
	run->over = r < 0;
	return r;
}

static int
fail(struct run *run, int err, const char *what, const char *detail)
{
	snprintf(run->why, sizeof(run->why), "%s: %s", what, detail);
	return err;
}

static int
fail_remote(struct run *run, int err, const char *what)
{
	return fail(run, err, what, mftd_remote_why(run->remote));
}

static int
holds_lease(void *data)
{
	const struct run *run = data;

	return mftd_lease_held(run->j->lease) ? 0 : -MFTD_E_NO_LEASE;
}

static int
check_lease(struct run *run)
{
	int r = holds_lease(run);

	return r < 0 ? fail(run, r, "stopped", mftd_strerror(r)) : 0;
}

/* ---- the source */

/* Opens .mft/out/<receipt>.  Only a missing link in a directory that is there
 * is a lost source; all else may be a volume that is away.  -ENOENT then. */
static int
open_source(struct run *run)
{
	const struct mftd_delivery *d = &run->j->d;
	struct stat st;
	int root = -1, out = -1, r = 0;

	if (!mftd_id_valid(d->receipt))
		return fail(run, -MFTD_E_CORRUPT, "source", "no receipt id");
	root = open(run->j->volume_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		r = fail(run, -EIO, run->j->volume_path, strerror(errno));
		goto out;
	}
	out = mftd_path_open_nolinks(root, ".mft/out", O_PATH | O_DIRECTORY, 0);
	if (out < 0) {
		r = fail(run, -EIO, ".mft/out", mftd_strerror(out));
		goto out;
	}
	run->source = mftd_path_open_nolinks(out, d->receipt, O_RDONLY, 0);
	if (run->source < 0) {
		r = fail(run, run->source == -ENOENT ? -ENOENT : -EIO, "source",
		    mftd_strerror(run->source));
		goto out;
	}
	if (fstat(run->source, &st) < 0)
		r = fail(run, -EIO, "source", strerror(errno));
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != d->size)
		r = fail(run, -MFTD_E_CORRUPT, "source",
		    "its size is not the receipt's");
out:
	mftd_fd_close(&out);
	mftd_fd_close(&root);
	return r;
}

/* ---- sending */

static int
connect_partner(struct run *run, const char *address)
{
	int r;

	alarm(WATCHDOG_S);
	run->call.target.go_on = holds_lease;
	run->call.target.data = run;
	r = mftd_call_open(&run->call, run->j->partner, run->j->secret_key,
	    address, &run->client, run->why, sizeof(run->why));
	if (r < 0)
		return r;
	r = mftd_remote_open(run->client, &run->remote);
	if (r < 0)
		return fail(run, r, "sftp", mftd_ssh_client_why(run->client));
	return 0;
}

/* Removes what earlier tries left.  Not only for tidiness: a rename of theirs
 * that is still under way somewhere then finds nothing. */
static int
remove_old_temps(struct run *run)
{
	const struct mftd_delivery *d = &run->j->d;
	uint32_t first =
	    d->tries > OLD_TEMPS_MAX ? d->tries - OLD_TEMPS_MAX : 1;
	char name[PATH_BYTES];
	uint32_t t;
	int r = 0;

	for (t = first; r == 0 && t < d->tries; t++) {
		r = mftd_deliver_temp_name(d, t, name, sizeof(name));
		if (r == 0)
			r = mftd_remote_remove(run->remote, name);
		if (r < 0 && r != -ENOENT)
			log_warn("%s stays at the partner: %s", name,
			    mftd_remote_why(run->remote));
		if (mftd_remote_answered(r))
			r = 0;
	}
	return r < 0
	    ? fail(run, r, "remove of an earlier try", mftd_strerror(r))
	    : 0;
}

/* Copies the source, summing it up on the way. */
static int
copy(struct run *run, const struct mftd_remote_file *f)
{
	size_t chunk = mftd_remote_chunk(run->remote);
	uint64_t off = 0;
	unsigned int len;
	ssize_t n = 0;
	void *data = malloc(chunk);
	int r = data != NULL ? 0 : -ENOMEM;

	while (r == 0 && off < run->j->d.size) {
		n = mftd_fd_pread_full(run->source, data, chunk, (int64_t)off);
		if (n <= 0) {
			r = fail(run, n < 0 ? -EIO : -MFTD_E_CORRUPT, "source",
			    n < 0 ? mftd_strerror((int)n) : "it is short");
			break;
		}
		alarm(WATCHDOG_S);
		if (EVP_DigestUpdate(run->sha, data, (size_t)n) != 1)
			r = -EIO;
		if (r == 0)
			r = mftd_remote_write(
			    run->remote, f, off, data, (size_t)n);
		if (r < 0)
			fail_remote(run, r, "write");
		off += (uint64_t)n;
	}
	free(data);
	if (r == 0 && (r = mftd_remote_drain(run->remote)) < 0)
		fail_remote(run, r, "write");
	if (r == 0 && EVP_DigestFinal_ex(run->sha, run->sum, &len) != 1)
		r = fail(run, -EIO, "source", "no SHA-256");
	return r;
}

/* Makes it durable there, if the server can, and gives it its mtime: last, for
 * every WRITE would change it. */
static int
finish_file(struct run *run, const struct mftd_remote_file *f)
{
	int r = mftd_remote_sync(run->remote, f);

	if (r < 0 && r != -EOPNOTSUPP)
		return fail_remote(run, r, "fsync");
	r = mftd_remote_set_mtime(run->remote, f, (uint32_t)run->j->d.mtime);
	if (r < 0 && !mftd_remote_answered(r))
		return fail_remote(run, r, "setstat");
	r = mftd_remote_close(run->remote, f);
	return r < 0 ? fail_remote(run, r, "close") : 0;
}

static int
check_temp(struct run *run)
{
	const struct mftd_delivery *d = &run->j->d;
	struct mftd_remote_attrs a;
	int r = mftd_remote_lstat(run->remote, run->temp, &a);

	if (r < 0)
		return fail_remote(run, r, "stat");
	if (!a.exists || !a.has_size || a.size != d->size)
		return fail(run, -MFTD_E_PARTNER, "check",
		    "the size at the partner is another");
	if (d->has_sha256 && memcmp(d->sha256, run->sum, sizeof(run->sum)) != 0)
		return fail(run, -MFTD_E_CORRUPT, "source",
		    "its SHA-256 is not the receipt's");
	run->mtime =
	    a.has_mtime && a.mtime == (uint32_t)d->mtime ? d->mtime : 0;
	return 0;
}

/* Everything up to SENT. */
static int
send_file(struct run *run)
{
	struct mftd_remote_file f;
	int r = remove_old_temps(run);

	if (r < 0)
		return r;
	r = mftd_remote_create(run->remote, run->temp, &f);
	if (r < 0)
		return fail_remote(run, r, run->temp);
	r = copy(run, &f);
	if (r == 0)
		r = finish_file(run, &f);
	return r == 0 ? check_temp(run) : r;
}

/* ---- publishing */

/* Looks at both names.  The temporary one first: a rename in between then shows
 * as both or as the final one, never as neither. */
static int
look(struct run *run, struct mftd_evidence *e)
{
	int r;

	memset(e, 0, sizeof(*e));
	e->size = run->j->d.size;
	e->mtime = run->mtime;
	e->settled = run->j->settled;
	r = mftd_remote_lstat(run->remote, run->temp, &e->temp);
	if (r == 0)
		r = mftd_remote_lstat(run->remote, run->final, &e->final);
	return r < 0 ? fail_remote(run, r, "stat") : 0;
}

/* The temporary name is of no more use; failing to remove it harms nobody. */
static void
drop_temp(struct run *run)
{
	int r = mftd_remote_remove(run->remote, run->temp);

	if (r < 0 && r != -ENOENT)
		log_warn("%s stays at the partner: %s", run->temp,
		    mftd_remote_why(run->remote));
}

static int
conclude(struct run *run, enum mftd_verdict v, const char *why)
{
	int r;

	log_info(
	    "the names at the partner say: %s", mftd_delivery_verdict_name(v));
	switch (v) {
	case MFTD_VERDICT_REMOVE_TEMP:
		drop_temp(run);
		return tell(run, MFTD_EVENT_DELIVERED, 0, "");
	case MFTD_VERDICT_DELIVERED:
		return tell(run, MFTD_EVENT_DELIVERED, 0, "");
	case MFTD_VERDICT_LOOK_AGAIN:
		return tell(run, MFTD_EVENT_RETRY, -EAGAIN,
		    "both names are at the partner: its server may be at it");
	case MFTD_VERDICT_RESTART:
		why = "the temporary file at the partner is not whole";
		/* fallthrough */
	case MFTD_VERDICT_REFUSED:
		r = tell(run, MFTD_EVENT_REFUSED, -MFTD_E_PARTNER, why);
		break;
	case MFTD_VERDICT_REJECTED:
		r = tell(run, MFTD_EVENT_REJECTED, -EEXIST,
		    "the name exists at the partner");
		break;
	default:
		return tell(run, MFTD_EVENT_DOUBT, -MFTD_E_PARTNER,
		    "what is at the partner neither proves nor excludes "
		    "that it arrived");
	}
	/* only now that its row has left PUBLISHING */
	if (r == 0)
		drop_temp(run);
	return r;
}

/* The rename; its row is in PUBLISHING. */
static int
publish(struct run *run)
{
	struct mftd_evidence e;
	char why[MFTD_REASON_BYTES];
	int r = check_lease(run);

	if (r < 0)
		return r;
	r = mftd_remote_rename(run->remote, run->temp, run->final);
	if (r == 0)
		return tell(run, MFTD_EVENT_DELIVERED, 0, "");
	fail_remote(run, r, "rename");
	if (!mftd_remote_answered(r))
		return r;
	snprintf(why, sizeof(why), "%s", run->why);
	r = look(run, &e);
	if (r < 0)
		return r;
	e.refused = true;
	return conclude(run, mftd_delivery_judge(&e), why);
}

/* What became of a delivery in PUBLISHING: looks, and goes on from there. */
static int
examine(struct run *run)
{
	struct mftd_evidence e;
	enum mftd_verdict v;
	int r = look(run, &e);

	if (r < 0)
		return r;
	v = mftd_delivery_judge(&e);
	if (v != MFTD_VERDICT_RENAME)
		return conclude(run, v, "");
	log_info("not published yet: renaming");
	r = tell(run, MFTD_EVENT_PUBLISH, 0, "");
	return r == 0 ? publish(run) : r;
}

/* From SENT on.  A name that exists is refused before anything is at stake,
 * also by servers whose RENAME would replace it. */
static int
publish_new(struct run *run)
{
	struct mftd_evidence e;
	int r = look(run, &e);

	if (r < 0)
		return r;
	e.settled = true; /* only: is it ours? */
	if (e.final.exists &&
	    mftd_delivery_judge(&e) != MFTD_VERDICT_REMOVE_TEMP)
		return fail(
		    run, -EEXIST, run->final, "the name exists at the partner");
	r = check_lease(run);
	if (r == 0)
		r = tell(run, MFTD_EVENT_PUBLISH, 0, "");
	if (r < 0)
		return r;
	return e.final.exists ? examine(run) : publish(run);
}

/* ---- the whole */

static int
deliver_fresh(struct run *run)
{
	int r = open_source(run);

	if (r == 0)
		r = connect_partner(run, NULL);
	if (r == 0)
		r = tell(run, MFTD_EVENT_BEGIN, 0, "");
	if (r == 0)
		r = send_file(run);
	if (r == 0)
		r = tell(run, MFTD_EVENT_SENT, 0, "");
	if (r == 0)
		r = publish_new(run);
	return r;
}

static int
deliver_evidence(struct run *run)
{
	const struct mftd_delivery *d = &run->j->d;
	int r;

	run->publishing = true;
	run->mtime = d->mtime;
	r = connect_partner(run, d->host[0] != '\0' ? d->host : NULL);
	return r == 0 ? examine(run) : r;
}

/* Whether trying again is of no use.  ENOENT from the partner is a directory
 * that is missing there: it may come. */
static bool
is_lasting(const struct run *run, int err)
{
	return err == -MFTD_E_CORRUPT || err == -EEXIST ||
	    (err == -ENOENT && run->remote == NULL);
}

/* Says how it failed, and tidies up while nothing is at stake. */
static void
report(struct run *run, int err)
{
	enum mftd_delivery_event event = MFTD_EVENT_RETRY;
	bool talking = run->remote != NULL &&
	    (mftd_remote_answered(err) || is_lasting(run, err));

	if (run->why[0] == '\0')
		snprintf(run->why, sizeof(run->why), "%s", mftd_strerror(err));
	log_warn("%s", run->why);
	if (!run->publishing && is_lasting(run, err))
		event = MFTD_EVENT_FAIL;
	if (tell(run, event, err, run->why) == 0 && !run->publishing && talking)
		drop_temp(run);
}

int
mftd_deliver_run(const struct mftd_deliver *j, struct mftd_chan *c)
{
	struct run run = { .j = j, .c = c, .source = -1 };
	int r;

	run.sha = EVP_MD_CTX_new();
	if (run.sha == NULL ||
	    EVP_DigestInit_ex(run.sha, EVP_sha256(), NULL) != 1) {
		r = -ENOMEM;
		goto out;
	}
	r = mftd_deliver_final_name(&j->d, run.final, sizeof(run.final));
	if (r == 0)
		r = mftd_deliver_temp_name(
		    &j->d, j->d.tries, run.temp, sizeof(run.temp));
	if (r == 0)
		r = j->evidence ? deliver_evidence(&run) : deliver_fresh(&run);
	if (r < 0 && !run.over)
		report(&run, r);
out:
	alarm(0);
	EVP_MD_CTX_free(run.sha);
	mftd_remote_free(run.remote);
	mftd_ssh_client_close(run.client);
	mftd_fd_close(&run.source);
	return r;
}
