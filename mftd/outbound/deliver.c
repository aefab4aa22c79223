/* Part of mftd; see LICENSE. */
#include "mftd/outbound/deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/outbound/batch.h"

/* The last resort where a call has no deadline of its own (name resolution, a
 * key exchange that crawls): SIGALRM ends this process. */
#define WATCHDOG_S MFTD_CALL_WATCHDOG_S

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

/* ---- items */

void
mftd_item_fail(
    struct mftd_item *it, int err, const char *what, const char *detail)
{
	it->event =
	    it->lasting && !it->publishing ? MFTD_EVENT_FAIL : MFTD_EVENT_RETRY;
	it->err = err;
	snprintf(it->why, sizeof(it->why), "%s%s%s", what,
	    detail[0] != '\0' ? ": " : "", detail);
	it->drop = !it->publishing;
	it->renaming = false;
	log_warn("delivery %s: %s", it->d.id, it->why);
}

bool
mftd_item_refused(
    struct mftd_item *it, const struct mftd_remote_answer *a, const char *what)
{
	if (a->err < 0)
		mftd_item_fail(it, a->err, what, a->why);
	return a->err < 0;
}

/* The words of a failed connection for all that still take part. */
static void
fail_all(struct mftd_batch *b, int err, const char *what, const char *detail)
{
	struct mftd_item *it;

	FOR_EACH_ACTIVE(it, b)
	{
		if (it->event != MFTD_EVENT_COUNT)
			continue;
		mftd_item_fail(it, err, what, detail);
		it->drop = false;
	}
}

static void
disconnect(struct mftd_batch *b)
{
	mftd_remote_free(b->remote);
	mftd_ssh_client_close(b->client);
	b->remote = NULL;
	b->client = NULL;
}

void
mftd_batch_lost(struct mftd_batch *b, int err)
{
	const char *why = b->remote != NULL ? mftd_remote_why(b->remote) : "";

	fail_all(b, err, why[0] != '\0' ? why : mftd_strerror(err), "");
	disconnect(b);
}

static int
holds_lease(const struct mftd_batch *b)
{
	return mftd_lease_held(b->j->lease) ? 0 : -MFTD_E_NO_LEASE;
}

/* Asked often while requests are under way, which have deadlines of their own.
 */
static int
go_on_talking(void *data)
{
	alarm(WATCHDOG_S);
	return holds_lease(data);
}

bool
mftd_batch_may_go_on(struct mftd_batch *b)
{
	int r = holds_lease(b);

	if (r < 0)
		fail_all(b, r, "stopped", mftd_strerror(r));
	return r == 0;
}

/* ---- words with outbound */

static void
put_step(
    const struct mftd_batch *b, struct mftd_item *it, struct mftd_msg_step *s)
{
	*s = (struct mftd_msg_step) { .item = (uint32_t)(it - b->items),
		.event = it->event,
		.err = it->err,
		.mtime = it->mtime };
	snprintf(s->text, sizeof(s->text), "%s", it->why);
	if (it->event == MFTD_EVENT_SENT) {
		s->has_sha256 = 1;
		memcpy(s->sha256, it->sum, sizeof(s->sha256));
	}
	if (it->event == MFTD_EVENT_PUBLISH)
		it->publishing = true;
}

/* Asks, and waits for the answer.  What this process has done so far is nothing
 * that could not wait: no deadline. */
static int
ask(struct mftd_batch *b, const struct mftd_msg_step *steps, uint32_t n,
    struct mftd_msg_deliver_answer *answer)
{
	struct mftd_msg_deliver_step head = { .n = n };
	struct mftd_msg m;
	int r;

	if (b->client != NULL)
		snprintf(head.host, sizeof(head.host), "%s",
		    mftd_ssh_client_address(b->client));
	else if (b->j->session != NULL)
		snprintf(head.host, sizeof(head.host), "%s", b->j->session);
	alarm(0);
	r = mftd_chan_send_tail(b->c, MFTD_MSG_DELIVER_STEP, 0, &head,
	    sizeof(head), steps, n * sizeof(*steps));
	if (r == 0)
		r = mftd_chan_wait(b->c, &m, -1);
	if (r == 0 && m.type != MFTD_MSG_DELIVER_ANSWER)
		r = -MFTD_E_PROTOCOL;
	if (r == 0)
		*answer = *(const struct mftd_msg_deliver_answer *)m.data;
	alarm(WATCHDOG_S);
	return r;
}

/* An item whose event was told and written. */
static void
go_on(struct mftd_item *it)
{
	switch (it->event) {
	case MFTD_EVENT_PUBLISH:
		it->renaming = !it->evidence;
		break;
	case MFTD_EVENT_BEGIN:
	case MFTD_EVENT_SENT:
		break;
	default:
		it->active = false;
	}
	it->event = MFTD_EVENT_COUNT;
	it->why[0] = '\0';
	it->err = 0;
}

int
mftd_batch_tell(struct mftd_batch *b)
{
	struct mftd_msg_step steps[MFTD_DELIVER_BATCH_MAX];
	struct mftd_msg_deliver_answer answer;
	struct mftd_item *it;
	uint32_t n = 0;
	int r;

	FOR_EACH_ACTIVE(it, b)
	if (it->event != MFTD_EVENT_COUNT)
		put_step(b, it, &steps[n++]);
	if (n == 0)
		return 0;
	r = ask(b, steps, n, &answer);
	if (r < 0)
		return r;
	FOR_EACH_ACTIVE(it, b)
	{
		if (it->event == MFTD_EVENT_COUNT)
			continue;
		if (answer.err[it - b->items] == 0) {
			go_on(it);
		} else {
			it->active = false;
			it->drop = false;
		}
	}
	return 0;
}

