/* Part of mftd; see LICENSE. */
#include "mftd/outbound/place.h"

#include <stddef.h>
#include <string.h>

#include "mftd/base/limits.h"
#include "mftd/outbound/names.h"

#define PATH_BYTES (2 * MFTD_PATH_BYTES + 2)

static uint64_t
hash(uint64_t h, const char *text)
{
	for (; *text != '\0'; text++) /* FNV-1a */
		h = (h ^ (unsigned char)*text) * 0x100000001b3;
	return h;
}

static uint64_t
hash_at(const struct mftd_delivery *d, const char *path)
{
	uint64_t h = hash(0xcbf29ce484222325, d->partner);

	return hash((h ^ '/') * 0x100000001b3, path) | 1;
}

/* Behind the last slash but one, without the components that say nothing. */
static const char *
end_of(char *path)
{
	char *from = path, *to = path;
	const char *end = path, *last = path;

	for (; *from != '\0'; from++) {
		if (*from == '/' && from[1] == '.' && from[2] == '/')
			from++;
		else if (*from != '/' || from[1] != '/')
			*to++ = *from;
	}
	*to = '\0';
	for (from = path; *from != '\0'; from++) {
		if (*from != '/')
			continue;
		end = last;
		last = from + 1;
	}
	return strncmp(end, "./", 2) == 0 ? end + 2 : end;
}

static void
put(struct mftd_place *out, enum mftd_place_kind kind,
    const struct mftd_delivery *d, char *path)
{
	const char *end = end_of(path), *slash = strrchr(end, '/');

	out->names[kind] = hash_at(d, end);
	out->bases[kind] = hash_at(d, slash != NULL ? slash + 1 : end);
	out->anywhere[kind] = slash == NULL;
}

void
mftd_place_of(const struct mftd_delivery *d, struct mftd_place *out)
{
	char path[PATH_BYTES];

	memset(out, 0, sizeof(*out));
	if (mftd_delivery_account(d) != NULL)
		return;
	if (mftd_deliver_final_name(d, path, sizeof(path)) == 0)
		put(out, MFTD_PLACE_FINAL, d, path);
	if (d->at.trigger[0] != '\0' &&
	    mftd_deliver_trigger_name(d, path, sizeof(path)) == 0)
		put(out, MFTD_PLACE_TRIGGER, d, path);
}

static bool
may_be_one(const struct mftd_place *a, int i, const struct mftd_place *b, int k)
{
	return a->bases[i] != 0 && a->bases[i] == b->bases[k] &&
	    (a->anywhere[i] || b->anywhere[k] || a->names[i] == b->names[k]);
}

bool
mftd_place_meets(const struct mftd_place *a, const struct mftd_place *b)
{
	int i, k;

	for (i = 0; i < MFTD_PLACE_KINDS; i++)
		for (k = 0; k < MFTD_PLACE_KINDS; k++)
			if (i != k && may_be_one(a, i, b, k))
				return true;
	return false;
}

static size_t
slot_of(uint64_t name)
{
	return (size_t)(name >> 20) % MFTD_PLACE_SLOTS;
}

void
mftd_places_enter(struct mftd_places *all, const struct mftd_place *p)
{
	int i;

	for (i = 0; i < MFTD_PLACE_KINDS; i++)
		if (p->bases[i] != 0)
			all->n[i][slot_of(p->bases[i])]++;
}

void
mftd_places_leave(struct mftd_places *all, const struct mftd_place *p)
{
	int i;

	for (i = 0; i < MFTD_PLACE_KINDS; i++)
		if (p->bases[i] != 0)
			all->n[i][slot_of(p->bases[i])]--;
}

bool
mftd_places_may_meet(const struct mftd_places *all, const struct mftd_place *p)
{
	int i, k;

	for (i = 0; i < MFTD_PLACE_KINDS; i++)
		for (k = 0; k < MFTD_PLACE_KINDS; k++)
			if (i != k && p->bases[i] != 0 &&
			    all->n[k][slot_of(p->bases[i])] > 0)
				return true;
	return false;
}
