/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

/*
 * All that lies in .mft/out is shown to the catalog, and what it lets go is
 * removed.  The test is the catalog.
 */
#define LIFE_1 "n1-0123456789abcdef"
#define LIFE_2 "n1-fedcba9876543210"
#define LINKS (2 * MFTD_LINKS_MAX + 7)

static void
id_of(int i, char id[MFTD_ID_BYTES])
{
	snprintf(id, MFTD_ID_BYTES, "n1-00000000000000aa-j1.%x", i);
}

/* A volume as a daemon left it, with so many links. */
static void
prepare(struct tree *t, int n)
{
	char path[256], id[MFTD_ID_BYTES];
	struct rig r;
	int i;

	tree_make(t);
	rig_start(&r, t->path, LIFE_1, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_int_equal(rig_stop(&r), 0);
	for (i = 0; i < n; i++) {
		id_of(i, id);
		snprintf(path, sizeof(path), ".mft/out/%s", id);
		tree_write(t, path, "");
	}
	tree_write(t, ".mft/out/no id", "");
}

static void
say_seen(struct rig *r, int err)
{
	const struct mftd_msg_links_seen seen = { .err = err };

	mftd_chan_send(
	    r->catalog, MFTD_MSG_LINKS_SEEN, 0, &seen, sizeof(seen), NULL, 0);
}

/* Each of them once; those with an odd number are let go. */
static void
all_are_shown(void **state)
{
	const struct mftd_msg_links *links;
	struct mftd_msg_release release;
	char id[MFTD_ID_BYTES];
	int times[LINKS] = { 0 }, shown = 0, i;
	unsigned int number;
	struct mftd_msg m;
	struct tree t;
	struct rig r;
	uint32_t k;

	(void)state;
	prepare(&t, LINKS);
	rig_start(&r, t.path, LIFE_2, NULL, NULL);
	assert_true(rig_ready(&r));
	while (shown < LINKS) {
		assert_true(rig_wait(r.catalog, MFTD_MSG_LINKS, &m));
		links = m.data;
		for (k = 0; k < links->n; k++, shown++) {
			assert_int_equal(
			    sscanf(strrchr(links->receipts[k], '.') + 1, "%x",
				&number),
			    1);
			assert_true(number < LINKS);
			times[number]++;
			memcpy(release.receipt, links->receipts[k],
			    sizeof(release.receipt));
			if (number % 2 == 1)
				mftd_chan_send(r.catalog, MFTD_MSG_RELEASE, 0,
				    &release, sizeof(release), NULL, 0);
		}
		say_seen(&r, 0);
	}
	assert_int_equal(rig_stop(&r), 0);
	for (i = 0; i < LINKS; i++) {
		char path[256];

		id_of(i, id);
		snprintf(path, sizeof(path), ".mft/out/%s", id);
		assert_int_equal(times[i], 1);
		assert_true(tree_holds(&t, path, i % 2 == 0 ? "" : NULL));
	}
	assert_true(tree_holds(&t, ".mft/out/no id", ""));
	tree_remove(&t);
}

/* A catalog that is away is asked again, from the first one on. */
static void
asked_again(void **state)
{
	const struct mftd_msg_links *links;
	struct mftd_msg m;
	struct tree t;
	struct rig r;

	(void)state;
	prepare(&t, 1);
	rig_start(&r, t.path, LIFE_2, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_true(rig_wait(r.catalog, MFTD_MSG_LINKS, &m));
	say_seen(&r, -MFTD_E_CATALOG_AWAY);
	assert_true(rig_wait(r.catalog, MFTD_MSG_LINKS, &m));
	links = m.data;
	assert_int_equal(links->n, 1);
	say_seen(&r, 0);
	assert_int_equal(rig_stop(&r), 0);
	tree_remove(&t);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_shown),
		cmocka_unit_test(asked_again),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
