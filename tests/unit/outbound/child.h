/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_OUTBOUND_CHILD_H
#define TESTS_UNIT_OUTBOUND_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "tests/unit/outbound/partner.h"

struct steps;

/* What outbound's children need, a deliver and a fetch, where a test plays
 * outbound to them. */

/* When to kill one: at a message, before its row is written, between row and
 * answer, or after the answer. */
enum moment { BEFORE_ROW, AFTER_ROW, AFTER_ANSWER };

/* Makes the volume "main" beside the partner's files, at path, which has room
 * for size bytes, with .mft/out in it; conf is told. */
void child_volume(
    const struct partner *p, char *path, size_t size, struct mftd_conf *conf);

/* Runs run(job, its channel) in a process of its own; ours is *c.  Where steps
 * is not NULL its calls are steps, which the caller arms, before it starts or
 * later. */
pid_t child_start(const struct partner *p, struct steps *steps,
    int (*run)(void *job, struct mftd_chan *c), void *job,
    struct mftd_chan **c);

#endif
