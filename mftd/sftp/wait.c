/* Part of mftd; see LICENSE. */
#include "mftd/sftp/wait.h"

#include <errno.h>
#include <stdio.h>
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

void
mftd_sftp_claims_free(struct mftd_sftp_claims *c)
{
	while (c->n_paths > 0)
		free((char *)(uintptr_t)c->paths[--c->n_paths].path);
}

int
mftd_sftp_claims_copy(
    struct mftd_sftp_claims *to, const struct mftd_sftp_claims *from)
{
	unsigned i;

	*to = *from;
	for (i = 0; i < from->n_paths; i++) {
		to->paths[i].path = strdup(from->paths[i].path);
		if (to->paths[i].path == NULL) {
			to->n_paths = i;
			mftd_sftp_claims_free(to);
			return -ENOMEM;
		}
	}
	return 0;
}

void
mftd_sftp_claims_renamed(
    struct mftd_sftp_claims *c, const char *from, const char *to)
{
	char *path;
	unsigned i;

	for (i = 0; i < c->n_paths; i++) {
		if (!c->paths[i].moves ||
		    !mftd_sftp_path_within(c->paths[i].path, from) ||
		    asprintf(
			&path, "%s%s", to, c->paths[i].path + strlen(from)) < 0)
			continue;
		free((char *)(uintptr_t)c->paths[i].path);
		c->paths[i].path = path;
	}
}

static void
waiter_free(struct mftd_sftp_waiter *x)
{
	mftd_sftp_claims_free(&x->claims);
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

void
mftd_sftp_wait_renamed(
    struct mftd_sftp_wait *w, const char *from, const char *to)
{
	struct mftd_sftp_waiter *x;

	TAILQ_FOREACH(x, &w->list, link)
		mftd_sftp_claims_renamed(&x->claims, from, to);
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

	if (w->n >= MFTD_SFTP_WAITING_MAX ||
	    w->bytes + len > MFTD_SFTP_WAITING_BYTES)
		return false;
	x = malloc(sizeof(*x) + len);
	if (x == NULL)
		return false;
	if (mftd_sftp_claims_copy(&x->claims, claims) < 0) {
		free(x);
		return false;
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
