/* Part of mftd; see LICENSE. */
#include "mftd/conf/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/id.h"
#include "mftd/conf/conf.h"

static void
node_and_queue(void **state)
{
	char queue[MFTD_QUEUE_BYTES];

	mftd_place_of_node("n1", queue);
	assert_string_equal(queue, "@node:n1");
	assert_string_equal(mftd_place_node(queue), "n1");
	assert_null(mftd_place_node(MFTD_PLACE_CONTROLLER));
	assert_null(mftd_place_node("default"));
	assert_null(mftd_place_node("node:n1"));
}

/* So no queue can be called as one, whoever names it. */
static void
no_place_is_a_name(void **state)
{
	char queue[MFTD_QUEUE_BYTES];

	mftd_place_of_node("n1", queue);
	assert_false(mftd_id_valid(queue));
	assert_false(mftd_id_valid(MFTD_PLACE_CONTROLLER));
}

static void
valid_ones(void **state)
{
	static const char *const bad[] = { "", "default", "controller", "@",
		"@controllers", "@node:", "@node:a/b", "@node:.a", "@node:a b",
		"@node:\n" };
	char name[MFTD_NODE_LEN_MAX + 1], queue[MFTD_QUEUE_BYTES];
	char longer[MFTD_QUEUE_BYTES + 16] = "@node:";
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(mftd_place_valid(bad[i]));
	assert_true(mftd_place_valid(MFTD_PLACE_CONTROLLER));
	/* each node has one */
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	mftd_place_of_node(name, queue);
	assert_true(mftd_place_valid(queue));
	assert_string_equal(mftd_place_node(queue), name);
	memset(longer + 6, 'n', MFTD_QUEUE_BYTES - 6);
	assert_false(mftd_place_valid(longer));
	longer[MFTD_QUEUE_BYTES - 1] = '\0';
	assert_true(mftd_place_valid(longer));
}

static void
words_for_people(void **state)
{
	char out[MFTD_QUEUE_BYTES];

	assert_string_equal(mftd_place_word("@node:n1", out), "node n1");
	assert_string_equal(
	    mftd_place_word(MFTD_PLACE_CONTROLLER, out), "controller");
	assert_null(mftd_place_word("default", out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(node_and_queue),
		cmocka_unit_test(no_place_is_a_name),
		cmocka_unit_test(valid_ones),
		cmocka_unit_test(words_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
