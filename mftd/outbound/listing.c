/* Part of mftd; see LICENSE. */
#include "mftd/outbound/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/limits.h"

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct mftd_listed *)a)->name,
	    ((const struct mftd_listed *)b)->name);
}

static struct mftd_listed *
find(const struct mftd_listing *l, const char *name)
{
	const struct mftd_listed key = { .name = (char *)(uintptr_t)name };

	return l->sorted == 0
	    ? NULL
	    : bsearch(&key, l->list, l->sorted, sizeof(key), compare);
}

struct mftd_listed *
mftd_listing_find(const struct mftd_listing *l, const char *name)
{
	return find(l, name);
}

void
mftd_listing_begin(struct mftd_listing *l)
{
	l->look++;
	l->over = 0;
}

static int
add(struct mftd_listing *l, const struct mftd_listed *e)
{
	size_t room = l->room > 0 ? 2 * l->room : 64;
	struct mftd_listed *list;

	if (l->n == MFTD_FETCH_NAMES_MAX) {
		l->over++;
		return -MFTD_E_LIMIT;
	}
	if (l->n == l->room) {
		list = realloc(l->list, room * sizeof(*list));
		if (list == NULL)
			return -ENOMEM;
		l->list = list;
		l->room = room;
	}
	l->list[l->n] = *e;
	l->list[l->n].name = strdup(e->name);
	if (l->list[l->n].name == NULL)
		return -ENOMEM;
	l->n++;
	return 0;
}

int
mftd_listing_see(struct mftd_listing *l, const char *name, uint64_t size,
    int64_t mtime, int64_t now_ms)
{
	struct mftd_listed fresh = { .name = (char *)(uintptr_t)name,
		.size = size,
		.mtime = mtime,
		.since_ms = now_ms,
		.first = l->look,
		.look = l->look };
	struct mftd_listed *e = find(l, name);

	if (e == NULL)
		return add(l, &fresh);
	if (e->size != size || e->mtime != mtime) {
		fresh.name = e->name;
		*e = fresh;
	}
	e->look = l->look;
	return 0;
}

void
mftd_listing_end(struct mftd_listing *l)
{
	size_t i, n = 0;

	if (l->n > 0)
		qsort(l->list, l->n, sizeof(*l->list), compare);
	for (i = 0; i < l->n; i++) {
		if (l->list[i].look == l->look &&
		    (n == 0 || compare(&l->list[n - 1], &l->list[i]) != 0))
			l->list[n++] = l->list[i];
		else
			free(l->list[i].name);
	}
	l->n = l->sorted = n;
}

bool
mftd_listed_is_stable(
    const struct mftd_listed *e, int64_t now_ms, int64_t stable_ms)
{
	return e->look != e->first && now_ms - e->since_ms >= stable_ms;
}

void
mftd_listing_forget(struct mftd_listing *l, const char *name)
{
	struct mftd_listed *e = find(l, name);

	if (e == NULL)
		return;
	e->mtime = INT64_MIN; /* no file's */
	e->done = false;
}

void
mftd_listing_free(struct mftd_listing *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->list[i].name);
	free(l->list);
	*l = (struct mftd_listing) { 0 };
}
