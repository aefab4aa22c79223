/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_circle.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "mftd/base/err.h"
#include "mftd/catalog/after.h"
#include "mftd/catalog/partner_path.h"
#include "mftd/catalog/route_folder.h"

#define CHAIN_BYTES 400 /* of a refusal */

/* A way of a route from a place to a place, while all of them are walked.
 * Places are words: "account a". */
struct edge {
	const struct mftd_route *r;
	const char *from, *to;
	const char *field; /* that says to */
	const GPtrArray *others; /* places that to may be as well; NULL */
	guint other; /* how many of them were gone on from */
	size_t next; /* of those that begin at the last of these */
	enum { NEW, OPEN, DONE } state; /* OPEN: on the way to here */
};

struct circles {
	const struct mftd_route *routes;
	size_t n_routes;
	mftd_account_at_fn account;
	const void *data;
	GHashTable *words; /* all places that were named */
	GHashTable *others; /* of a place those that it may be as well */
	struct edge *list;
	size_t n, room;
};

/* ---- places */

static const char *
keep_word(struct circles *c, char *word)
{
	char *known = g_hash_table_lookup(c->words, word);

	if (known == NULL) {
		g_hash_table_add(c->words, word);
		return word;
	}
	g_free(word);
	return known;
}

static const char *
account_place(struct circles *c, const char *name)
{
	return keep_word(c, g_strdup_printf("account %s", name));
}

static const char *
folder_place(struct circles *c, const char *volume, const char *path)
{
	return keep_word(c, g_strdup_printf("folder %s %s", volume, path));
}

/* As its words go: links at the partner nobody knows.  "~N/a" is a, seen from N
 * folders above the one where the login starts. */
static const char *
partner_place(struct circles *c, const char *partner, const char *directory)
{
	char *path = mftd_partner_path_plain(directory);
	const char *place = keep_word(c,
	    directory[0] == '/'
		? g_strdup_printf("partner %s %s", partner, path)
		: g_strdup_printf("partner %s ~%u%s", partner,
		      mftd_partner_path_ups(directory), path));

	g_free(path);
	return place;
}

/* ---- places that may be one (partner_path.h) */

#define PARTNER "partner "

/* The path of a partner's place behind what nobody knows: from its first slash
 * on.  NULL: no partner's. */
static const char *
known_path(const char *place)
{
	return strncmp(place, PARTNER, strlen(PARTNER)) == 0
	    ? strchr(place, '/')
	    : NULL;
}

static bool
is_relative(const char *place)
{
	const char *path = known_path(place);

	return path != NULL && path[-1] != ' ';
}

/* What a path and the relative ones have in common that it may be: the partner,
 * and the last name; without one: where the login starts. */
static char *
key_of(const char *place, bool with_name)
{
	const char *name = strchr(place + strlen(PARTNER), ' ');

	return g_strdup_printf("%.*s%s", (int)(name - place), place,
	    with_name ? strrchr(place, '/') : "/");
}

/* How many folders above the login's it begins. */
static unsigned
ups_of(const char *place)
{
	const char *name = strchr(place + strlen(PARTNER), ' ');

	return is_relative(place)
	    ? (unsigned)strtoul(name + strlen(" ~"), NULL, 10)
	    : MFTD_PARTNER_PATH_ROOT;
}

/* The list under that key, which it takes. */
static GPtrArray *
list_of(GHashTable *lists, char *key)
{
	GPtrArray *list = g_hash_table_lookup(lists, key);

	if (list == NULL) {
		list = g_ptr_array_new();
		g_hash_table_insert(lists, key, list);
	} else {
		g_free(key);
	}
	return list;
}

static void
note_others(
    struct circles *c, GHashTable *relatives, char *place, bool with_name)
{
	char *key = key_of(place, with_name);
	const GPtrArray *list = g_hash_table_lookup(relatives, key);
	char *other;
	guint i;

	for (i = 0; list != NULL && i < list->len; i++) {
		other = list->pdata[i];
		if (!mftd_partner_path_meets(ups_of(place), known_path(place),
			ups_of(other), known_path(other)))
			continue;
		g_ptr_array_add(list_of(c->others, g_strdup(place)), other);
		g_ptr_array_add(list_of(c->others, g_strdup(other)), place);
	}
	g_free(key);
}

static void
free_list(void *list)
{
	g_ptr_array_free(list, TRUE);
}

static GHashTable *
new_lists(void)
{
	return g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, free_list);
}

/* Notes of each place which others it may be: two by two, for two that a third
 * one may be need not be one. */
