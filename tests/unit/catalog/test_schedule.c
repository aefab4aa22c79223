/* Part of mftd; see LICENSE. */
#include "mftd/catalog/schedule.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mftd/catalog/expected.h"

#define US_PER_S 1000000

/* "2027-01-31 12:34:56" or half a second later, UTC. */
static int64_t
utc(const char *text)
{
	struct tm tm = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (int64_t)timegm(&tm) * US_PER_S +
	    (strstr(text, ".5") != NULL ? US_PER_S / 2 : 0);
}

/* What comes next, as text. */
static void
next(const char *schedule, const char *zone, const char *closed,
    const char *after, char out[32])
{
	struct mftd_schedule s;
	int64_t at;
	time_t t;
	struct tm tm;
	int r;

	assert_null(mftd_schedule_parse(schedule, &s));
	r = mftd_schedule_next(&s, zone, closed, utc(after), &at);
	if (r < 0) {
		snprintf(out, 32, "%d", r);
		return;
	}
	t = (time_t)(at / US_PER_S);
	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

static void
next_times(void **state)
{
	static const struct {
		const char *schedule, *zone, *closed, *after, *want;
	} cases[] = {
		{ "* * * * *", "UTC", NULL, "2027-01-31 12:34:00",
		    "2027-01-31 12:34:00" },
		{ "* * * * *", "UTC", NULL, "2027-01-31 12:34:01",
		    "2027-01-31 12:35:00" },
		{ "0 6 * * *", "UTC", NULL, "2027-01-31 06:00:01",
		    "2027-02-01 06:00:00" },
		{ "0 6 * * *", "UTC", NULL, "2027-01-31 05:59:59.5",
		    "2027-01-31 06:00:00" },
		{ "0 6 * * *", "UTC", NULL, "2027-01-31 06:00:00.5",
		    "2027-02-01 06:00:00" },
		{ "*/20 6-7 * * *", "UTC", NULL, "2027-01-31 06:41:00",
		    "2027-01-31 07:00:00" },
		{ "5,10-20/5 0 * * *", "UTC", NULL, "2027-01-31 00:11:00",
		    "2027-01-31 00:15:00" },
		{ "0 0 1 jan *", "UTC", NULL, "2027-01-01 00:00:01",
		    "2028-01-01 00:00:00" },
		{ "0 0 29 2 *", "UTC", NULL, "2027-01-01 00:00:00",
		    "2028-02-29 00:00:00" },
		{ "0 0 30 2 *", "UTC", NULL, "2027-01-01 00:00:00", "-2" },
		/* 2027-01-31 is a Sunday */
		{ "0 12 * * mon-fri", "UTC", NULL, "2027-01-31 00:00:00",
		    "2027-02-01 12:00:00" },
		{ "0 12 * * 7", "UTC", NULL, "2027-01-31 00:00:00",
		    "2027-01-31 12:00:00" },
		{ "0 12 * * 0", "UTC", NULL, "2027-01-31 12:00:01",
		    "2027-02-07 12:00:00" },
		{ "0 12 * * SAT", "UTC", NULL, "2027-01-31 00:00:00",
		    "2027-02-06 12:00:00" },
		/* day of month or day of week, when both are given */
		{ "0 0 13 * 5", "UTC", NULL, "2027-02-06 00:00:00",
		    "2027-02-12 00:00:00" },
		{ "0 0 13 * 5", "UTC", NULL, "2027-02-12 00:00:01",
		    "2027-02-13 00:00:00" },
		{ "0 0 13 * *", "UTC", NULL, "2027-02-06 00:00:00",
		    "2027-02-13 00:00:00" },
		{ "0 0 */10 * mon", "UTC", NULL, "2027-02-02 00:00:00",
		    "2027-03-01 00:00:00" },
		/* closed days are days of the zone */
		{ "0 6 * * *", "UTC", "2027-02-01\n2027-02-02",
		    "2027-01-31 07:00:00", "2027-02-03 06:00:00" },
		{ "0 0 * * *", "Asia/Tokyo", "2027-02-01",
		    "2027-01-31 07:00:00", "2027-02-01 15:00:00" },
		{ "0 0 1 1 *", "UTC",
		    "2028-01-01\n2029-01-01\n2030-01-01\n2031-01-01\n"
		    "2032-01-01\n2033-01-01\n2034-01-01\n2035-01-01\n"
		    "2036-01-01\n2037-01-01",
		    "2027-02-01 00:00:00", "-2" },
		/* and so is the first one that is looked at: Sunday evening */
		{ "0 22 * * *", "America/New_York", NULL, "2027-02-01 01:00:00",
		    "2027-02-01 03:00:00" },
		/* Berlin: one hour before UTC, two in summer */
		{ "0 6 * * *", "Europe/Berlin", NULL, "2027-01-31 05:00:01",
		    "2027-02-01 05:00:00" },
		{ "0 6 * * *", "Europe/Berlin", NULL, "2027-03-27 05:00:01",
		    "2027-03-28 04:00:00" },
		/* 02:00 to 03:00 does not come on 28 March … */
		{ "30 2 * * *", "Europe/Berlin", NULL, "2027-03-27 12:00:00",
		    "2027-03-28 01:00:00" },
		{ "30 2 * * *", "Europe/Berlin", NULL, "2027-03-28 01:30:01",
		    "2027-03-29 00:30:00" },
		/* … and twice on 31 October, but counts once … */
		{ "30 2 * * *", "Europe/Berlin", NULL, "2027-10-30 12:00:00",
		    "2027-10-31 00:30:00" },
		{ "30 2 * * *", "Europe/Berlin", NULL, "2027-10-31 00:30:01",
		    "2027-11-01 01:30:00" },
		/* (by winter time as the other time, too) */
		{ "30 2 * * *", "Africa/Casablanca", NULL,
		    "2026-02-14 12:00:00", "2026-02-15 01:30:00" },
		{ "30 2 * * *", "Africa/Casablanca", NULL,
		    "2026-02-15 01:30:01", "2026-02-16 02:30:00" },
		/* … unless each hour does */
		{ "*/30 * * * *", "Europe/Berlin", NULL, "2027-10-31 00:30:01",
		    "2027-10-31 01:00:00" },
		{ "*/30 * * * *", "Europe/Berlin", NULL, "2027-10-31 01:00:01",
		    "2027-10-31 01:30:00" },
		{ "0 0 * * *", "nowhere", NULL, "2027-01-31 00:00:00", "-22" },
	};
	char got[32];
	size_t i;

	(void)state;
	assert_int_equal(-ENOENT, -2);
	assert_int_equal(-EINVAL, -22);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		next(cases[i].schedule, cases[i].zone, cases[i].closed,
		    cases[i].after, got);
		if (strcmp(got, cases[i].want) != 0)
			print_error("%s %s after %s\n", cases[i].schedule,
			    cases[i].zone, cases[i].after);
		assert_string_equal(got, cases[i].want);
	}
}

