/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/path.h"

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
	size_t next; /* of those that begin where it ends */
	enum { NEW, OPEN, DONE } state; /* OPEN: on the way to here */
};

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct edge *)a)->r->account,
	    ((const struct edge *)b)->r->account);
}

/* The first of the sorted edges that begins at account, or after it. */
static size_t
first_of(const struct edge *e, size_t n, const char *account)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(e[mid].r->account, account) < 0)
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
		if (k >= n ||
		    strcmp(e[k].r->account, here->r->to_account) != 0) {
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

int
mftd_routes_check_loops(
    struct mftd_check *p, const struct mftd_route *routes, size_t n)
{
	struct edge *e = calloc(n + 1, sizeof(*e));
	size_t *way = calloc(n + 1, sizeof(*way)), i, edges = 0;
	const struct mftd_route *bad = NULL;
	int r = -ENOMEM;

	if (e == NULL || way == NULL)
		goto out;
	for (i = 0; i < n; i++)
		if (routes[i].account != NULL && routes[i].to_account != NULL)
			e[edges++].r = &routes[i];
	qsort(e, edges, sizeof(*e), compare);
	for (i = 0; i < edges && bad == NULL; i++)
		if (e[i].state == NEW)
			bad = walk(e, edges, i, way);
	r = 0;
	if (bad != NULL) {
		p->index = (size_t)(bad - routes);
		r = mftd_check_refuse(p, "to_account",
		    "its files would come back to where they came from");
	}
out:
	free(e);
	free(way);
	return r;
}
