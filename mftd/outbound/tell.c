/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/outbound/batch.h"

/* Words with outbound: its batches, and what becomes of them. */

static void
put_step(
    const struct mftd_batch *b, struct mftd_item *it, struct mftd_msg_step *s)
{
	*s = (struct mftd_msg_step) { .item = (uint32_t)(it - b->items),
		.event = it->event,
		.err = it->err,
		.seen = it->seen,
		.mtime = it->mtime,
		.bytes = it->sent,
		.has = it->d.has };
	snprintf(s->text, sizeof(s->text), "%s", it->why);
	if (it->summed) {
		s->has_sha256 = 1;
		memcpy(s->sha256, it->sum, sizeof(s->sha256));
	}
	if (it->event == MFTD_EVENT_PUBLISH)
		it->publishing = true;
}

int
mftd_batch_ask(struct mftd_batch *b, const struct mftd_msg_step *steps,
    uint32_t n, struct mftd_msg_deliver_answer *answer)
{
	struct mftd_msg_deliver_step head = {
		.n = n, .called = b->called, .err = b->call_err
	};
	struct mftd_msg m;
	int r;

	snprintf(head.why, sizeof(head.why), "%s", b->call_why);
	b->called = MFTD_CALLED_NOT;

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
	alarm(MFTD_CALL_WATCHDOG_S);
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
	case MFTD_EVENT_DELIVERED:
		it->delivered = true;
		it->evidence = false;
		it->settled = true; /* nobody has renamed its trigger yet */
		it->active = it->trigger_temp[0] != '\0';
		break;
	default:
		it->active = false;
	}
	it->event = MFTD_EVENT_COUNT;
	it->why[0] = '\0';
	it->err = 0;
}

/* Its row is somebody else's: what lies at the partner may be too, unless it is
 * nobody's. */
static void
let_alone(struct mftd_item *it, int err)
{
	it->active = false;
	it->drop = err == -ECANCELED && !it->evidence;
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
	r = mftd_batch_ask(b, steps, n, &answer);
	if (r < 0)
		return r;
	FOR_EACH_ACTIVE(it, b)
	{
		if (it->event == MFTD_EVENT_COUNT)
			continue;
		if (answer.err[it - b->items] == 0)
			go_on(it);
		else
			let_alone(it, answer.err[it - b->items]);
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
	snprintf(d->host, sizeof(d->host), "%s", job->host);
	d->at = job->at;
	d->has = job->has;
	it->delivered = job->delivered != 0;
	it->evidence = job->evidence != 0;
	it->settled = job->settled != 0;
	it->seen = job->seen != 0;
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
