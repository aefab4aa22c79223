/* Part of mftd; see LICENSE. */
#include "mftd/catalog/calendar_file.h"

#include <string.h>

#include "mftd/base/id.h"
#include "mftd/base/limits.h"
#include "mftd/catalog/schedule.h"

static const cyaml_schema_value_t day = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 16),
};

static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct mftd_calendar,
	    name, 1, MFTD_NAME_BYTES - 1),
	CYAML_FIELD_SEQUENCE_COUNT("closed", CYAML_FLAG_POINTER,
	    struct mftd_calendar, closed, n_closed, &day, 0,
	    MFTD_CALENDAR_DAYS_MAX),
	CYAML_FIELD_END
};

const cyaml_schema_value_t mftd_calendar_file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mftd_calendar, fields),
};

int
mftd_calendar_file_check(
    const struct mftd_check *p, const struct mftd_calendar *list, size_t at)
{
	const struct mftd_calendar *c = &list[at];
	size_t i;

	if (!mftd_id_valid(c->name))
		return mftd_check_refuse(p, "name", "not a name");
	for (i = 0; i < at; i++)
		if (strcmp(list[i].name, c->name) == 0)
			return mftd_check_refuse(p, "name", "given twice");
	for (i = 0; i < c->n_closed; i++)
		if (!mftd_schedule_day(c->closed[i]))
			return mftd_check_refuse_entry(
			    p, "closed", i, "must be a day, like 2027-12-25");
	return 0;
}