static void
schedules_at_fault(void **state)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "", "must be five fields as in crontab(5)" },
		{ "* * * *", "must be five fields as in crontab(5)" },
		{ "* * * * * *", "must be five fields as in crontab(5)" },
		{ "60 * * * *", "its minute is none of 0 to 59" },
		{ "-1 * * * *", "its minute is none of 0 to 59" },
		{ "1,, * * * *", "its minute is none of 0 to 59" },
		{ "1, * * * *", "its minute is none of 0 to 59" },
		{ "5/2 * * * *", "its minute is none of 0 to 59" },
		{ "*/0 * * * *", "its minute is none of 0 to 59" },
		{ "*/60 * * * *", "its minute is none of 0 to 59" },
		{ "*/ * * * *", "its minute is none of 0 to 59" },
		{ "20-10 * * * *", "its minute is none of 0 to 59" },
		{ "*/4294967297 * * * *", "its minute is none of 0 to 59" },
		{ "* * * * 1,",
		    "its day of week is none of 0 to 7 or sun to sat" },
		{ "1x * * * *", "its minute is none of 0 to 59" },
		{ "* 24 * * *", "its hour is none of 0 to 23" },
		{ "* 99999999999999999999 * * *",
		    "its hour is none of 0 to 23" },
		{ "* * 0 * *", "its day of month is none of 1 to 31" },
		{ "* * 32 * *", "its day of month is none of 1 to 31" },
		{ "* * * 13 *", "its month is none of 1 to 12 or jan to dec" },
		{ "* * * mon *", "its month is none of 1 to 12 or jan to dec" },
		{ "* * * * 8",
		    "its day of week is none of 0 to 7 or sun to sat" },
		{ "* * * * monday",
		    "its day of week is none of 0 to 7 or sun to sat" },
	};
	struct mftd_schedule s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *fault = mftd_schedule_parse(cases[i].text, &s);

		if (fault == NULL)
			print_error("\"%s\" was taken\n", cases[i].text);
		assert_non_null(fault);
		assert_string_equal(fault, cases[i].fault);
	}
	assert_null(mftd_schedule_parse("  0   0 1-5/2,7 JAN-mar,12 * ", &s));
	assert_int_equal(s.days, 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7);
	assert_int_equal(s.months, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 12);
}

