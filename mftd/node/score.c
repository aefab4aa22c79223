/* Part of mftd; see LICENSE. */
#include "mftd/node/score.h"

#include <string.h>

static struct mftd_score_row *
find(struct mftd_score *s, const struct mftd_cidr *source)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->rows[i].source.bits == source->bits &&
		    memcmp(s->rows[i].source.address, source->address,
			sizeof(source->address)) == 0)
			return &s->rows[i];
	return NULL;
}

static struct mftd_score_row *
make(struct mftd_score *s, const struct mftd_cidr *source, int64_t now_ms)
{
	struct mftd_score_row *r = &s->rows[0];
	size_t i;

	if (s->n < MFTD_BAN_SCORES_MAX)
		r = &s->rows[s->n++];
	else
		for (i = 1; i < s->n; i++)
			if (s->rows[i].last_ms < r->last_ms)
				r = &s->rows[i];
	r->source = *source;
	r->failures = 0;
	r->since_ms = now_ms;
	return r;
}

bool
mftd_score_fail(struct mftd_score *s, const struct mftd_cidr *source,
    int64_t now_ms, int enough, int64_t window_ms)
{
	struct mftd_score_row *r = find(s, source);

	if (r == NULL)
		r = make(s, source, now_ms);
	if (now_ms - r->since_ms >= window_ms) {
		r->failures = 0;
		r->since_ms = now_ms;
	}
	r->last_ms = now_ms;
	if (++r->failures < enough)
		return false;
	*r = s->rows[--s->n];
	return true;
}

void
mftd_score_forget(struct mftd_score *s, const struct mftd_cidr *source)
{
	struct mftd_score_row *r = find(s, source);

	if (r != NULL)
		*r = s->rows[--s->n];
}
