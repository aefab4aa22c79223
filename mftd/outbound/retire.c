/* Part of mftd; see LICENSE. */
#include <stdbool.h>
#include <string.h>

#include "mftd/base/log.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

/* Delivers whose configuration is of yesterday. */

#define FOR_EACH_RUNNER(rn, q)                                            \
	for ((rn) = (q)->runners; (rn) < (q)->runners + MFTD_RUNNERS_MAX; \
	     (rn)++)

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
are_same(char **a, size_t n_a, char **b, size_t n_b)
{
	size_t i;

	for (i = 0; i < n_a && n_a == n_b; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return n_a == n_b;
}

/* Whether both are called at the same places, as the same user, and known by
 * the same keys. */
static bool
is_called_alike(const struct mftd_partner *a, const struct mftd_partner *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port &&
	    are_same(a->other_hosts, a->n_other_hosts, b->other_hosts,
		b->n_other_hosts) &&
	    are_same(
		a->host_keys, a->n_host_keys, b->host_keys, b->n_host_keys) &&
	    strcmp(a->user, b->user) == 0 &&
	    is_same(a->key_file, b->key_file) &&
	    is_same(a->password, b->password) &&
	    is_same(a->source, b->source) &&
	    is_same(a->key_exchanges, b->key_exchanges) &&
	    is_same(a->ciphers, b->ciphers) && is_same(a->macs, b->macs);
}

/* Whether what it has under way must not go on: its partner, of the objects
 * before, is another one now, or gone. */
static bool
is_outdated(const struct mftd_runner *rn, const struct mftd_objects *old)
{
	const struct mftd_partner *now = mftd_known_partner(rn->q, rn->partner);
	size_t i;

	for (i = 0; i < old->n_partners; i++)
		if (strcmp(old->partners[i].name, rn->partner) == 0)
			return now == NULL ||
			    !is_called_alike(&old->partners[i], now);
	return false; /* an account's */
}

void
mftd_runners_retire(struct mftd_queue *q, const struct mftd_objects *old)
{
	struct mftd_runner *rn;

	FOR_EACH_RUNNER(rn, q)
	{
		rn->retire = true;
		if (rn->child.pid != 0 && old != NULL)
			rn->outdated |= is_outdated(rn, old);
	}
}

/* Whether all that it has can be left where it is: none may be renamed. */
static bool
is_only_sending(const struct mftd_runner *rn)
{
	const struct mftd_job *job;
	size_t i;

	for (i = 0; i < MFTD_DELIVER_BATCH_MAX; i++) {
		job = rn->jobs[i];
		if (job != NULL &&
		    (job->pending || mftd_delivery_is_published(job->d.state)))
			return false;
	}
	return rn->n > 0;
}

void
mftd_retired_work(struct mftd_queue *q)
{
	struct mftd_runner *rn;

	FOR_EACH_RUNNER(rn, q)
	{
		if (!rn->outdated || rn->ended || rn->probe ||
		    rn->chan == NULL || !is_only_sending(rn))
			continue;
		log_info("partner=%s: its configuration has changed: what is "
			 "being sent begins anew",
		    rn->partner);
		rn->ended = true;
		mftd_runner_kill(rn);
	}
}
