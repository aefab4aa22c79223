/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_SOURCE_H
#define TESTS_UNIT_JOURNAL_SOURCE_H

#include "mftd/journal/dispose.h"
#include "tests/unit/journal/node.h"

struct steps;

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

/* Asks the node for d, which is freed; its answer's err. */
int source_run(
    struct node *n, struct mftd_disposal *d, struct mftd_msg_disposed *say);

/* Does that in a process of its own, whose calls are steps, and closes the node
 * here.  say, in shared memory, has -EINPROGRESS until there is an answer. */
pid_t source_start(struct node *n, struct mftd_disposal *d, struct steps *steps,
    struct mftd_msg_disposed *say);

/* Asks the node for a source; its answer's err. */
int source_dispose(struct node *n, const char *receipt, const char *archive,
    struct mftd_msg_disposed *say);

/* How many RENAME and REMOVE records have that cause. */
int source_records(struct tree *t, const char *receipt);

/* What is wrong with the archive of a file that held "one", or NULL: recorded,
 * it has to be there, and else may be; nothing else is. */
const char *source_archive_fault(
    struct tree *t, const char *archived, bool recorded);

/* How many names that were taken lie in .mft/out. */
int source_taken(struct tree *t);

#endif
