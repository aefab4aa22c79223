/* Part of mftd; see LICENSE. */
#include "agent.h"

#include <errno.h>

#include "ocf/notify.h"

static void
variables(void **state)
{
	struct mftd_ocf_notify n;

	(void)state;
	mftd_ocf_notify_read(&n);
	assert_string_equal(n.type, "");
	assert_string_equal(n.stop, "");
	setenv("OCF_RESKEY_CRM_meta_notify_type", "post", 1);
	setenv("OCF_RESKEY_CRM_meta_notify_operation", "stop", 1);
	setenv("OCF_RESKEY_CRM_meta_notify_stop_uname", "n2 n3", 1);
	setenv("OCF_RESKEY_CRM_meta_notify_start_uname", "n4", 1);
	setenv("OCF_RESKEY_CRM_meta_notify_active_uname", "n1 n2 n3", 1);
	mftd_ocf_notify_read(&n);
	assert_string_equal(n.type, "post");
	assert_string_equal(n.operation, "stop");
	assert_string_equal(n.stop, "n2 n3");
	assert_string_equal(n.start, "n4");
	assert_string_equal(n.active, "n1 n2 n3");
}

static void
names(void **state)
{
	char name[MFTD_OCF_NODE_MAX + 1];
	const char *list = "  n1\tn2 ";

	(void)state;
	assert_int_equal(mftd_ocf_notify_next(&list, name), 1);
	assert_string_equal(name, "n1");
	assert_int_equal(mftd_ocf_notify_next(&list, name), 1);
	assert_string_equal(name, "n2");
	assert_int_equal(mftd_ocf_notify_next(&list, name), 0);
	list = " ";
	assert_int_equal(mftd_ocf_notify_next(&list, name), 0);
}

static void
long_names(void **state)
{
	char text[2 * MFTD_OCF_NODE_MAX + 8], name[MFTD_OCF_NODE_MAX + 1];
	const char *list = text;

	(void)state;
	memset(text, 'n', sizeof(text));
	text[MFTD_OCF_NODE_MAX] = ' ';
	strcpy(text + 2 * MFTD_OCF_NODE_MAX + 2, " n3");
	assert_int_equal(mftd_ocf_notify_next(&list, name), 1);
	assert_int_equal(strlen(name), MFTD_OCF_NODE_MAX);
	assert_int_equal(mftd_ocf_notify_next(&list, name), -ENAMETOOLONG);
	assert_int_equal(mftd_ocf_notify_next(&list, name), 1);
	assert_string_equal(name, "n3");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(variables, clean_env),
		cmocka_unit_test(names),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
