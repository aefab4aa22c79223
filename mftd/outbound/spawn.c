/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>

#include "mftd/conf/conf.h"
#include "mftd/outbound/child.h"
#include "mftd/outbound/deliver.h"
#include "mftd/outbound/deposit.h"
#include "mftd/outbound/pace.h"
#include "mftd/outbound/queue.h"

#define CONTEXT_BYTES (MFTD_TARGET_BYTES + 16)

/* A deposit, and the end of its channel to journal. */
struct deposit {
	struct mftd_deposit j;
	int journal;
};

static int
deliver(const void *job, struct mftd_chan *c)
{
	return mftd_deliver_run(job, c);
}

static int
deposit(const void *job, struct mftd_chan *c)
{
	const struct deposit *d = job;
	struct mftd_chan *journal =
	    mftd_chan_new(d->journal, MFTD_PROC_JOURNAL, "");

	return journal != NULL ? mftd_deposit_run(&d->j, c, journal) : -ENOMEM;
}

static void
ended(void *data, int status)
{
	mftd_runner_reaped(data, status);
}

int
mftd_runner_spawn(struct mftd_runner *rn, const struct mftd_partner *p)
{
	struct mftd_worker *w = rn->q->w;
	struct mftd_deliver j = { .partner = p,
		.host = rn->host[0] != '\0' ? rn->host : NULL,
		.conf = w->conf,
		.lease = w->lease,
		.secret_key = w->conf->secret_key,
		.probe = rn->probe,
		.pace = mftd_paces_at(rn->q->paces, rn->pace) };
	char context[CONTEXT_BYTES];
	struct mftd_errand e = { .name = "deliver",
		.context = context,
		.kind = MFTD_PROC_DELIVER,
		.instance = rn->partner,
		.fd = -1,
		.run = deliver,
		.job = &j,
		.ended = ended,
		.data = rn };

	snprintf(context, sizeof(context), "partner=%s", rn->partner);
	return mftd_child_start(&rn->child, w, &e, &rn->chan);
}

int
mftd_runner_spawn_deposit(struct mftd_runner *rn, const char *session,
    const struct mftd_policy *policy, int journal)
{
	struct mftd_worker *w = rn->q->w;
	struct deposit d = { .j = { .session = session,
				 .policy = policy,
				 .conf = w->conf,
				 .lease = w->lease },
		.journal = journal };
	char context[CONTEXT_BYTES];
	struct mftd_errand e = { .name = "deposit",
		.context = context,
		.kind = MFTD_PROC_DELIVER,
		.instance = rn->partner,
		.fd = journal,
		.run = deposit,
		.job = &d,
		.ended = ended,
		.data = rn };

	snprintf(context, sizeof(context), "account=%s", rn->partner + 1);
	return mftd_child_start(&rn->child, w, &e, &rn->chan);
}
