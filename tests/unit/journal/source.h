/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_SOURCE_H
#define TESTS_UNIT_JOURNAL_SOURCE_H

#include "mftd/journal/dispose.h"
#include "tests/unit/journal/node.h"

/* Sources in tests: alice's f, uploaded by a node, delivered, to be archived or
 * deleted. */
#define SOURCE_ARCHIVE "alice/kept/2027" /* where to */

#define SOURCE_LIFE_1 "n1-0123456789abcdef"
#define SOURCE_LIFE_2 "n2-fedcba9876543210"

/* A volume, a node's journal on it, and alice's f, "one", that it published. */
struct source_volume {
	struct tree t;
	struct node n; /* n1 in the life SOURCE_LIFE_1 */
	char receipt[MFTD_ID_BYTES];
	struct mftd_msg_disposed say;
};

/* Each test's: *state is one. */
int source_setup(void **state);
int source_teardown(void **state);

/* Publishes alice's f with that text, as the node's upload number n. */
void source_upload(
    struct node *n, int number, const char *text, char receipt[MFTD_ID_BYTES]);

/* What a catalog asks of it: archive NULL: delete it. */
struct mftd_disposal *source_ask(const char *receipt, const char *archive);

/* Asks the node for it; its answer's err. */
int source_dispose(struct node *n, const char *receipt, const char *archive,
    struct mftd_msg_disposed *say);

/* How many RENAME and REMOVE records have that cause. */
int source_records(struct tree *t, const char *receipt);

/* How many names that were taken lie in .mft/out. */
int source_taken(struct tree *t);

#endif
