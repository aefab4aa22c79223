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
make(struct mftd_score *s, const struct mftd_cidr *source)
{
	struct mftd_score_row *r = &s->rows[0];
	size_t i;

	if (s->n < MFTD_BAN_SCORES_MAX)
		r = &s->rows[s->n++];
	else
		for (i = 1; i < s->n; i++)
			if (s->rows[i].last_ms < r->last_ms)
				r = &s->rows[i];
	memset(r, 0, sizeof(*r));
	r->source = *source;
	return r;
}

/* Slices that have passed are empty ones from now on. */
static void
slide(struct mftd_score_row *r, int64_t slice)
{
	if (slice - r->last > MFTD_SCORE_SLICES)
		memset(r->failures, 0, sizeof(r->failures));
	else
		while (r->last < slice)
			r->failures[++r->last % (MFTD_SCORE_SLICES + 1)] = 0;
	r->last = slice;
}

bool
mftd_score_fail(struct mftd_score *s, const struct mftd_cidr *source,
    int64_t now_ms, int enough, int64_t window_ms)
{
	struct mftd_score_row *r = find(s, source);
	int64_t slice_ms = window_ms / MFTD_SCORE_SLICES;
	int i, sum = 0;

	if (r == NULL)
		r = make(s, source);
	slide(r, now_ms / (slice_ms > 0 ? slice_ms : 1));
	r->last_ms = now_ms;
	if (r->failures[r->last % (MFTD_SCORE_SLICES + 1)] < UINT16_MAX)
		r->failures[r->last % (MFTD_SCORE_SLICES + 1)]++;
	for (i = 0; i <= MFTD_SCORE_SLICES; i++)
		sum += r->failures[i];
	if (sum < enough)
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