void
mftd_batch_say(struct mftd_batch *b, enum mftd_delivery_event event)
{
	struct mftd_item *it;

	FOR_EACH_ACTIVE(it, b)
	if (mftd_item_is_fresh(it))
		it->event = event;
}

/* ---- the connection */

static void
connect_partner(struct mftd_batch *b)
{
	char why[MFTD_REASON_BYTES] = "";
	int r;

	if (b->remote != NULL)
		return;
	b->call.target.go_on = go_on_talking;
	b->call.target.data = b;
	alarm(WATCHDOG_S);
	r = mftd_call_open(&b->call, b->j->partner, b->j->secret_key,
	    b->j->host, &b->client, why, sizeof(why));
	if (r == 0) {
		r = mftd_remote_open(b->client, &b->remote);
		if (r < 0)
			snprintf(why, sizeof(why), "sftp: %s",
			    mftd_ssh_client_why(b->client));
	}
	if (r < 0) {
		fail_all(b, r, why[0] != '\0' ? why : mftd_strerror(r), "");
		disconnect(b);
	}
}

/* ---- the whole */

static bool
any_goes_on(const struct mftd_batch *b)
{
	const struct mftd_item *it;

	FOR_EACH_ACTIVE(it, b)
	if (mftd_item_goes_on(it))
		return true;
	return false;
}

/* Names, and the sources. */
static void
prepare(struct mftd_batch *b, struct mftd_item *it)
{
	int r = mftd_deliver_final_name(&it->d, it->final, sizeof(it->final));

	it->publishing = it->evidence;
	if (r == 0)
		r = mftd_deliver_temp_name(
		    &it->d, it->d.tries, it->temp, sizeof(it->temp));
	if (r < 0)
		mftd_item_fail(it, r, "name", mftd_strerror(r));
	else if (it->evidence)
		it->mtime = it->d.mtime;
	else
		mftd_item_open_source(b->j->conf, it);
	it->drop = false;
}

/* The phases of design section 7.  Between two of them the rows are written;
 * who has failed in one is told of with the others' success. */
static int
do_batch(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r;

	FOR_EACH_ACTIVE(it, b)
	prepare(b, it);
	if (any_goes_on(b))
		connect_partner(b);
	mftd_batch_say(b, MFTD_EVENT_BEGIN);
	r = mftd_batch_tell(b);
	if (r == 0)
		mftd_batch_send(b);
	mftd_batch_say(b, MFTD_EVENT_SENT);
	if (r == 0)
		r = mftd_batch_tell(b);
	if (r == 0) {
		mftd_batch_drop(b);
		mftd_batch_announce(b);
		r = mftd_batch_tell(b);
	}
	if (r == 0) {
		mftd_batch_examine(b);
		r = mftd_batch_tell(b);
	}
	if (r == 0) {
		mftd_batch_rename(b);
		r = mftd_batch_tell(b);
	}
	if (r == 0)
		mftd_batch_drop(b);
	return r;
}

static void
take_job(struct mftd_item *it, const struct mftd_msg_deliver_job *job)
{
	struct mftd_delivery *d = &it->d;

	memset(it, 0, sizeof(*it));
	snprintf(d->id, sizeof(d->id), "%s", job->id);
	snprintf(d->receipt, sizeof(d->receipt), "%s", job->receipt);
	snprintf(d->volume, sizeof(d->volume), "%s", job->volume);
	snprintf(d->directory, sizeof(d->directory), "%s", job->directory);
	snprintf(d->name, sizeof(d->name), "%s", job->name);
	d->tries = job->tries;
	d->size = job->size;
	d->mtime = job->mtime;
	d->has_sha256 = job->has_sha256 != 0;
	memcpy(d->sha256, job->sha256, sizeof(d->sha256));
	it->evidence = job->evidence != 0;
	it->settled = job->settled != 0;
	it->source = -1;
	it->active = true;
	it->event = MFTD_EVENT_COUNT;
}

int
mftd_batch_take(struct mftd_batch *b)
{
	const struct mftd_msg_deliver_job *job;
	struct mftd_msg m;
	uint32_t more = 1;
	int r;

	alarm(0);
	for (b->n = 0; more > 0; b->n++) {
		r = mftd_chan_wait(b->c, &m, -1);
		if (r < 0)
			return r;
		job = m.data;
		if (m.type != MFTD_MSG_DELIVER_JOB || job->item != b->n ||
		    b->n == MFTD_DELIVER_BATCH_MAX)
			return -MFTD_E_PROTOCOL;
		take_job(&b->items[b->n], job);
		more = job->more;
	}
	return 0;
}

int
mftd_deliver_run(const struct mftd_deliver *j, struct mftd_chan *c)
{
	struct mftd_batch b = { .j = j, .c = c };
	uint32_t i;
	int r = -ENOMEM;

	b.items = calloc(MFTD_DELIVER_BATCH_MAX, sizeof(*b.items));
	b.sum = EVP_MD_CTX_new();
	b.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (b.items == NULL || b.sum == NULL || b.sha256 == NULL)
		goto out;
	while ((r = mftd_batch_take(&b)) == 0) {
		r = do_batch(&b);
		for (i = 0; i < b.n; i++)
			mftd_fd_close(&b.items[i].source);
		if (r < 0)
			break;
	}
out:
	alarm(0);
	disconnect(&b);
	EVP_MD_CTX_free(b.sum);
	EVP_MD_free(b.sha256);
	free(b.items);
	return r == -MFTD_E_CLOSED ? 0 : r;
}
