/* Part of mftd; see LICENSE. */
#include "mftd/catalog/schedule.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <glib.h>

#define US_PER_S 1000000
#define DAYS_MOST 3660 /* that are looked at */
#define EACH_HOUR 0xffffff /* of struct mftd_schedule */

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may",
	"jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed", "thu",
	"fri", "sat", NULL };

static const struct field {
	int min, max;
	const char *const *names; /* of min and so on; NULL: none */
	const char *fault;
} fields[] = {
	{ 0, 59, NULL, "its minute is none of 0 to 59" },
	{ 0, 23, NULL, "its hour is none of 0 to 23" },
	{ 1, 31, NULL, "its day of month is none of 1 to 31" },
	{ 1, 12, month_names, "its month is none of 1 to 12 or jan to dec" },
	{ 0, 7, weekday_names,
	    "its day of week is none of 0 to 7 or sun to sat" },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

/* ---- parsing */

/* A number or a name at *at, which moves behind it; -1: none that may be. */
static int
parse_value(const struct field *f, const char **at)
{
	size_t i;
	int v = 0;

	for (i = 0; f->names != NULL && f->names[i] != NULL; i++)
		if (strncasecmp(*at, f->names[i], 3) == 0) {
			*at += 3;
			return f->min + (int)i;
		}
	if (!isdigit((unsigned char)**at))
		return -1;
	for (; isdigit((unsigned char)**at) && v < 1000; ++*at)
		v = v * 10 + (**at - '0');
	return v >= f->min && v <= f->max ? v : -1;
}

/* One item of a list: "*", A or A-B, with a step or not.  False at fault. */
static bool
parse_item(const struct field *f, const char **at, uint64_t *bits)
{
	int first = f->min, last = f->max;
	bool one = false;
	long step = 1;

	if (**at == '*') {
		++*at;
	} else {
		first = last = parse_value(f, at);
		one = **at != '-';
		if (!one) {
			++*at;
			last = parse_value(f, at);
		}
	}
	if (first < 0 || last < first)
		return false;
	if (**at == '/') {
		++*at;
		if (one || !isdigit((unsigned char)**at))
			return false;
		step = strtol(*at, (char **)(uintptr_t)at, 10);
		if (step < 1 || step > f->max)
			return false;
	}
	for (; first <= last; first += (int)step)
		*bits |= 1ULL << first;
	return true;
}

/* A field up to the space behind it. */
static bool
parse_field(const struct field *f, const char **at, uint64_t *bits)
{
	*bits = 0;
	if (!parse_item(f, at, bits))
		return false;
	while (**at == ',') {
		++*at;
		if (!parse_item(f, at, bits))
			return false;
	}
	return **at == ' ' || **at == '\0';
}

const char *
mftd_schedule_parse(const char *text, struct mftd_schedule *out)
{
	static const char five[] = "must be five fields as in crontab(5)";
	uint64_t bits[FIELDS];
	bool any[FIELDS];
	size_t i;

	for (i = 0; i < FIELDS; i++) {
		text += strspn(text, " ");
		if (*text == '\0')
			return five;
		any[i] = *text == '*';
		if (!parse_field(&fields[i], &text, &bits[i]))
			return fields[i].fault;
	}
	if (text[strspn(text, " ")] != '\0')
		return five;
	out->minutes = bits[0];
	out->hours = (uint32_t)bits[1];
	out->days = (uint32_t)bits[2];
	out->months = (uint16_t)bits[3];
	out->weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f);
	out->any_day = any[2];
	out->any_weekday = any[4];
	return NULL;
}

bool
mftd_schedule_zone(const char *zone)
{
	/* GLib would open what "../" leads to */
	GTimeZone *tz = strstr(zone, "..") == NULL && zone[0] != '/'
	    ? g_time_zone_new_identifier(zone)
	    : NULL;

	if (tz != NULL)
		g_time_zone_unref(tz);
	return tz != NULL;
}

bool
mftd_schedule_day(const char *text)
{
	unsigned int year, month, day;
	int end = 0;

	return strlen(text) == 10 && strspn(text, "0123456789-") == 10 &&
	    text[4] == '-' && text[7] == '-' &&
	    sscanf(text, "%4u-%2u-%2u%n", &year, &month, &day, &end) == 3 &&
	    end == 10 && year > 0 && month >= 1 && month <= 12 &&
	    g_date_valid_dmy((GDateDay)day, (GDateMonth)month, (GDateYear)year);
}

/* ---- the next time */

static bool
is_closed(const GDate *day, const char *closed)
{
	char text[16];
	size_t len;

	snprintf(text, sizeof(text), "%04u-%02u-%02u",
	    (unsigned int)g_date_get_year(day),
	    (unsigned int)g_date_get_month(day),
	    (unsigned int)g_date_get_day(day));
	for (; closed != NULL && *closed != '\0';
	     closed += len + (closed[len] == '\n')) {
		len = strcspn(closed, "\n");
		if (len == strlen(text) && strncmp(closed, text, len) == 0)
			return true;
	}
	return false;
}

