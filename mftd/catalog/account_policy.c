/* Part of mftd; see LICENSE. */
#include "mftd/catalog/account_policy.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_BYTES 65536 /* an entry with its members */

/* A group's id by its number or its name. */
static int
group_id(const char *text, gid_t *out)
{
	char *end, mem[GROUP_BYTES];
	struct group g, *found = NULL;
	unsigned long n = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && *end == '\0' && n < UINT32_MAX) {
		*out = (gid_t)n;
		return 0;
	}
	if (getgrnam_r(text, &g, mem, sizeof(mem), &found) != 0 ||
	    found == NULL)
		return -ENOENT;
	*out = g.gr_gid;
	return 0;
}

int
mftd_account_policy(const struct mftd_account *a, struct mftd_policy *p)
{
	unsigned i;
	gid_t gid;

	memset(p, 0, sizeof(*p));
	p->read_only = a->read_only;
	p->symlinks = a->symlinks;
	p->umask = (uint32_t)a->umask;
	p->sessions_max = (uint32_t)a->sessions_max;
	p->quota_bytes = a->quota_bytes;
	p->quota_files = a->quota_files;
	p->in_bytes_s = a->in_bytes_s;
	p->out_bytes_s = a->out_bytes_s;
	for (i = 0; i < a->n_folders && i < MFTD_FOLDERS_MAX; i++) {
		snprintf(p->folders[i].name, sizeof(p->folders[i].name), "%s",
		    a->folders[i].name);
		snprintf(p->folders[i].path, sizeof(p->folders[i].path), "%s",
		    a->folders[i].path);
		p->folders[i].read_only = a->folders[i].read_only;
	}
	p->n_folders = i;
	if (a->group == NULL)
		return 0;
	if (group_id(a->group, &gid) < 0)
		return -ENOENT;
	p->has_gid = 1;
	p->gid = gid;
	return 0;
}