static void
zones_and_days(void **state)
{
	(void)state;
	assert_true(mftd_schedule_zone("Europe/Berlin"));
	assert_true(mftd_schedule_zone("UTC"));
	assert_false(mftd_schedule_zone("Europe/Nowhere"));
	assert_false(mftd_schedule_zone("../zoneinfo/Europe/Berlin"));
	assert_false(mftd_schedule_zone("/usr/share/zoneinfo/Europe/Berlin"));
	assert_true(mftd_schedule_day("2028-02-29"));
	assert_false(mftd_schedule_day("2027-02-29"));
	assert_false(mftd_schedule_day("+027-02-28"));
	assert_false(mftd_schedule_day("2027-+2-28"));
	assert_false(mftd_schedule_day("2027- 2-28"));
	assert_false(mftd_schedule_day("2027--2-28"));
	assert_false(mftd_schedule_day("2027-2-9"));
	assert_false(mftd_schedule_day("2027-02-09 "));
	assert_false(mftd_schedule_day("2027-13-01"));
	assert_false(mftd_schedule_day("0000-01-01"));
	assert_false(mftd_schedule_day("tomorrow.."));
}

/* Of 06:00 in the zone, behind that moment of UTC: since when, and until when.
 */
static void
expected(
    const char *by, const char *behind, const char *since, const char *until)
{
	char zone[] = "Europe/Berlin", time[16];
	struct mftd_route r = { .time_zone = zone,
		.expected_by = time,
		.expected_within_s = MFTD_EXPECTED_SINCE_MIDNIGHT };
	int64_t since_us, until_us;

	snprintf(time, sizeof(time), "%s", by);
	assert_int_equal(
	    mftd_expected_next(&r, NULL, utc(behind), &since_us, &until_us), 0);
	assert_int_equal(since_us, utc(since));
	assert_int_equal(until_us, utc(until));
}

static void
expected_since_midnight(void **state)
{
	(void)state;
	expected("06:00", "2027-03-26 12:00:00", "2027-03-26 23:00:00",
	    "2027-03-27 05:00:00");
	/* the clocks are put forward, and back */
	expected("06:00", "2027-03-27 12:00:00", "2027-03-27 23:00:00",
	    "2027-03-28 04:00:00");
	expected("06:00", "2027-10-30 12:00:00", "2027-10-30 22:00:00",
	    "2027-10-31 05:00:00");
	expected("00:00", "2027-03-28 12:00:00", "2027-03-27 23:00:00",
	    "2027-03-28 22:00:00");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_times),
		cmocka_unit_test(schedules_at_fault),
		cmocka_unit_test(zones_and_days),
		cmocka_unit_test(expected_since_midnight),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
