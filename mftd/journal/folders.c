/* Part of mftd; see LICENSE. */
#include "mftd/journal/folders.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/path.h"
#include "mftd/journal/layout.h"

static bool
is_clean(const char *path)
{
	char clean[MFTD_PATH_BYTES];

	return mftd_path_clean(path, strlen(path), clean, sizeof(clean)) == 0 &&
	    strcmp(path, clean) == 0 && strcmp(path, ".") != 0;
}

static bool
is_good(const struct mftd_folders *f, const struct mftd_policy_folder *p)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (strcmp(f->list[i].name, p->name) == 0)
			return false;
	return is_clean(p->name) && strchr(p->name, '/') == NULL &&
	    strcmp(p->name, MFTD_LAYOUT_DIR) != 0 && is_clean(p->path);
}

int
mftd_folders_init(
    struct mftd_folders *f, const struct mftd_policy *policy, const int *fds)
{
	const struct mftd_policy_folder *p;

	memset(f, 0, sizeof(*f));
	if (policy == NULL)
		return 0;
	if (policy->n_folders > MFTD_FOLDERS_MAX)
		return -EINVAL;
	while (f->n < policy->n_folders) {
		p = &policy->folders[f->n];
		if (!is_good(f, p)) {
			f->n = 0;
			return -EINVAL;
		}
		f->list[f->n] = (struct mftd_folder) { .name = p->name,
			.path = p->path,
			.fd = fds != NULL ? fds[f->n] : -1,
			.read_only = p->read_only != 0 };
		f->n++;
	}
	return 0;
}

const struct mftd_folder *
mftd_folders_find(
    const struct mftd_folders *f, const char *path, const char **rest)
{
	size_t i, len;

	*rest = path;
	for (i = 0; i < f->n; i++) {
		len = strlen(f->list[i].name);
		if (strncmp(path, f->list[i].name, len) != 0 ||
		    (path[len] != '\0' && path[len] != '/'))
			continue;
		*rest = path[len] == '/' ? path + len + 1 : ".";
		return &f->list[i];
	}
	return NULL;
}
