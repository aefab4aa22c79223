/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_OUTBOUND_FETCH_RIG_H
#define TESTS_UNIT_OUTBOUND_FETCH_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_fetch.h"
#include "mftd/outbound/fetch.h"
#include "tests/unit/outbound/child.h"
#include "tests/unit/outbound/partner.h"

struct steps;

/*
 * A fetch against a real sshd; the test plays outbound: it keeps the rows, and
 * kills the fetch where it is told.  What fails, fails the test.
 */
#define ROWS_MAX 64
#define MTIME 1500000000

/* What outbound's catalog would have. */
struct row {
	struct mftd_msg_fetch_found found;
	bool forgotten; /* its wish is done */
	bool begun;
	char target[MFTD_PATH_BYTES];
	int later; /* tries of its wish that failed */
};

/* When to kill the fetch. */
struct plan {
	uint32_t at; /* 0: never */
	enum moment moment;
	void (*amid)(void *data); /* done instead of killing, before the row */
};

struct rig {
	struct partner partner;
	char volume[80], out[128], staged[128], done[128];
	struct mftd_conf conf;
	struct mftd_fetch j;
	struct steps *steps; /* not NULL: counts the calls of the process */
	struct row rows[ROWS_MAX];
	int n_rows;
	enum mftd_fetched wish; /* for all that is found */
	int asked, looks, calls, refusals; /* messages of each kind */
	int32_t call_err, look_err;
	char why[MFTD_REASON_BYTES];
};

/* For cmocka: a rig with an empty folder at the partner, looked into without a
 * pause. */
int setup(void **state);
int teardown(void **state);

/* Writes the partner's file, dated MTIME. */
void put_file(struct rig *g, const char *name, uint64_t size, unsigned seed);

/* One fetch, for so many looks or to the moment to kill it.  Whether that came.
 */
bool run(struct rig *g, int looks, const struct plan *plan);

/* How many names a directory holds. */
int count_names(const char *dir);

/* Whether row i is that file, and its bytes are here, those of seed. */
void check_row(
    const struct rig *g, int i, const char *name, uint64_t size, unsigned seed);

#endif
