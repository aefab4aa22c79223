/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_after.h"

#include <string.h>

#include "mftd/catalog/after.h"
#include "mftd/catalog/template.h"

/* A folder of that name hides what lies in the root under it. */
static bool
is_hidden(const struct mftd_account *a, const char *path)
{
	size_t len = strcspn(path, "/");
	unsigned i;

	for (i = 0; i < a->n_folders; i++)
		if (strlen(a->folders[i].name) == len &&
		    strncmp(a->folders[i].name, path, len) == 0)
			return true;
	return false;
}

static int
check_archive(const struct mftd_check *p, const struct mftd_route *r,
    const struct mftd_account *account)
{
	const char *fault = mftd_template_folder_fault(r->archive);
	bool on_volume =
	    r->archive_below != NULL && strcmp(r->archive_below, "volume") == 0;

	if (fault != NULL)
		return mftd_check_refuse(p, "archive", fault);
	if (r->archive_below != NULL && !on_volume &&
	    strcmp(r->archive_below, "account") != 0)
		return mftd_check_refuse(
		    p, "archive_below", "must be account or volume");
	if (!on_volume && is_hidden(account, r->archive))
		return mftd_check_refuse(
		    p, "archive", "is hidden by a folder of the account");
	return 0;
}

int
mftd_route_after_check(const struct mftd_check *p, const struct mftd_route *r,
    const struct mftd_account *account)
{
	int after = r->after != NULL ? mftd_after_of(r->after) : 0;

	if (after < 0)
		return mftd_check_refuse(
		    p, "after", "must be keep, archive or delete");
	if (after == MFTD_AFTER_ARCHIVE && r->archive == NULL)
		return mftd_check_refuse(
		    p, "after", "needs an archive, a folder's path");
	if (after == MFTD_AFTER_ARCHIVE)
		return check_archive(p, r, account);
	if (r->archive != NULL)
		return mftd_check_refuse(
		    p, "archive", "means nothing without after: archive");
	if (r->archive_below != NULL)
		return mftd_check_refuse(
		    p, "archive_below", "means nothing without an archive");
	return 0;
}
