/* Part of mftd; see LICENSE. */
#include "agent.h"

static const struct mftd_ocf_agent agent = {
	.name = "test",
	.params = test_params,
	.nparams = 4,
};

static int
init_with(const char *name, const char *value, struct mftd_ocf *ocf)
{
	clean_env(NULL);
	catch_stderr();
	setenv(name, value, 1);
	return mftd_ocf_init(ocf, &agent, "monitor");
}

static void
defaults_and_values(void **state)
{
	struct mftd_ocf ocf;

	(void)state;
	assert_int_equal(mftd_ocf_init(&ocf, &agent, "start"), 0);
	assert_string_equal(mftd_ocf_param(&ocf, "dir"), "/run/x");
	assert_string_equal(mftd_ocf_param(&ocf, "queue"), "abc");
	assert_int_equal(mftd_ocf_param_int(&ocf, "port"), 22);
	assert_null(mftd_ocf_param(&ocf, "fast"));
	assert_int_equal(mftd_ocf_param_int(&ocf, "fast"), 0);
	assert_null(mftd_ocf_param(&ocf, "other"));
	assert_string_equal(ocf.instance, "res:0");
	assert_int_equal(init_with("OCF_RESKEY_dir", "", &ocf), 0);
	assert_string_equal(mftd_ocf_param(&ocf, "dir"), "/run/x");
	assert_int_equal(init_with("OCF_RESKEY_fast", "On", &ocf), 0);
	assert_int_equal(mftd_ocf_param_int(&ocf, "fast"), 1);
	assert_int_equal(init_with("OCF_RESKEY_fast", "no", &ocf), 0);
	assert_int_equal(mftd_ocf_param_int(&ocf, "fast"), 0);
}

static void
bounds(void **state)
{
	static const struct {
		const char *name, *value;
		int code;
	} rows[] = {
		{ "OCF_RESKEY_dir", "/a", 0 },
		{ "OCF_RESKEY_dir", "/", 6 },
		{ "OCF_RESKEY_dir", "/123456789", 0 },
		{ "OCF_RESKEY_dir", "/1234567890", 6 },
		{ "OCF_RESKEY_dir", "run/x", 6 },
		{ "OCF_RESKEY_dir", "/a\nb", 6 },
		{ "OCF_RESKEY_queue", "cab", 0 },
		{ "OCF_RESKEY_queue", "abd", 6 },
		{ "OCF_RESKEY_queue", "", 6 },
		{ "OCF_RESKEY_queue", "aaaaa", 6 },
		{ "OCF_RESKEY_port", "1", 0 },
		{ "OCF_RESKEY_port", "0", 6 },
		{ "OCF_RESKEY_port", "65535", 0 },
		{ "OCF_RESKEY_port", "65536", 6 },
		{ "OCF_RESKEY_port", "22x", 6 },
		{ "OCF_RESKEY_port", " 22", 6 },
		{ "OCF_RESKEY_port", "99999999999999999999", 6 },
		{ "OCF_RESKEY_fast", "maybe", 6 },
	};
	struct mftd_ocf ocf;
	char err[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int code = init_with(rows[i].name, rows[i].value, &ocf);

		if (code != rows[i].code)
			fail_msg(
			    "%s=%s gave %d", rows[i].name, rows[i].value, code);
		assert_int_equal(code != 0,
		    strncmp(read_stderr(err, sizeof(err)),
			"ocf-exit-reason:parameter ", 26) == 0);
	}
}

static void
probe(void **state)
{
	struct mftd_ocf ocf;

	(void)state;
	assert_int_equal(mftd_ocf_init(&ocf, &agent, "monitor"), 0);
	assert_false(mftd_ocf_is_probe(&ocf));
	setenv("OCF_RESKEY_CRM_meta_interval", "0", 1);
	assert_true(mftd_ocf_is_probe(&ocf));
	assert_int_equal(mftd_ocf_init(&ocf, &agent, "start"), 0);
	assert_false(mftd_ocf_is_probe(&ocf));
	setenv("OCF_RESKEY_CRM_meta_interval", "10000", 1);
	assert_int_equal(mftd_ocf_init(&ocf, &agent, "monitor"), 0);
	assert_false(mftd_ocf_is_probe(&ocf));
}

static void
deadline(void **state)
{
	struct mftd_ocf ocf;

	(void)state;
	assert_int_equal(mftd_ocf_init(&ocf, &agent, "start"), 0);
	assert_int_equal(ocf.timeout_ms, MFTD_OCF_TIMEOUT_MS);
	setenv("OCF_RESKEY_CRM_meta_timeout", "600000", 1);
	assert_int_equal(mftd_ocf_init(&ocf, &agent, "start"), 0);
	assert_in_range(mftd_ocf_left_ms(&ocf, 60), 350000, 360000);
	ocf.started_ms -= 360001;
	assert_int_equal(mftd_ocf_left_ms(&ocf, 60), 0);
	assert_in_range(mftd_ocf_left_ms(&ocf, 80), 110000, 120000);
	setenv("OCF_RESKEY_CRM_meta_timeout", "-5", 1);
	assert_int_equal(mftd_ocf_init(&ocf, &agent, "start"), 0);
	assert_int_equal(ocf.timeout_ms, MFTD_OCF_TIMEOUT_MS);
}

static void
binary(void **state)
{
	(void)state;
	assert_true(mftd_ocf_have_binary("/bin/sh"));
	assert_false(mftd_ocf_have_binary("/bin/no-such-thing"));
	setenv("OCF_TESTER_FAIL_HAVE_BINARY", "1", 1);
	assert_false(mftd_ocf_have_binary("/bin/sh"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    defaults_and_values, clean_env, release_stderr),
		cmocka_unit_test_setup_teardown(
		    bounds, clean_env, release_stderr),
		cmocka_unit_test_setup_teardown(
		    probe, clean_env, release_stderr),
		cmocka_unit_test_setup_teardown(
		    deadline, clean_env, release_stderr),
		cmocka_unit_test_setup_teardown(
		    binary, clean_env, release_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
