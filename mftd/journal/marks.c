/* Part of mftd; see LICENSE. */
#include "mftd/journal/marks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"

void
mftd_marks_init(struct mftd_marks *m)
{
	LIST_INIT(&m->list);
	m->n = 0;
}

static void
drop(struct mftd_marks *m, struct mftd_mark *k)
{
	LIST_REMOVE(k, link);
	m->n--;
	free(k);
}

void
mftd_marks_clear(struct mftd_marks *m)
{
	while (!LIST_EMPTY(&m->list))
		drop(m, LIST_FIRST(&m->list));
}

struct mftd_mark *
mftd_marks_find(const struct mftd_marks *m, const char *part)
{
	struct mftd_mark *k;

	LIST_FOREACH(k, &m->list, link)
	if (strcmp(k->part, part) == 0)
		break;
	return k;
}

int
mftd_marks_set(struct mftd_marks *m, size_t max, const char *part,
    uint64_t durable, uint64_t base)
{
	struct mftd_mark *k = mftd_marks_find(m, part);

	if (k == NULL) {
		if (m->n >= max)
			return -MFTD_E_LIMIT;
		k = calloc(1, sizeof(*k));
		if (k == NULL)
			return -ENOMEM;
		snprintf(k->part, sizeof(k->part), "%s", part);
		LIST_INSERT_HEAD(&m->list, k, link);
		m->n++;
	}
	k->durable = durable;
	k->base = base;
	k->cut = false;
	return 0;
}

void
mftd_marks_drop(struct mftd_marks *m, const char *part)
{
	struct mftd_mark *k = mftd_marks_find(m, part);

	if (k != NULL)
		drop(m, k);
}
