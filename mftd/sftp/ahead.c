/* Part of mftd; see LICENSE. */
#include "mftd/sftp/ahead.h"

#include <string.h>

/* Takes n ranges out from the i-th on. */
static void
take_out(struct mftd_sftp_ahead *a, unsigned i, unsigned n)
{
	memmove(&a->at[i], &a->at[i + n], (a->n - i - n) * sizeof(a->at[0]));
	a->n -= n;
}

void
mftd_sftp_ahead_add(struct mftd_sftp_ahead *a, uint64_t from, uint64_t to)
{
	unsigned i, end;

	for (i = 0; i < a->n && a->at[i].to < from; i++)
		continue;
	/* those that it touches become one with it */
	for (end = i; end < a->n && a->at[end].from <= to; end++) {
		if (a->at[end].from < from)
			from = a->at[end].from;
		if (a->at[end].to > to)
			to = a->at[end].to;
	}
	take_out(a, i, end - i);
	if (a->n == MFTD_SFTP_AHEAD_MAX) {
		if (i == a->n)
			return; /* the farthest is of the least use */
		a->n--;
	}
	memmove(&a->at[i + 1], &a->at[i], (a->n - i) * sizeof(a->at[0]));
	a->at[i].from = from;
	a->at[i].to = to;
	a->n++;
}

uint64_t
mftd_sftp_ahead_join(struct mftd_sftp_ahead *a, uint64_t contig)
{
	while (a->n > 0 && a->at[0].from <= contig) {
		if (a->at[0].to > contig)
			contig = a->at[0].to;
		take_out(a, 0, 1);
	}
	return contig;
}

void
mftd_sftp_ahead_cut(struct mftd_sftp_ahead *a, uint64_t size)
{
	while (a->n > 0 && a->at[a->n - 1].from >= size)
		a->n--;
	if (a->n > 0 && a->at[a->n - 1].to > size)
		a->at[a->n - 1].to = size;
}
