/* Part of mftd; see LICENSE. */
#include "mftd/sftp/wait.h"

#include <stdlib.h>
#include <string.h>

#include "mftd/base/limits.h"
#include "mftd/sftp/op.h"

struct mftd_sftp_waiter {
	TAILQ_ENTRY(mftd_sftp_waiter) link;
	struct mftd_sftp_claims claims; /* their paths are its own */
	size_t len;
	uint8_t packet[];
};

static bool
same_handle(const struct mftd_sftp_claims *a, const struct mftd_sftp_claims *b)
{
	unsigned i, k;

	for (i = 0; i < a->n_handles; i++)
		for (k = 0; k < b->n_handles; k++)
			if (a->handles[i] == b->handles[k])
				return true;
	return false;
}

bool
mftd_sftp_claims_conflict(
    const struct mftd_sftp_claims *a, const struct mftd_sftp_claims *b)
{
	const char *pa, *pb;
	unsigned i, k;

	if (same_handle(a, b))
		return true;
	for (i = 0; i < a->n_paths; i++) {
		for (k = 0; k < b->n_paths; k++) {
			pa = a->paths[i].path;
			pb = b->paths[k].path;
			if (strcmp(pa, pb) == 0 ||
			    (a->paths[i].below &&
				mftd_sftp_path_within(pb, pa)) ||
			    (b->paths[k].below &&
				mftd_sftp_path_within(pa, pb)))
				return true;
		}
	}
	return false;
}

void
mftd_sftp_wait_init(struct mftd_sftp_wait *w)
{
	memset(w, 0, sizeof(*w));
	TAILQ_INIT(&w->list);
}

static void
waiter_free(struct mftd_sftp_waiter *x)
{
	unsigned i;

	for (i = 0; i < x->claims.n_paths; i++)
		free((char *)(uintptr_t)x->claims.paths[i].path);
	free(x);
}

static void
drop(struct mftd_sftp_wait *w, struct mftd_sftp_waiter *x)
{
	TAILQ_REMOVE(&w->list, x, link);
	w->n--;
	w->bytes -= x->len;
	waiter_free(x);
}

void
mftd_sftp_wait_clear(struct mftd_sftp_wait *w)
{
	while (!TAILQ_EMPTY(&w->list))
		drop(w, TAILQ_FIRST(&w->list));
}

bool
mftd_sftp_wait_conflict(
    const struct mftd_sftp_wait *w, const struct mftd_sftp_claims *claims)
{
	const struct mftd_sftp_waiter *x;

	TAILQ_FOREACH(x, &w->list, link) {
		if (x == w->at)
			break;
		if (mftd_sftp_claims_conflict(&x->claims, claims))
			return true;
	}
	return false;
}

bool
mftd_sftp_wait_add(struct mftd_sftp_wait *w, const uint8_t *packet, size_t len,
    const struct mftd_sftp_claims *claims)
{
	struct mftd_sftp_waiter *x;
	unsigned i;

	if (w->n >= MFTD_SFTP_WAITING_MAX ||
	    w->bytes + len > MFTD_SFTP_WAITING_BYTES)
		return false;
	x = malloc(sizeof(*x) + len);
	if (x == NULL)
		return false;
	x->claims = *claims;
	for (i = 0; i < claims->n_paths; i++) {
		x->claims.paths[i].path = strdup(claims->paths[i].path);
		if (x->claims.paths[i].path == NULL) {
			x->claims.n_paths = i;
			waiter_free(x);
			return false;
		}
	}
	x->len = len;
	memcpy(x->packet, packet, len);
	TAILQ_INSERT_TAIL(&w->list, x, link);
	w->n++;
	w->bytes += len;
	return true;
}

void
mftd_sftp_wait_run(struct mftd_sftp *s, struct mftd_sftp_wait *w,
    bool (*run)(struct mftd_sftp *s, const uint8_t *packet, size_t len))
{
	struct mftd_sftp_waiter *x, *next;

	for (x = TAILQ_FIRST(&w->list); x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		w->at = x;
		if (run(s, x->packet, x->len))
			drop(w, x);
	}
	w->at = NULL;
}
