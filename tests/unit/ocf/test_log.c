/* Part of mftd; see LICENSE. */
#include "agent.h"

#include <ctype.h>
#include <syslog.h>

#include "ocf/log.h"

#define LOGFILE "test_log.tmp"

static const struct mftd_ocf_agent agent = { .name = "test" };

static struct mftd_ocf
call(void)
{
	struct mftd_ocf ocf;

	assert_int_equal(mftd_ocf_init(&ocf, &agent, "start"), 0);
	return ocf;
}

static int
setup(void **state)
{
	unlink(LOGFILE);
	catch_stderr();
	return clean_env(state);
}

static int
teardown(void **state)
{
	unlink(LOGFILE);
	return release_stderr(state);
}

static const char *
read_log(char *buf, size_t size)
{
	int fd = open(LOGFILE, O_RDONLY);
	ssize_t n;

	*buf = '\0';
	if (fd == -1)
		return buf;
	n = read(fd, buf, size - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
	return buf;
}

static void
to_stderr(void **state)
{
	struct mftd_ocf ocf = call();
	char err[1024], want[128];

	(void)state;
	mftd_ocf_log(&ocf, MFTD_OCF_LOG_WARN, "a %d\nb", 1);
	mftd_ocf_log(&ocf, MFTD_OCF_LOG_DEBUG, "hidden");
	snprintf(want, sizeof(want), "test(res:0)[%d]: WARNING: a 1?b\n",
	    (int)getpid());
	assert_string_equal(read_stderr(err, sizeof(err)), want);
	setenv("HA_debug", "1", 1);
	mftd_ocf_log(&ocf, MFTD_OCF_LOG_DEBUG, "shown");
	assert_non_null(
	    strstr(read_stderr(err, sizeof(err)), "DEBUG: shown\n"));
}

/* "Nov 20 23:10:48.123 test(res:0)[1]:    INFO: text" */
static void
to_file(void **state, const char *variable)
{
	struct mftd_ocf ocf = call();
	char err[1024], log[1024];

	(void)state;
	setenv(variable, LOGFILE, 1);
	setenv("HA_LOGFACILITY", "none", 1);
	mftd_ocf_log(&ocf, MFTD_OCF_LOG_INFO, "text");
	mftd_ocf_reason(&ocf, "why");
	read_log(log, sizeof(log));
	assert_true(strlen(log) > 40 && isalpha(log[0]));
	assert_true(log[9] == ':' && log[12] == ':' && log[15] == '.');
	for (int i = 16; i < 19; i++)
		assert_true(isdigit(log[i]));
	assert_memory_equal(log + 19, " test(res:0)[", 13);
	assert_non_null(strstr(log, "]:    INFO: text\n"));
	assert_non_null(strstr(log, "]:    ERROR: why\n"));
	assert_string_equal(
	    read_stderr(err, sizeof(err)), "ocf-exit-reason:why\n");
}

static void
to_upper_file(void **state)
{
	to_file(state, "HA_LOGFILE");
}

static void
to_lower_file(void **state)
{
	to_file(state, "HA_logfile");
}

/* The debug log gets every line too, but one file not twice. */
static void
to_debug_log(void **state)
{
	struct mftd_ocf ocf = call();
	char log[1024];
	const char *first;

	(void)state;
	setenv("HA_LOGFILE", "/dev/null", 1);
	setenv("HA_DEBUGLOG", LOGFILE, 1);
	mftd_ocf_log(&ocf, MFTD_OCF_LOG_INFO, "text");
	assert_non_null(strstr(read_log(log, sizeof(log)), "INFO: text\n"));
	unlink(LOGFILE);
	setenv("HA_LOGFILE", LOGFILE, 1);
	mftd_ocf_log(&ocf, MFTD_OCF_LOG_INFO, "text");
	first = strstr(read_log(log, sizeof(log)), "INFO: text\n");
	assert_non_null(first);
	assert_null(strstr(first + 1, "INFO"));
}

static void
reason(void **state)
{
	struct mftd_ocf ocf = call();
	char err[4096], big[2048];

	(void)state;
	setenv("OCF_EXIT_REASON_PREFIX", "why=", 1);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	mftd_ocf_reason(&ocf, "%s", big);
	read_stderr(err, sizeof(err));
	assert_memory_equal(err, "why=xxxx", 8);
	assert_int_equal(strlen(err), 4 + MFTD_OCF_TEXT_MAX - 1 + 1);
}

static void
facility(void **state)
{
	(void)state;
	assert_int_equal(mftd_ocf_log_facility("daemon"), LOG_DAEMON);
	assert_int_equal(mftd_ocf_log_facility("LOCAL7"), LOG_LOCAL7);
	assert_int_equal(mftd_ocf_log_facility("none"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_stderr, setup, teardown),
		cmocka_unit_test_setup_teardown(to_upper_file, setup, teardown),
		cmocka_unit_test_setup_teardown(to_lower_file, setup, teardown),
		cmocka_unit_test_setup_teardown(to_debug_log, setup, teardown),
		cmocka_unit_test_setup_teardown(reason, setup, teardown),
		cmocka_unit_test(facility),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
