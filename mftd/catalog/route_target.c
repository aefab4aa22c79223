/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/path.h"

static int
check_folder(const struct mftd_check *p, struct mftd_route *r)
{
	char clean[MFTD_PATH_BYTES];
	const char *path = r->to_directory != NULL ? r->to_directory : "";

	if (r->directory != NULL)
		return mftd_check_refuse(p, "directory",
		    "is a partner's; an account's is to_directory");
	if (path[0] != '\0' &&
	    (!mftd_check_plain(path) ||
		mftd_path_clean(path, strlen(path), clean, sizeof(clean)) < 0 ||
		strcmp(path, clean) != 0))
		return mftd_check_refuse(p, "to_directory",
		    "must be a plain path below the account's root");
	r->directory = r->to_directory;
	r->to_directory = NULL;
	return 0;
}

int
mftd_route_target_check(const struct mftd_check *p, struct mftd_route *r,
    bool has_partner, bool has_account)
{
	int e = 0;

	if ((r->partner == NULL) == (r->to_account == NULL))
		return mftd_check_refuse(p,
		    r->partner == NULL ? "name" : "to_account",
		    "a route leads to either a partner or an account");
	if (r->partner != NULL && !has_partner)
		return mftd_check_refuse(p, "partner", "no such partner");
	if (r->to_account != NULL && !has_account)
		return mftd_check_refuse(p, "to_account", "no such account");
	if (r->to_account != NULL)
		e = check_folder(p, r);
	else if (r->to_directory != NULL)
		return mftd_check_refuse(p, "to_directory",
		    "is an account's; a partner's is directory");
	if (e < 0)
		return e;
	if (r->directory == NULL)
		r->directory = strdup("");
	if (r->directory == NULL)
		return -ENOMEM;
	if (!mftd_check_plain(r->directory))
		return mftd_check_refuse(
		    p, "directory", "holds a control character");
	return 0;
}
