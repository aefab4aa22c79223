/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/path.h"
#include "mftd/catalog/route_folder.h"

static int
check_folder(const struct mftd_check *p, struct mftd_route *r)
{
	char clean[MFTD_PATH_BYTES];
	const char *path = r->to_directory != NULL ? r->to_directory : "";

	if (r->directory != NULL)
		return mftd_check_refuse(p, "directory",
		    "is a partner's; an account's is to_directory");
	if (path[0] != '\0' &&
	    (!mftd_check_plain(path) ||
		mftd_path_clean(path, strlen(path), clean, sizeof(clean)) < 0 ||
		strcmp(path, clean) != 0))
		return mftd_check_refuse(p, "to_directory",
		    "must be a plain path below the account's root");
	r->directory = r->to_directory;
	r->to_directory = NULL;
	return 0;
}

int
mftd_route_target_check(const struct mftd_check *p, struct mftd_route *r,
    bool has_partner, bool has_account)
{
	int e = 0;

	if ((r->partner == NULL) == (r->to_account == NULL))
		return mftd_check_refuse(p,
		    r->partner == NULL ? "name" : "to_account",
		    "a route leads to either a partner or an account");
	if (r->partner != NULL && !has_partner)
		return mftd_check_refuse(p, "partner", "no such partner");
	if (r->to_account != NULL && !has_account)
		return mftd_check_refuse(p, "to_account", "no such account");
	if (r->to_account != NULL)
		e = check_folder(p, r);
	else if (r->to_directory != NULL)
		return mftd_check_refuse(p, "to_directory",
		    "is an account's; a partner's is directory");
	if (e < 0)
		return e;
	if (r->directory == NULL)
		r->directory = strdup("");
	if (r->directory == NULL)
		return -ENOMEM;
	if (!mftd_check_plain(r->directory))
		return mftd_check_refuse(
		    p, "directory", "holds a control character");
	return 0;
}

/* ---- loops */

/* A route between accounts, while all of them are walked. */
struct edge {
	const struct mftd_route *r;
	const char *from; /* an account */
	size_t next; /* of those that begin where it ends */
	enum { NEW, OPEN, DONE } state; /* OPEN: on the way to here */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct edge *)a)->from, ((const struct edge *)b)->from);
}

/* The first of the sorted edges that begins at account, or after it. */
static size_t
first_of(const struct edge *e, size_t n, const char *account)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(e[mid].from, account) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Enters an edge: the way behind it is walked next. */
static void
enter(struct edge *e, size_t n, size_t k, size_t *way, size_t *depth)
{
	e[k].state = OPEN;
	e[k].next = first_of(e, n, e[k].r->to_account);
	way[(*depth)++] = k;
}

/* Walks all ways from the edge at first.  The route that closes a loop, or
 * NULL. */
static const struct mftd_route *
walk(struct edge *e, size_t n, size_t first, size_t *way)
{
	size_t depth = 0, k;
	struct edge *here;

	enter(e, n, first, way, &depth);
	while (depth > 0) {
		here = &e[way[depth - 1]];
		k = here->next++;
		if (k >= n || strcmp(e[k].from, here->r->to_account) != 0) {
			here->state = DONE;
			depth--;
		} else if (e[k].state == OPEN) {
			return here->r;
		} else if (e[k].state == NEW) {
			enter(e, n, k, way, &depth);
		}
	}
	return NULL;
}

typedef const struct mftd_account *(*account_fn)(const void *data, size_t i);

struct edges {
	struct edge *list;
	size_t n, room;
};

static int
add_edge(struct edges *e, const struct mftd_route *r, const char *from)
{
	size_t room = e->room > 0 ? 2 * e->room : 64;
	struct edge *list;

	if (e->n == e->room) {
		list = reallocarray(e->list, room, sizeof(*list));
		if (list == NULL)
			return -ENOMEM;
		e->list = list;
		e->room = room;
	}
	e->list[e->n++] = (struct edge) { .r = r, .from = from };
	return 0;
}

/* The edges of a route: from its account, or from each that has its folder. */
static int
add_route(struct edges *e, const struct mftd_route *r, account_fn account,
    const void *data)
{
	const struct mftd_account *a;
	size_t i;
	int err = 0;

	if (r->to_account == NULL || r->pull != NULL)
		return 0;
	if (r->folder == NULL)
		return add_edge(e, r, r->account);
	for (i = 0; err == 0 && (a = account(data, i)) != NULL; i++)
		if (mftd_route_folder_within(r->folder, a))
			err = add_edge(e, r, a->name);
	return err;
}

int
mftd_routes_check_loops(struct mftd_check *p, const struct mftd_route *routes,
    size_t n, account_fn account, const void *data)
{
	struct edges e = { 0 };
	const struct mftd_route *bad = NULL;
	size_t *way = NULL, i;
	int r = 0;

	for (i = 0; r == 0 && i < n; i++)
		r = add_route(&e, &routes[i], account, data);
	if (r < 0 || e.n == 0)
		goto out;
	r = -ENOMEM;
	way = calloc(e.n, sizeof(*way));
	if (way == NULL)
		goto out;
	qsort(e.list, e.n, sizeof(*e.list), compare);
	for (i = 0; i < e.n && bad == NULL; i++)
		if (e.list[i].state == NEW)
			bad = walk(e.list, e.n, i, way);
	r = 0;
	if (bad != NULL) {
		p->index = (size_t)(bad - routes);
		r = mftd_check_refuse(p, "to_account",
		    "its files would come back to where they came from");
	}
out:
	free(e.list);
	free(way);
	return r;
}