static bool
takes_day(const struct mftd_schedule *s, const GDate *day)
{
	/* GLib's Sunday is 7 */
	bool weekday = (s->weekdays >> (g_date_get_weekday(day) % 7) & 1) != 0;
	bool date = (s->days >> g_date_get_day(day) & 1) != 0;

	if ((s->months >> g_date_get_month(day) & 1) == 0)
		return false;
	if (s->any_day || s->any_weekday)
		return date && weekday;
	return date || weekday;
}

/*
 * When it is so many minutes past midnight of that day: from at[0] on to at[1],
 * which is later where that time comes twice.  False: it does not come.
 */
static bool
moments(GTimeZone *tz, const GDate *day, int minutes, int64_t at[2])
{
	static const GTimeType types[] = { G_TIME_TYPE_STANDARD,
		G_TIME_TYPE_DAYLIGHT };
	GDateTime *t = g_date_time_new(tz, g_date_get_year(day),
	    (int)g_date_get_month(day), g_date_get_day(day), minutes / 60,
	    minutes % 60, 0);
	int64_t local, one;
	size_t i;
	int n;

	if (t == NULL)
		return false;
	at[0] = at[1] = g_date_time_to_unix(t);
	local = at[0] + g_date_time_get_utc_offset(t) / US_PER_S;
	g_date_time_unref(t);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		n = g_time_zone_find_interval(tz, types[i], local);
		if (n < 0)
			continue;
		one = local - g_time_zone_get_offset(tz, n);
		at[0] = one < at[0] ? one : at[0];
		at[1] = one > at[1] ? one : at[1];
	}
	return true;
}

/* The first time of that day at or after after_s; -1: none. */
static int64_t
first_of_day(const struct mftd_schedule *s, GTimeZone *tz, const GDate *day,
    int64_t after_s)
{
	/* who asks for each hour asks for the one that comes again, too */
	const int comings = s->hours == EACH_HOUR ? 2 : 1;
	int64_t at[2], first = -1;
	int minute, i;

	/* when clocks are put forward, what is skipped may come behind what is
	 * not: all are looked at */
	for (minute = 0; minute < 24 * 60; minute++) {
		if ((s->hours >> (minute / 60) & 1) == 0 ||
		    (s->minutes >> (minute % 60) & 1) == 0 ||
		    !moments(tz, day, minute, at))
			continue;
		for (i = 0; i < comings; i++)
			if (at[i] >= after_s && (first < 0 || at[i] < first))
				first = at[i];
	}
	return first;
}

/* The date at that moment in the zone. */
static bool
date_at(GTimeZone *tz, int64_t s, GDate *out)
{
	GDateTime *utc = g_date_time_new_from_unix_utc(s), *t;
	int year, month, day;

	if (utc == NULL)
		return false;
	t = g_date_time_to_timezone(utc, tz);
	g_date_time_unref(utc);
	if (t == NULL)
		return false;
	g_date_time_get_ymd(t, &year, &month, &day);
	g_date_time_unref(t);
	g_date_clear(out, 1);
	g_date_set_dmy(out, (GDateDay)day, (GDateMonth)month, (GDateYear)year);
	return true;
}

int
mftd_schedule_midnight(const char *zone, int64_t at_us, int64_t *begin_us)
{
	const struct mftd_schedule each_minute = { .minutes = UINT64_MAX,
		.hours = EACH_HOUR };
	GTimeZone *tz = g_time_zone_new_identifier(zone);
	GDate day;
	int r = -EINVAL;

	if (tz != NULL && date_at(tz, at_us / US_PER_S, &day)) {
		*begin_us =
		    first_of_day(&each_minute, tz, &day, INT64_MIN) * US_PER_S;
		r = 0;
	}
	if (tz != NULL)
		g_time_zone_unref(tz);
	return r;
}

int
mftd_schedule_next(const struct mftd_schedule *s, const char *zone,
    const char *closed, int64_t after_us, int64_t *next_us)
{
	int64_t after_s = (after_us + US_PER_S - 1) / US_PER_S, at = -1;
	GTimeZone *tz = g_time_zone_new_identifier(zone);
	GDate day;
	int i;

	if (tz == NULL)
		return -EINVAL;
	if (date_at(tz, after_s, &day))
		for (i = 0; at < 0 && i < DAYS_MOST; i++) {
			if (takes_day(s, &day) && !is_closed(&day, closed))
				at = first_of_day(s, tz, &day, after_s);
			g_date_add_days(&day, 1);
		}
	g_time_zone_unref(tz);
	if (at < 0)
		return -ENOENT;
	*next_us = at * US_PER_S;
	return 0;
}
