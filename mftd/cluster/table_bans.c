/* Part of mftd; see LICENSE. */
#include <string.h>

#include "mftd/cluster/table_rows.h"

/* The place of net in the sorted bans; *found when it is there. */
static size_t
place(const struct mftd_table *t, const char *net, bool *found)
{
	size_t low = 0, high = t->n_bans, mid;
	int cmp;

	*found = false;
	while (low < high) {
		mid = low + (high - low) / 2;
		cmp = strcmp(t->bans[mid].net, net);
		if (cmp == 0) {
			*found = true;
			return mid;
		}
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
drop(struct mftd_table *t, size_t i)
{
	t->n_bans--;
	memmove(
	    &t->bans[i], &t->bans[i + 1], (t->n_bans - i) * sizeof(t->bans[0]));
}

static void
make_room(struct mftd_table *t, int64_t now_us)
{
	size_t i, first = 0;

	for (i = t->n_bans; i-- > 0;)
		if (t->bans[i].until_us <= now_us)
			drop(t, i);
	if (t->n_bans < MFTD_BANS_MAX)
		return;
	for (i = 1; i < t->n_bans; i++)
		if (t->bans[i].until_us < t->bans[first].until_us)
			first = i;
	drop(t, first);
}

void
mftd_table_ban_add(
    struct mftd_table *t, const struct mftd_cluster_ban *ban, int64_t now_us)
{
	bool found;
	size_t i;

	mftd_table_ban_del(t, ban->net);
	make_room(t, now_us);
	i = place(t, ban->net, &found);
	memmove(
	    &t->bans[i + 1], &t->bans[i], (t->n_bans - i) * sizeof(t->bans[0]));
	t->bans[i] = *ban;
	t->n_bans++;
}

void
mftd_table_ban_del(struct mftd_table *t, const char *net)
{
	bool found;
	size_t i = place(t, net, &found);

	if (found)
		drop(t, i);
}
