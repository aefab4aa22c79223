/* Part of mftd; see LICENSE. */
#include "mftd/catalog/retry_file.h"

#include <stdio.h>

#include "mftd/base/limits.h"

const cyaml_schema_field_t mftd_retry_file_fields[] = {
	CYAML_FIELD_INT("tries", CYAML_FLAG_OPTIONAL, struct mftd_retry, tries),
	CYAML_FIELD_INT("hours", CYAML_FLAG_OPTIONAL, struct mftd_retry, hours),
	CYAML_FIELD_END
};

static int
check_number(
    const struct mftd_check *p, const char *name, int *v, int silent, int most)
{
	char words[64];

	if (*v == 0 && !mftd_check_given(p, name))
		*v = silent;
	if (*v >= 1 && *v <= most)
		return 0;
	snprintf(words, sizeof(words), "must be 1 to %d", most);
	return mftd_check_refuse(p, name, words);
}

int
mftd_retry_file_check(const struct mftd_check *p, struct mftd_retry *r)
{
	int e = check_number(p, "retry.tries", &r->tries, MFTD_RETRY_TRIES,
	    MFTD_RETRY_TRIES_MAX);

	return e == 0 ? check_number(p, "retry.hours", &r->hours,
			    MFTD_RETRY_HOURS, MFTD_RETRY_HOURS_MAX)
		      : e;
}
