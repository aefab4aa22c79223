/* Part of mftd; see LICENSE. */
#include "agent.h"

static int
on_start(struct mftd_ocf *ocf)
{
	return (int)mftd_ocf_param_int(ocf, "port");
}

static const struct mftd_ocf_action actions[] = {
	{ "start", on_start, .timeout_s = 30 },
	{ "monitor", on_start, .timeout_s = 20, .interval_s = 10,
	    .role = "Promoted" },
	{ "monitor", NULL, .timeout_s = 20, .interval_s = 11,
	    .role = "Unpromoted" },
	{ "meta-data", .timeout_s = 5 },
};

static const struct mftd_ocf_agent agent = {
	.name = "test",
	.version = "2.0",
	.shortdesc = "a test",
	.longdesc = "a <test>",
	.params = test_params,
	.nparams = 4,
	.actions = actions,
	.nactions = 4,
};

static int
setup(void **state)
{
	catch_stderr();
	return clean_env(state);
}

static int
run(const char *action)
{
	char *argv[] = { "test", (char *)action, NULL };

	return mftd_ocf_main(&agent, action != NULL ? 2 : 1, argv);
}

static int
run_code(const char *code)
{
	setenv("OCF_RESKEY_port", code, 1);
	return run("start");
}

static void
dispatch(void **state)
{
	(void)state;
	assert_int_equal(run_code("7"), 7);
	assert_int_equal(run("monitor"), 7);
	assert_int_equal(run("migrate_to"), 3);
	assert_int_equal(run(NULL), 2);
	unsetenv("OCF_RESKEY_queue");
	assert_int_equal(run("start"), 6);
	assert_int_equal(run("migrate_to"), 3);
}

/* What is no code of the API must never reach the cluster. */
static void
codes(void **state)
{
	char text[16];

	(void)state;
	for (int code = 1; code < 300; code++) {
		bool valid = code <= 9 || code == 190 || code == 191;

		snprintf(text, sizeof(text), "%d", code);
		assert_int_equal(run_code(text), valid ? code : 1);
	}
}

static void
metadata(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	mftd_ocf_metadata(&agent, f);
	fclose(f);
	assert_non_null(strstr(
	    text, "<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\" [\n"));
	assert_non_null(strstr(text, "<version>1.1</version>"));
	assert_non_null(strstr(text, "name=\"test\" version=\"2.0\""));
	assert_non_null(strstr(text,
	    "<parameter name=\"queue\" required=\"1\" unique-group=\"q\">"));
	assert_non_null(strstr(text, "a &lt;dir&gt;"));
	assert_non_null(strstr(text, "&quot;one&quot; &amp; two"));
	assert_non_null(
	    strstr(text, "<content type=\"integer\" default=\"22\"/>"));
	assert_non_null(strstr(text, "<content type=\"boolean\"/>"));
	assert_non_null(strstr(text,
	    "<action name=\"monitor\" timeout=\"20s\" interval=\"11s\" "
	    "role=\"Unpromoted\"/>"));
	assert_non_null(
	    strstr(text, "<action name=\"start\" timeout=\"30s\"/>"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    dispatch, setup, release_stderr),
		cmocka_unit_test_setup_teardown(codes, setup, release_stderr),
		cmocka_unit_test_setup_teardown(
		    metadata, setup, release_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