static void
note_all_others(struct circles *c)
{
	GHashTable *relatives = new_lists();
	GHashTableIter iter;
	void *place;

	g_hash_table_iter_init(&iter, c->words);
	while (g_hash_table_iter_next(&iter, &place, NULL))
		if (is_relative(place))
			g_ptr_array_add(
			    list_of(relatives, key_of(place, true)), place);
	g_hash_table_iter_init(&iter, c->words);
	while (g_hash_table_iter_next(&iter, &place, NULL)) {
		if (known_path(place) == NULL || ups_of(place) == 0)
			continue;
		note_others(c, relatives, place, true);
		note_others(c, relatives, place, false);
	}
	g_hash_table_destroy(relatives);
}

static const struct mftd_account *
find_account(const struct circles *c, const char *name)
{
	const struct mftd_account *a;
	size_t i;

	for (i = 0; (a = c->account(c->data, i)) != NULL; i++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

/* ---- the ways of a route */

static int
add_edge(struct circles *c, const struct mftd_route *r, const char *from,
    const char *to, const char *field)
{
	size_t room = c->room > 0 ? 2 * c->room : 64;
	struct edge *list;

	if (c->n == c->room) {
		list = reallocarray(c->list, room, sizeof(*list));
		if (list == NULL)
			return -ENOMEM;
		c->list = list;
		c->room = room;
	}
	c->list[c->n++] =
	    (struct edge) { .r = r, .from = from, .to = to, .field = field };
	return 0;
}

/* From each place that r takes files from: a folder's also come to the accounts
 * that have it. */
static int
add_ways(struct circles *c, const struct mftd_route *r, const char *to,
    const char *field)
{
	const struct mftd_account *a;
	size_t i;
	int e;

	if (r->pull != NULL)
		return add_edge(c, r,
		    partner_place(c, r->pull->partner, r->pull->directory), to,
		    field);
	if (r->folder == NULL)
		return add_edge(c, r, account_place(c, r->account), to, field);
	e = add_edge(c, r, folder_place(c, r->folder->volume, r->folder->path),
	    to, field);
	for (i = 0; e == 0 && (a = c->account(c->data, i)) != NULL; i++)
		if (mftd_route_folder_within(r->folder, a))
			e = add_edge(
			    c, r, account_place(c, a->name), to, field);
	return e;
}

/* The paths that an archive may have, as fnmatch(3) has it: words in braces are
 * made of digits.  below: the path that it is in, or NULL. */
static char *
archive_pattern(const char *below, const char *archive)
{
	GString *s = g_string_new(NULL);
	const char *c;

	for (c = below != NULL ? below : ""; *c != '\0'; c++)
		g_string_append_printf(s, "\\%c", *c);
	if (s->len > 0)
		g_string_append_c(s, '/');
	for (c = archive; *c != '\0'; c++) {
		if (*c != '{') {
			g_string_append_printf(
			    s, *c == '/' ? "%c" : "\\%c", *c);
			continue;
		}
		g_string_append(s, "[0-9]*");
		c += strcspn(c, "}");
		if (*c == '\0')
			break;
	}
	return g_string_free(s, FALSE);
}

/* To each folder that another route looks into, and that may be r's archive. */
static int
add_archive(struct circles *c, const struct mftd_route *r)
{
	const struct mftd_account *a =
	    r->account != NULL ? find_account(c, r->account) : NULL;
	const char *volume = r->folder != NULL ? r->folder->volume
	    : a != NULL			       ? a->volume
					       : NULL;
	const char *below = r->folder != NULL	     ? r->folder->path
	    : a != NULL && strcmp(a->root, ".") != 0 ? a->root
						     : NULL;
	const struct mftd_route_folder *f;
	char *pattern;
	size_t i;
	int e = 0;

	if (r->after == NULL || volume == NULL ||
	    mftd_after_of(r->after) != MFTD_AFTER_ARCHIVE)
		return 0;
	if (r->archive_below != NULL && strcmp(r->archive_below, "volume") == 0)
		below = NULL;
	pattern = archive_pattern(below, r->archive);
	for (i = 0; e == 0 && i < c->n_routes; i++) {
		f = c->routes[i].folder;
		if (f != NULL && strcmp(f->volume, volume) == 0 &&
		    fnmatch(pattern, f->path, FNM_PATHNAME) == 0)
			e = add_ways(
			    c, r, folder_place(c, volume, f->path), "archive");
	}
	g_free(pattern);
	return e;
}

static int
add_route(struct circles *c, const struct mftd_route *r)
{
	const struct mftd_route_pull *pull = r->pull;
	int e;

	if (r->to_account != NULL)
		e = add_ways(
		    c, r, account_place(c, r->to_account), "to_account");
	else
		e = add_ways(c, r, partner_place(c, r->partner, r->directory),
		    "directory");
	if (e == 0 && r->partner != NULL && r->at.temp_directory[0] != '\0')
		e = add_ways(c, r,
		    partner_place(c, r->partner, r->at.temp_directory),
		    "temp_directory");
	if (e == 0 && pull != NULL && pull->move_to != NULL)
		e = add_ways(c, r,
		    partner_place(c, pull->partner, pull->move_to),
		    "from_partner.move_to");
	return e == 0 ? add_archive(c, r) : e;
}

/* ---- the walk */

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct edge *)a)->from, ((const struct edge *)b)->from);
}

