/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_ROUND_H
#define MFTD_CLUSTER_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/cluster/wire.h"

/*
 * A round: how the processes in a configuration agree on whose table counts.
 *
 *	change of the configuration
 *	COLLECT		the first one delivered opens the round; its place in
 *			the order is where each one's history is looked at
 *	HELLO ...	one of each process that answers
 *	the last HELLO, or DECIDE from whoever lost patience
 *			closes it; all have seen the same HELLOs
 *
 * Everything here follows from what was delivered since the change, in the
 * agreed order, so all come to the same result.  Pure.
 *
 * Of the tables that were found the one of the highest generation counts, then
 * the one that most processes have, then that of the lowest node id.  A quorate
 * configuration raises the generation, so who missed one loses.
 */
struct mftd_round_answer {
	struct mftd_gm_member who;
	struct mftd_gm_hello hello;
};

struct mftd_round {
	bool begun; /* since the last change */
	bool open; /* and not decided */
	struct mftd_gm_round id;
	uint32_t attempt;
	size_t n_answers; /* sorted by who */
	struct mftd_round_answer answers[MFTD_NODES_MAX];
};

enum mftd_round_verdict {
	MFTD_ROUND_WAIT, /* no table, and no quorum to begin one */
	MFTD_ROUND_FOUND, /* no table: all who answered begin an empty one */
	MFTD_ROUND_FOLLOW /* the table with result's history counts */
};

struct mftd_round_result {
	enum mftd_round_verdict verdict;
	bool quorate; /* some who have that table, or found it, say so */
	bool joiners; /* some need the table */
	uint64_t history;
	struct mftd_gm_member donor; /* sends it to them */
};

/* The configuration changed: what was found is void. */
void mftd_round_change(struct mftd_round *r);

/* A COLLECT was delivered.  Whether it opens a round. */
bool mftd_round_collect(
    struct mftd_round *r, const struct mftd_gm_collect *collect);

/* A HELLO was delivered.  Those of no open round are ignored. */
void mftd_round_hello(struct mftd_round *r, const struct mftd_gm_member *who,
    const struct mftd_gm_hello *h);

const struct mftd_round_answer *mftd_round_answer(
    const struct mftd_round *r, const struct mftd_gm_member *who);

/* Whether all of n members have answered the open round. */
bool mftd_round_complete(
    const struct mftd_round *r, const struct mftd_gm_member *members, size_t n);

/* Closes the round. */
void mftd_round_decide(struct mftd_round *r, struct mftd_round_result *result);

#endif
