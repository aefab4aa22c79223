/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_NODE_H
#define TESTS_UNIT_JOURNAL_NODE_H

#include <stdint.h>

#include "mftd/journal/change.h"
#include "tests/unit/journal/tree.h"

/* One node's journal on a volume, by calls of the modules, and alice's session
 * "<life>-1" there. */
struct node {
	struct mftd_volume vol;
	struct mftd_stream *stream;
	struct mftd_work *work;
	struct mftd_owner owner;
};

void node_open(
    struct node *n, struct tree *t, const char *name, const char *life);

/* As a crash: what was not committed is gone, the lock is free. */
void node_close(struct node *n);

/* A part of alice's f with that text; returns its inode. */
uint64_t node_part(struct node *n, const char *part, const char *text);

/* Opens the directory that the parts of alice's f lie in; -1: there is none. */
int node_parts_dir(struct node *n);

/* Does one change of the session as a batch of its own; returns its answer. */
int node_change(struct node *n, uint32_t type, const void *msg);

#endif
