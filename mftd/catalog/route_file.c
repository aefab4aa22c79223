/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_file.h"

#include <stddef.h>

#include "mftd/catalog/pattern.h"
#include "mftd/catalog/template.h"

#define PRIORITY_MAX 9

static int
check_patterns(
    const struct mftd_check *p, const char *name, char **list, size_t n)
{
	const char *fault;
	size_t i;

	for (i = 0; i < n; i++) {
		fault = mftd_pattern_fault(list[i]);
		if (fault != NULL)
			return mftd_check_refuse_entry(p, name, i, fault);
	}
	return 0;
}

/* Which files it takes, and how it calls them. */
static int
check_naming(const struct mftd_check *p, const struct mftd_route *r)
{
	const char *fault = r->name_template != NULL
	    ? mftd_template_fault(r->name_template)
	    : NULL;
	int e = check_patterns(p, "files", r->files, r->n_files);

	if (e == 0)
		e = check_patterns(p, "except", r->except, r->n_except);
	if (e == 0 && fault != NULL)
		e = mftd_check_refuse(p, "name_template", fault);
	return e;
}

/* What goes first. */
static int
check_order(const struct mftd_check *p, const struct mftd_route *r)
{
	if (r->priority < 0 || r->priority > PRIORITY_MAX)
		return mftd_check_refuse(p, "priority", "must be 0 to 9");
	if (r->skip_failed && !r->ordered)
		return mftd_check_refuse(
		    p, "skip_failed", "means nothing without ordered");
	return 0;
}

int
mftd_route_file_check(const struct mftd_check *p, const struct mftd_route *r)
{
	int e = check_naming(p, r);

	return e == 0 ? check_order(p, r) : e;
}
