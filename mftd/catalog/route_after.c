/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_after.h"

#include <stdio.h>
#include <string.h>

#include "mftd/catalog/after.h"
#include "mftd/catalog/route_folder.h"
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
	const char *own = r->folder != NULL ? "folder" : "account";
	bool on_volume =
	    r->archive_below != NULL && strcmp(r->archive_below, "volume") == 0;

	if (fault != NULL)
		return mftd_check_refuse(p, "archive", fault);
	if (r->archive_below != NULL && !on_volume &&
	    strcmp(r->archive_below, own) != 0)
		return mftd_check_refuse(p, "archive_below",
		    r->folder != NULL ? "must be folder or volume"
				      : "must be account or volume");
	if (!on_volume && r->folder == NULL && is_hidden(account, r->archive))
		return mftd_check_refuse(
		    p, "archive", "is hidden by a folder of the account");
	return 0;
}

/* Whose uploads r takes, if they may come to lie in folder.  Their names are
 * taken away only by what knows of their receipts. */
static const struct mftd_account *
uploads_into(const struct mftd_route_folder *folder, const struct mftd_route *r,
    mftd_account_at_fn account, const void *data)
{
	const struct mftd_account *a;
	size_t i;

	if (r->account == NULL)
		return NULL;
	for (i = 0; (a = account(data, i)) != NULL; i++)
		if (strcmp(a->name, r->account) == 0)
			return mftd_route_folder_within(folder, a) ? a : NULL;
	return NULL;
}

int
mftd_routes_check_after(struct mftd_check *p, const struct mftd_route *routes,
    size_t n, mftd_account_at_fn account, const void *data)
{
	const struct mftd_account *a = NULL;
	const struct mftd_route *r;
	char text[2 * MFTD_NAME_BYTES + 96];
	size_t i;

	for (p->index = 0; p->index < n; p->index++) {
		r = &routes[p->index];
		if (r->folder == NULL || r->after == NULL ||
		    mftd_after_of(r->after) == MFTD_AFTER_KEEP)
			continue;
		for (i = 0; i < n && a == NULL; i++)
			a = uploads_into(r->folder, &routes[i], account, data);
		if (a == NULL)
			continue;
		snprintf(text, sizeof(text),
		    "account %s has this folder, and route %s takes its "
		    "uploads: they can only be kept",
		    a->name, routes[i - 1].name);
		return mftd_check_refuse(p, "after", text);
	}
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
