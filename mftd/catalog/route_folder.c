/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_folder.h"

#include <stdlib.h>
#include <string.h>

#include "mftd/base/id.h"

#define EVERY_S 10
#define STABLE_S 5
#define SECONDS_MAX 86400

const cyaml_schema_field_t mftd_route_folder_fields[] = {
	CYAML_FIELD_STRING_PTR("volume", CYAML_FLAG_POINTER,
	    struct mftd_route_folder, volume, 1, MFTD_NAME_BYTES - 1),
	CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_POINTER,
	    struct mftd_route_folder, path, 1, MFTD_FOLDER_PATH_BYTES - 1),
	CYAML_FIELD_INT(
	    "every_s", CYAML_FLAG_OPTIONAL, struct mftd_route_folder, every_s),
	CYAML_FIELD_INT("stable_s", CYAML_FLAG_OPTIONAL,
	    struct mftd_route_folder, stable_s),
	CYAML_FIELD_END
};

static int
check_seconds(const struct mftd_check *p, const char *name, int *v, int silent)
{
	if (*v == 0 && !mftd_check_given(p, name))
		*v = silent;
	if (*v < 1 || *v > SECONDS_MAX)
		return mftd_check_refuse(p, name, "must be 1 to 86400");
	return 0;
}

static int
check_folder(const struct mftd_check *p, struct mftd_route_folder *f)
{
	const char *fault = mftd_check_path_fault(f->path);
	int e;

	if (!mftd_id_valid(f->volume))
		return mftd_check_refuse(p, "from_folder.volume", "not a name");
	if (p->conf != NULL && mftd_conf_volume(p->conf, f->volume) == NULL)
		return mftd_check_refuse(
		    p, "from_folder.volume", "this node has no such volume");
	if (fault != NULL)
		return mftd_check_refuse(p, "from_folder.path", fault);
	e = check_seconds(p, "from_folder.every_s", &f->every_s, EVERY_S);
	return e == 0
	    ? check_seconds(p, "from_folder.stable_s", &f->stable_s, STABLE_S)
	    : e;
}

int
mftd_route_from_check(const struct mftd_check *p, struct mftd_route *r,
    const struct mftd_account *account)
{
	int n = (r->account != NULL) + (r->folder != NULL) + (r->pull != NULL);

	if (n != 1)
		return mftd_check_refuse(p,
		    n == 0		  ? "name"
			: r->pull != NULL ? "from_partner"
					  : "from_folder",
		    "a route takes files from an account, a folder, or a "
		    "partner");
	if (r->pull != NULL)
		return 0;
	if (r->account != NULL)
		return account != NULL
		    ? 0
		    : mftd_check_refuse(p, "account", "no such account");
	if (mftd_check_given(p, "settle_s"))
		return mftd_check_refuse(p, "settle_s",
		    "is of uploads; of a folder it is from_folder.stable_s");
	r->settle_s = 0;
	return check_folder(p, r->folder);
}

static bool
is_within(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 &&
	    (path[len] == '\0' || path[len] == '/');
}

bool
mftd_route_folder_within(
    const struct mftd_route_folder *folder, const struct mftd_account *a)
{
	unsigned i;

	if (strcmp(folder->volume, a->volume) != 0)
		return false;
	if (is_within(folder->path, a->root))
		return true;
	for (i = 0; i < a->n_folders; i++)
		if (is_within(folder->path, a->folders[i].path))
			return true;
	return false;
}

void
mftd_route_folder_free(struct mftd_route_folder *folder)
{
	if (folder == NULL)
		return;
	free(folder->volume);
	free(folder->path);
	free(folder);
}
