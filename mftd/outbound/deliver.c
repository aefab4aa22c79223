/* Part of mftd; see LICENSE. */
#include "mftd/outbound/deliver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/outbound/batch.h"
#include "mftd/outbound/pace.h"
#include "mftd/outbound/trigger.h"

/* The last resort where a call has no deadline of its own (name resolution, a
 * key exchange that crawls): SIGALRM ends this process. */
#define WATCHDOG_S MFTD_CALL_WATCHDOG_S

/* A server that was not heard for so long is asked whether it is there, and has
 * so long to say so. */
#define QUIET_MS 200
#define ANSWER_MS 3000

/* ---- items */

/* The reason is not to be cut off behind a long name. */
static void
put_why(struct mftd_item *it, const char *what, const char *detail)
{
	bool fits = strlen(what) + strlen(detail) + 2 < sizeof(it->why);

	snprintf(it->why, sizeof(it->why), "%s%s%s", fits ? what : detail,
	    detail[0] != '\0' ? ": " : "", fits ? detail : what);
}

void
mftd_item_fail(
    struct mftd_item *it, int err, const char *what, const char *detail)
{
	it->event =
	    it->lasting && !it->publishing ? MFTD_EVENT_FAIL : MFTD_EVENT_RETRY;
	it->err = err;
	put_why(it, what, detail);
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

/* The partner has answered something since this was asked last. */
static void
beat(struct mftd_batch *b)
{
	uint64_t n = b->remote != NULL ? mftd_remote_answers(b->remote) : 0;

	if (n != b->answers && b->j->pulse != NULL)
		mftd_pulse_beat(b->j->pulse, mftd_clock_ms());
	b->answers = n;
}

/* Asked often while requests are under way, which have deadlines of their own.
 */
static int
go_on_talking(void *data)
{
	alarm(WATCHDOG_S);
	beat(data);
	return holds_lease(data);
}

int
mftd_batch_pace(struct mftd_batch *b, size_t bytes)
{
	return mftd_pace_await(
	    b->j->pace, b->j->partner->bandwidth, bytes, go_on_talking, b);
}

bool
mftd_batch_may_go_on(struct mftd_batch *b)
{
	int r = holds_lease(b);

	if (r < 0)
		fail_all(b, r, "stopped", mftd_strerror(r));
	return r == 0;
}

/* ---- the connection */

/* A call was in vain: what is not in PUBLISHING has not begun. */
static void
put_back_all(struct mftd_batch *b)
{
	struct mftd_item *it;

	FOR_EACH_ACTIVE(it, b)
	{
		if (it->event != MFTD_EVENT_COUNT)
			continue;
		mftd_item_fail(it, b->call_err, b->call_why, "");
		it->drop = false;
		if (!it->publishing)
			it->event = MFTD_EVENT_PUT_BACK;
	}
}

/* Whether the server answers on the connection that waited between two
 * batches: while nothing is at stake, for amid a batch it would cost a try.
 * What it says does not matter. */
static bool
is_answered(struct mftd_batch *b)
{
	const int request_ms = b->call.target.request_ms;
	struct mftd_remote_answer answer = { 0 };
	struct mftd_remote_attrs a;
	int r;

	if (mftd_clock_ms() - mftd_remote_heard_ms(b->remote) < QUIET_MS)
		return true;
	alarm(WATCHDOG_S);
	if (request_ms > ANSWER_MS)
		b->call.target.request_ms = ANSWER_MS;
	r = mftd_remote_lstat(b->remote, ".", &a, &answer);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	b->call.target.request_ms = request_ms;
	if (r < 0)
		log_info("%s does not answer any more (%s): called again",
		    mftd_ssh_client_address(b->client),
		    mftd_remote_why(b->remote));
	return r == 0;
}

/* Evidence is looked for just where PUBLISHING happened (runner.c, suits): the
 * call may have led to another of the partner's hosts. */
static void
check_host(struct mftd_batch *b)
{
	struct mftd_item *it;

	if (b->remote == NULL || b->j->host != NULL)
		return;
	FOR_EACH_ACTIVE(it, b)
	if (mftd_item_goes_on(it) && it->publishing && it->d.host[0] != '\0' &&
	    strcmp(it->d.host, mftd_ssh_client_address(b->client)) != 0)
		mftd_item_fail(it, -MFTD_E_CLOSED,
		    "the connection to the host where it is was lost", "");
}

static void
connect_partner(struct mftd_batch *b)
{
	char why[MFTD_REASON_BYTES] = "";
	int r;

	if (b->client != NULL &&
	    (mftd_ssh_client_is_closed(b->client) || !is_answered(b)))
		disconnect(b);
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
	b->called = r == 0 ? MFTD_CALLED_LET_IN : MFTD_CALLED_IN_VAIN;
	b->call_err = r;
	snprintf(b->call_why, sizeof(b->call_why), "%s",
	    r == 0 || why[0] != '\0' ? why : mftd_strerror(r));
	if (r < 0) {
		put_back_all(b);
		disconnect(b);
	}
}

/* A call without a batch.  -MFTD_E_CLOSED: it was in vain. */
static int
probe(struct mftd_batch *b)
{
	struct mftd_msg_deliver_answer answer;
	int r;

	connect_partner(b);
	r = mftd_batch_ask(b, NULL, 0, &answer);
	return r == 0 && b->remote == NULL ? -MFTD_E_CLOSED : r;
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

/* They are the same whenever it is tried. */
static void
fail_name(struct mftd_item *it, int err, const char *what, const char *why)
{
	it->lasting = true;
	mftd_item_fail(it, err, what, why);
	it->drop = false;
}

/* Names: those of its row, or, of one that is to be sent, as its route has
 * them. */
static int
make_names(struct mftd_item *it)
{
	struct mftd_delivery *d = &it->d;
	uint32_t tries = d->has.temp_try != 0 ? d->has.temp_try : d->tries;
	int r = mftd_deliver_final_name(d, it->final, sizeof(it->final));

	if (r == 0)
		r = mftd_deliver_temp_name(
		    d, tries, it->temp, sizeof(it->temp));
	if (r == 0 && d->at.trigger[0] != '\0')
		r = mftd_deliver_trigger_temp(
		    d, it->trigger_temp, sizeof(it->trigger_temp));
	return r;
}

/* Names, and the sources. */
static void
prepare(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_progress *has = &it->d.has;
	bool begun = it->evidence || it->delivered;
	const char *fault;
	int r;

	it->publishing = begun;
	it->unanswered = it->evidence;
	it->resumed = has->temp_try != 0 && has->temp_try != it->d.tries;
	if (!begun)
		mftd_item_start_over(it);
	r = make_names(it);
	fault = begun ? NULL : mftd_deliver_name_fault(&it->d);
	if (r < 0)
		fail_name(it, r, "name", mftd_strerror(r));
	else if (fault != NULL)
		fail_name(it, -EINVAL, fault, "");
	else if (begun)
		it->mtime = it->d.mtime;
	else
		mftd_item_open_source(b->j->conf, it);
	it->summed = begun && it->d.has_sha256;
	if (it->summed)
		memcpy(it->sum, it->d.sha256, sizeof(it->sum));
	it->drop = false;
}

void
mftd_item_begin_anew(struct mftd_item *it)
{
	int r;

	it->going_on = it->resumed = false;
	it->from = 0;
	it->d.has.temp_try = it->d.tries;
	r = make_names(it);
	if (r < 0)
		fail_name(it, r, "name", mftd_strerror(r));
}

/* Where an earlier try was cut at this very host its temporary name may be of
 * use. */
static void
choose_temp(struct mftd_batch *b, struct mftd_item *it)
{
	const struct mftd_delivery *d = &it->d;

	it->going_on = d->at.resume && d->size >= MFTD_RESUME_BYTES &&
	    d->has.temp_try != 0 && b->client != NULL &&
	    strcmp(d->host, mftd_ssh_client_address(b->client)) == 0;
	if (!it->going_on)
		mftd_item_begin_anew(it);
}

static bool
any_renames(const struct mftd_batch *b)
{
	const struct mftd_item *it;

	FOR_EACH_ACTIVE(it, b)
	if (it->renaming)
		return true;
	return false;
}

/* Whether something follows that takes its time, before it can be published:
 * else it is SENT and PUBLISHING by one row. */
static bool
is_sent_alone(const struct mftd_item *it)
{
	const struct mftd_handling *at = &it->d.at;

	return at->trigger[0] != '\0' ||
	    at->if_exists == MFTD_IF_EXISTS_NUMBER ||
	    at->if_exists == MFTD_IF_EXISTS_SKIP;
}

/* From BEGIN to SENT. */
static int
send_batch(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r;

	FOR_EACH_ACTIVE(it, b)
	if (mftd_item_is_fresh(it))
		choose_temp(b, it);
	mftd_batch_say(b, MFTD_EVENT_BEGIN);
	r = mftd_batch_tell(b);
	if (r == 0)
		mftd_batch_send(b);
	FOR_EACH_ACTIVE(it, b)
	if (mftd_item_is_fresh(it) && is_sent_alone(it))
		it->event = MFTD_EVENT_SENT;
	return r == 0 ? mftd_batch_tell(b) : r;
}

/* From there to DELIVERED. */
static int
publish_batch(struct mftd_batch *b)
{
	int r;

	mftd_batch_announce(b);
	mftd_batch_write_triggers(b);
	r = mftd_batch_tell(b);
	if (r == 0) {
		mftd_batch_examine(b);
		mftd_batch_write_triggers(b);
		r = mftd_batch_tell(b);
	}
	/* more than once where a name was taken meanwhile */
	while (r == 0 && any_renames(b)) {
		mftd_batch_rename(b);
		mftd_batch_write_triggers(b);
		r = mftd_batch_tell(b);
	}
	return r;
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
	check_host(b);
	r = send_batch(b);
	if (r == 0) {
		mftd_batch_drop(b);
		r = publish_batch(b);
	}
	if (r == 0) {
		mftd_batch_trigger(b);
		r = mftd_batch_tell(b);
	}
	if (r == 0) {
		mftd_batch_drop(b);
		mftd_batch_tidy_again(b);
	}
	return r;
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
	r = j->probe ? probe(&b) : 0;
	while (r == 0 && (r = mftd_batch_take(&b)) == 0) {
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
