/* Part of mftd; see LICENSE. */
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/cluster/engine.h"

#define CLAIM_AGAIN_MS 5000 /* a claim that nothing came of */
#define BACKOFF_MS 1000 /* after the first failed recovery; doubles */
#define BACKOFF_MAX_MS 60000
#define TELL_AGAIN_MS 30000 /* no answer to events.recover */

/* ---- recoveries */

static struct mftd_duty *
duty_of(struct mftd_cluster *c, const char *incarnation)
{
	struct mftd_duty *d;
	size_t i;

	for (i = 0; i < c->n_duties; i++)
		if (strcmp(c->duties[i].incarnation, incarnation) == 0)
			return &c->duties[i];
	if (c->n_duties == MFTD_INCARNATIONS_MAX)
		return NULL; /* forget() makes room */
	d = &c->duties[c->n_duties++];
	memset(d, 0, sizeof(*d));
	snprintf(d->incarnation, sizeof(d->incarnation), "%s", incarnation);
	return d;
}

/* Drops what the table does not ask for any more. */
static void
forget(struct mftd_cluster *c)
{
	const struct mftd_table_row *r;
	size_t i;

	for (i = c->n_duties; i-- > 0;) {
		r = mftd_table_find(c->table, c->duties[i].incarnation);
		if (r == NULL || r->recovered)
			c->duties[i] = c->duties[--c->n_duties];
	}
}

static int64_t
backoff_ms(uint32_t failures)
{
	int64_t ms = BACKOFF_MS;

	while (--failures > 0 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static void
claim(struct mftd_cluster *c, struct mftd_duty *d, int64_t now_ms)
{
	struct mftd_gm m = { .type = MFTD_GM_CLAIM };

	snprintf(m.u.incarnation.incarnation,
	    sizeof(m.u.incarnation.incarnation), "%s", d->incarnation);
	if (mftd_engine_say(c, &m) == 0)
		d->not_before_ms = now_ms + CLAIM_AGAIN_MS;
}

static void
look_at(struct mftd_cluster *c, const struct mftd_table_row *r, int64_t now_ms)
{
	struct mftd_duty *d = duty_of(c, r->incarnation);

	if (d == NULL)
		return;
	if (d->failures != r->failures) {
		d->failures = r->failures;
		d->not_before_ms = now_ms + backoff_ms(r->failures);
	}
	if (strcmp(r->claimer, c->self.incarnation) == 0) {
		if (d->told_ms == 0 || now_ms - d->told_ms >= TELL_AGAIN_MS)
			d->tell = true;
		return;
	}
	d->told_ms = 0;
	d->tell = false;
	if (r->claimer[0] == '\0' && now_ms >= d->not_before_ms)
		claim(c, d, now_ms);
	else if (r->claimer[0] != '\0' && r->failures == 0)
		d->not_before_ms = 0; /* at once when that one is lost */
}

void
mftd_duty_look(struct mftd_cluster *c, int64_t now_ms)
{
	const struct mftd_table_row *r, *me;
	size_t i;

	if (!mftd_cluster_ready(c))
		return;
	me = mftd_table_present(c->table, &c->group->me);
	if (me == NULL || me->gone || c->said_gone)
		return;
	forget(c);
	for (i = 0; (r = mftd_table_row(c->table, i)) != NULL; i++)
		if (r->gone && !r->recovered)
			look_at(c, r, now_ms);
}

const char *
mftd_duty_next(struct mftd_cluster *c, int64_t now_ms)
{
	size_t i;

	for (i = 0; i < c->n_duties; i++) {
		if (!c->duties[i].tell)
			continue;
		c->duties[i].tell = false;
		c->duties[i].told_ms = now_ms;
		return c->duties[i].incarnation;
	}
	return NULL;
}

/* ---- the lease */

void
mftd_duty_quorum(struct mftd_cluster *c, enum mftd_quorum quorum)
{
	c->quorum = quorum;
	if (quorum == MFTD_QUORUM_UNKNOWN)
		return;
	c->quorate = quorum == MFTD_QUORUM_YES;
	if (!c->quorate)
		mftd_lease_renew(c->lease, 0);
}

/* Counted from when it was sent: a beat that was held up proves nothing about
 * now. */
void
mftd_duty_beat(struct mftd_cluster *c, const struct mftd_gm_beat *beat)
{
	int64_t now = mftd_clock_ms(), sent = (int64_t)beat->sent_ms;

	c->beat_ms = now;
	if (sent > now || now - sent >= c->lease_ms || !mftd_cluster_ready(c))
		return;
	mftd_lease_renew(c->lease, c->lease_ms - (int)(now - sent));
}
