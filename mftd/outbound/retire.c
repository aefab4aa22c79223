/* Part of mftd; see LICENSE. */
#include <stdbool.h>
#include <string.h>

#include "mftd/base/log.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/pulse.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

/* Delivers whose configuration is of yesterday. */

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
has(char **list, size_t n, const char *text)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

/* Whether b has all that a has. */
static bool
are_kept(char **a, size_t n_a, char **b, size_t n_b)
{
	size_t i;

	for (i = 0; i < n_a; i++)
		if (!has(b, n_b, a[i]))
			return false;
	return true;
}

/* Whether who is called by was may be so by now: at such a place, as that user,
 * known by such a key.  What lets us in is not asked for again; and a password
 * is sealed anew by each apply. */
static bool
is_called_alike(const struct mftd_partner *was, const struct mftd_partner *now)
{
	return strcmp(was->host, now->host) == 0 && was->port == now->port &&
	    are_kept(was->other_hosts, was->n_other_hosts, now->other_hosts,
		now->n_other_hosts) &&
	    are_kept(was->host_keys, was->n_host_keys, now->host_keys,
		now->n_host_keys) &&
	    strcmp(was->user, now->user) == 0 &&
	    is_same(was->source, now->source) &&
	    is_same(was->key_exchanges, now->key_exchanges) &&
	    is_same(was->ciphers, now->ciphers) &&
	    is_same(was->macs, now->macs);
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
		if (rn->child.pid == 0 || old == NULL || !is_outdated(rn, old))
			continue;
		log_info("partner=%s: its configuration has changed: what is "
			 "being sent begins anew",
		    rn->partner);
		mftd_pulse_stop(mftd_runner_pulse(rn), true);
	}
}
