/* Part of mftd; see LICENSE. */
#include "mftd/conf/door.h"

#include <stdio.h>

#define FAILURES_MAX 10000

/* libcyaml leaves 0 where a number is not given. */
static void
set(int *at, const struct mftd_yaml *y, const char *field, int value)
{
	if (!mftd_yaml_has(y, field))
		*at = value;
}

void
mftd_conf_door_defaults(struct mftd_conf *c, const struct mftd_yaml *y)
{
	set(&c->max_startups_per_source, y, "max_startups_per_source",
	    MFTD_STARTUPS_SOURCE_MAX);
	set(&c->ban.failures, y, "ban.failures", 10);
	set(&c->ban.window_s, y, "ban.window_s", 600);
	set(&c->ban.time_s, y, "ban.time_s", 900);
	c->startups = (struct mftd_conf_startups) { MFTD_STARTUPS_START,
		MFTD_STARTUPS_RATE, MFTD_STARTUPS_MAX };
}

static int
check_number(
    const struct mftd_yaml *y, const char *field, int value, int min, int max)
{
	if (value < min || value > max)
		return mftd_yaml_refuse(y, field, "must be %d to %d", min, max);
	return 0;
}

static int
check_startups(struct mftd_conf *c, const struct mftd_yaml *y)
{
	struct mftd_conf_startups *s = &c->startups;
	char more;

	if (c->max_startups == NULL)
		return 0;
	if (sscanf(c->max_startups, "%5d:%3d:%5d%c", &s->start, &s->rate,
		&s->full, &more) != 3 ||
	    s->start < 1 || s->rate < 1 || s->rate > 100 ||
	    s->full < s->start || s->full > MFTD_SESSIONS_MAX)
		return mftd_yaml_refuse(y, "max_startups",
		    "must be START:RATE:FULL, with RATE of 1 to 100 and START "
		    "not above FULL, which is at most %d",
		    MFTD_SESSIONS_MAX);
	return 0;
}

static int
check_nets(
    struct mftd_conf_nets *nets, const struct mftd_yaml *y, const char *name)
{
	char field[64];
	size_t i;

	for (i = 0; i < nets->n; i++) {
		snprintf(field, sizeof(field), "%s[%zu]", name, i);
		if (mftd_cidr_parse(nets->text[i], &nets->net[i]) < 0)
			return mftd_yaml_refuse(y, field,
			    "must be an address or a network as 192.0.2.0/24, "
			    "without bits behind its prefix");
	}
	return 0;
}

int
mftd_conf_door_check(struct mftd_conf *c, const struct mftd_yaml *y)
{
	int r;

	if ((r = check_number(y, "max_startups_per_source",
		 c->max_startups_per_source, 1, MFTD_SESSIONS_MAX)) < 0 ||
	    (r = check_number(
		 y, "ban.failures", c->ban.failures, 0, FAILURES_MAX)) < 0 ||
	    (r = check_number(
		 y, "ban.window_s", c->ban.window_s, 1, MFTD_BAN_S_MAX)) < 0 ||
	    (r = check_number(
		 y, "ban.time_s", c->ban.time_s, 1, MFTD_BAN_S_MAX)) < 0 ||
	    (r = check_startups(c, y)) < 0 ||
	    (r = check_nets(&c->proxy_from, y, "proxy_from")) < 0)
		return r;
	return check_nets(&c->ban_exempt, y, "ban_exempt");
}