/* The first of the sorted edges that begins at the place, or after it. */
static size_t
first_of(const struct edge *e, size_t n, const char *place)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(e[mid].from, place) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Enters an edge: the way behind it is walked next. */
static void
enter(struct circles *c, size_t k, size_t *way, size_t *depth)
{
	struct edge *e = &c->list[k];

	e->state = OPEN;
	e->others = g_hash_table_lookup(c->others, e->to);
	e->next = first_of(c->list, c->n, e->to);
	way[(*depth)++] = k;
}

/* The next edge that goes on from where e ends: from that place, and then from
 * those that it may be.  n: there is none. */
static size_t
next_of(const struct circles *c, struct edge *e)
{
	const char *place =
	    e->other > 0 ? e->others->pdata[e->other - 1] : e->to;

	for (;;) {
		if (e->next < c->n && strcmp(c->list[e->next].from, place) == 0)
			return e->next++;
		if (e->others == NULL || e->other == e->others->len)
			return c->n;
		place = e->others->pdata[e->other++];
		e->next = first_of(c->list, c->n, place);
	}
}

/* Walks all ways from the edge at first.  How many edges the way has that
 * closes a loop, and in *begin where the loop begins in it; or 0. */
static size_t
walk(struct circles *c, size_t first, size_t *way, size_t *begin)
{
	size_t depth = 0, k;
	struct edge *here;

	enter(c, first, way, &depth);
	while (depth > 0) {
		here = &c->list[way[depth - 1]];
		k = next_of(c, here);
		if (k == c->n) {
			here->state = DONE;
			depth--;
		} else if (c->list[k].state == OPEN) {
			for (*begin = 0; way[*begin] != k; ++*begin)
				;
			return depth;
		} else if (c->list[k].state == NEW) {
			enter(c, k, way, &depth);
		}
	}
	return 0;
}

/* Whether the loop is one only if two places are the same that may be. */
static bool
is_guess(const struct circles *c, const size_t *way, size_t begin, size_t end)
{
	size_t i, next;

	for (i = begin; i < end; i++) {
		next = i + 1 < end ? i + 1 : begin;
		if (strcmp(c->list[way[i]].to, c->list[way[next]].from) != 0)
			return true;
	}
	return false;
}

static int
refuse(struct mftd_check *p, const struct circles *c, const size_t *way,
    size_t begin, size_t end)
{
	const struct edge *last = &c->list[way[end - 1]];
	char text[CHAIN_BYTES];
	size_t i, used;

	used = (size_t)snprintf(text, sizeof(text),
	    "its files would come back to where they came from: ");
	for (i = begin; i < end && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s%s", i > begin ? " -> " : "", c->list[way[i]].r->name);
	if (is_guess(c, way, begin, end) && used < sizeof(text))
		snprintf(text + used, sizeof(text) - used,
		    " (only the partner knows where a login starts: write its "
		    "folders in one way)");
	p->index = (size_t)(last->r - c->routes);
	return mftd_check_refuse(p, last->field, text);
}

int
mftd_routes_check_loops(struct mftd_check *p, const struct mftd_route *routes,
    size_t n, mftd_account_at_fn account, const void *data)
{
	struct circles c = { .routes = routes,
		.n_routes = n,
		.account = account,
		.data = data,
		.words = g_hash_table_new_full(
		    g_str_hash, g_str_equal, g_free, NULL),
		.others = new_lists() };
	size_t *way = NULL, i, begin = 0, end = 0;
	int r = 0;

	for (i = 0; r == 0 && i < n; i++)
		r = add_route(&c, &routes[i]);
	if (r < 0 || c.n == 0)
		goto out;
	r = -ENOMEM;
	way = calloc(c.n, sizeof(*way));
	if (way == NULL)
		goto out;
	note_all_others(&c);
	qsort(c.list, c.n, sizeof(*c.list), compare);
	for (i = 0; i < c.n && end == 0; i++)
		if (c.list[i].state == NEW)
			end = walk(&c, i, way, &begin);
	r = end > 0 ? refuse(p, &c, way, begin, end) : 0;
out:
	g_hash_table_destroy(c.others);
	g_hash_table_destroy(c.words);
	free(c.list);
	free(way);
	return r;
}
