/* Part of mftd; see LICENSE. */
#ifndef MFTD_TESTS_UNIT_SFTP_WORLD_H
#define MFTD_TESTS_UNIT_SFTP_WORLD_H

#include <stdbool.h>

#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"
#include "tests/unit/sftp/peer.h"

/* The real journal, and two sessions of one account that speak to servers. */
struct world {
	struct tree t;
	struct rig journal;
	struct rig_session sa, sb;
	struct peer a, b;
	bool dead; /* journal is */
	bool gone; /* a is */
};

/* For cmocka_unit_test_setup_teardown. */
int world_setup(void **state);
int world_teardown(void **state);

/* The same, with a quota of so many bytes for the account. */
int world_setup_quota(void **state, uint64_t bytes);

/* How many records of that type the journal has committed. */
int world_records(struct world *w, uint32_t type);

/* Session a ends without closing its handles; returns when journal has seen to
 * what it left. */
void world_end_a(struct world *w);

/* A whole upload, which must succeed. */
void world_upload(struct peer *p, const char *path, const char *text);

#endif
