/* Part of mftd; see LICENSE. */
/* Which requests may pass which, and how many may wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/limits.h"
#include "mftd/sftp/wait.h"

static struct mftd_sftp_claims
path(const char *p, bool below)
{
	struct mftd_sftp_claims c = { .n_paths = 1 };

	c.paths[0].path = p;
	c.paths[0].below = below;
	return c;
}

static struct mftd_sftp_claims
handle(uint64_t h, const char *p)
{
	struct mftd_sftp_claims c = { 0 };

	if (p != NULL)
		c = path(p, false);
	c.n_handles = 1;
	c.handles[0] = h;
	return c;
}

static bool
conflict(struct mftd_sftp_claims a, struct mftd_sftp_claims b)
{
	bool ab = mftd_sftp_claims_conflict(&a, &b);

	assert_int_equal(ab, mftd_sftp_claims_conflict(&b, &a));
	return ab;
}

static void
handles_and_paths(void **state)
{
	assert_true(conflict(handle(1, NULL), handle(1, NULL)));
	assert_false(conflict(handle(1, NULL), handle(2, NULL)));
	/* two handles of one upload, and its name */
	assert_true(conflict(handle(1, "a"), handle(2, "a")));
	assert_false(conflict(handle(1, "a"), handle(2, "b")));
	assert_true(conflict(handle(1, "a"), path("a", false)));
	assert_false(conflict(handle(1, "d/a"), path("d", false)));
	assert_true(conflict(handle(1, "d/a"), path("d", true)));
	/* looking at names does not concern what lies below; changing does */
	assert_true(conflict(path("d", false), path("d", false)));
	assert_false(conflict(path("d", false), path("d/a", false)));
	assert_true(conflict(path("d", true), path("d/a", false)));
	assert_true(conflict(path("d/a", true), path("d", true)));
	assert_false(conflict(path("d/a", true), path("d", false)));
	assert_false(conflict(path("d", true), path("da", true)));
	assert_true(conflict(path(".", true), path("x/y", false)));
	/* what claims nothing concerns nobody */
	assert_false(
	    conflict((struct mftd_sftp_claims) { 0 }, path(".", true)));
}

static void
bounded_in_number(void **state)
{
	const struct mftd_sftp_claims c = handle(1, "a");
	struct mftd_sftp_wait w;
	int i;

	mftd_sftp_wait_init(&w);
	for (i = 0; i < MFTD_SFTP_WAITING_MAX; i++)
		assert_true(
		    mftd_sftp_wait_add(&w, (const uint8_t *)"x", 1, &c));
	assert_false(mftd_sftp_wait_add(&w, (const uint8_t *)"x", 1, &c));
	mftd_sftp_wait_clear(&w);
	assert_int_equal(w.n, 0);
	assert_int_equal(w.bytes, 0);
}

static void
bounded_in_bytes(void **state)
{
	const struct mftd_sftp_claims c = handle(1, NULL);
	uint8_t *packet = calloc(1, MFTD_SFTP_PACKET_BYTES);
	struct mftd_sftp_wait w;
	int i;

	mftd_sftp_wait_init(&w);
	for (i = 0; i < 64; i++)
		assert_true(
		    mftd_sftp_wait_add(&w, packet, MFTD_SFTP_PACKET_BYTES, &c));
	assert_false(mftd_sftp_wait_add(&w, packet, 1, &c));
	mftd_sftp_wait_clear(&w);
	free(packet);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_and_paths),
		cmocka_unit_test(bounded_in_number),
		cmocka_unit_test(bounded_in_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
