/* Part of mftd; see LICENSE. */
#include "mftd/outbound/known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/log.h"

/*
 * Where deliveries go, by the configuration.  Those to a partner or an account
 * that it has not are left in the catalog: none is tried, and as soon as it has
 * it (again) they go.
 */

const struct mftd_partner *
mftd_known_partner(const struct mftd_queue *q, const char *name)
{
	size_t i;

	for (i = 0; q->objects != NULL && i < q->objects->n_partners; i++)
		if (strcmp(q->objects->partners[i].name, name) == 0)
			return &q->objects->partners[i];
	return NULL;
}

const struct mftd_account *
mftd_known_account(const struct mftd_queue *q, const char *name)
{
	size_t i;

	for (i = 0; q->objects != NULL && i < q->objects->n_accounts; i++)
		if (strcmp(q->objects->accounts[i].name, name) == 0)
			return &q->objects->accounts[i];
	return NULL;
}

const char *
mftd_unknown(const struct mftd_queue *q, const struct mftd_delivery *d)
{
	const char *account = mftd_delivery_account(d);

	if (account != NULL)
		return mftd_known_account(q, account) == NULL
		    ? "its account is not in the configuration"
		    : NULL;
	return mftd_known_partner(q, d->partner) == NULL
	    ? "its partner is not in the configuration"
	    : NULL;
}

bool
mftd_unknown_is_noted(const struct mftd_queue *q, const char *target)
{
	char word[MFTD_TARGET_BYTES + 3];

	snprintf(word, sizeof(word), " %s ", target);
	return q->unknown != NULL && strstr(q->unknown, word) != NULL;
}

void
mftd_unknown_note(struct mftd_queue *q, const char *target)
{
	char *more;

	if (mftd_unknown_is_noted(q, target) ||
	    asprintf(&more, "%s%s ", q->unknown != NULL ? q->unknown : " ",
		target) < 0)
		return; /* without memory the next claim notes it */
	free(q->unknown);
	q->unknown = more;
	log_warn(
	    "deliveries to %s wait: it is not in the configuration", target);
}

void
mftd_unknown_forget(struct mftd_queue *q)
{
	free(q->unknown);
	q->unknown = NULL;
	q->claim_ms = q->vain_ms = 0;
}
