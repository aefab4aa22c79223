/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_LISTING_H
#define MFTD_OUTBOUND_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The files of a partner's folder over several looks, by name: which of them
 * have not changed for a while.  Pure; times are the caller's, in milliseconds
 * of a clock that does not jump.
 */
struct mftd_listed {
	char *name;
	uint64_t size;
	int64_t mtime;
	int64_t since_ms; /* seen just so since then */
	uint32_t first, look; /* the first and the last one that saw it so */
	bool done; /* the caller's: nothing more to do with it as it is */
};

struct mftd_listing {
	struct mftd_listed *list; /* by name, outside of a look */
	size_t n, room, sorted; /* the first of them, by name */
	uint32_t look;
	size_t over; /* names of this look that there was no room for */
};

/* Begins a look. */
void mftd_listing_begin(struct mftd_listing *l);

/* This look sees a file.  One of another size or mtime than before begins
 * anew.  0; -ENOMEM; or -MFTD_E_LIMIT beyond MFTD_FETCH_NAMES_MAX, and
 * then l->over counts it. */
int mftd_listing_see(struct mftd_listing *l, const char *name, uint64_t size,
    int64_t mtime, int64_t now_ms);

/* Ends a look: what it did not see is forgotten, a name that it saw twice is
 * one. */
void mftd_listing_end(struct mftd_listing *l);

/* Whether it was seen unchanged in two looks at least stable_ms apart. */
bool mftd_listed_is_stable(
    const struct mftd_listed *e, int64_t now_ms, int64_t stable_ms);

/* The one of that name, or NULL; not during a look. */
struct mftd_listed *mftd_listing_find(
    const struct mftd_listing *l, const char *name);

/* The name's file is gone: what has it from now on begins anew, even if it
 * looks the same. */
void mftd_listing_forget(struct mftd_listing *l, const char *name);

void mftd_listing_free(struct mftd_listing *l);

#endif
