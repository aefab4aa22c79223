/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_STEPS_H
#define MFTD_CATALOG_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/catalog.h"

/* One delivery's way from one state to the next. */
struct mftd_row_step {
	const struct mftd_delivery *d; /* as it is to be; the id says which */
	enum mftd_delivery_state from;
	const struct mftd_try *t; /* to be written with it; NULL: none */
	int result; /* 0, or -ENOENT: it is not in `from` */
};

/*
 * Moves n deliveries, each another (up to MFTD_STEPS_MAX), from `from`
 * to d->state and stores their tries, host, mtime, due_us, sha256, error (bytes
 * beyond ASCII become "?"), progress and first_us, and the rows of their tries,
 * of which the last MFTD_TRIES_KEPT stay.  All at once: after an error none was
 * moved (or, as above, all that could be); one that is not in `from` hinders no
 * other.
 */
int mftd_catalog_steps(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_row_step *steps, size_t n);

/*
 * The same in two parts, so that the caller can do something else meanwhile:
 * _send may have done it all by then, or not waited for the answer; _take has
 * what came of it, -EAGAIN while that is not known, but with wait.  steps, and
 * what they point to, stay until then.  Any other call with c waits for the end
 * of what was sent.
 */
int mftd_catalog_steps_send(struct mftd_catalog *c,
    const struct mftd_role_row *role, struct mftd_row_step *steps, size_t n);
int mftd_catalog_steps_take(
    struct mftd_catalog *c, struct mftd_row_step *steps, size_t n, bool wait);

/* What can be read when there may be something to take: c's, until the next
 * call with it.  -1: there is nothing to wait for. */
int mftd_catalog_fd(const struct mftd_catalog *c);

/* The same for one.  -ENOENT when it is not in `from`: also after a step whose
 * answer was lost. */
int mftd_catalog_step(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_delivery *d, enum mftd_delivery_state from);

#endif
