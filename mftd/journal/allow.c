/* Part of mftd; see LICENSE. */
#include "mftd/journal/allow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/journal/quota.h"
#include "mftd/journal/usage.h"

/* A look at all parts of an account. */
struct look {
	struct mftd_allowances *list;
	const char *but; /* the one that is asked for */
	struct mftd_tally sum;
};

static struct mftd_allowance *
find(const struct mftd_allowances *list, const char *part)
{
	struct mftd_allowance *a;

	LIST_FOREACH(a, list, link)
	if (strcmp(a->part, part) == 0)
		return a;
	return NULL;
}

static void
add_part(struct look *k, const char *name, off_t size)
{
	struct mftd_allowance *a = find(k->list, name);

	if (a != NULL)
		a->seen = true;
	if (strcmp(name, k->but) == 0 || (a != NULL && a->outside))
		return;
	k->sum.bytes += size;
	k->sum.files++;
	if (a != NULL) {
		k->sum.bytes -= a->shadows.bytes;
		k->sum.files -= a->shadows.files;
	}
}

/* Parts lie at depth 2: <parent key>/<basename>/<part id>. */
static int
add_parts(struct look *k, int parent, const char *path, int depth)
{
	int r = 0,
	    fd = openat(
		parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;
	struct stat st;

	if (dir == NULL) {
		r = errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
		mftd_fd_close(&fd);
		return r;
	}
	while (r == 0 && (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (depth < 2)
			r = add_parts(k, fd, d->d_name, depth + 1);
		else if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    S_ISREG(st.st_mode))
			add_part(k, d->d_name, st.st_size);
	}
	closedir(dir);
	return r;
}

static int
remember(struct mftd_allowances *list, const struct mftd_owner *owner,
    const char *part, struct mftd_tally shadows, bool outside)
{
	struct mftd_allowance *a = find(list, part);

	if (a == NULL) {
		a = calloc(1, sizeof(*a));
		if (a == NULL)
			return -ENOMEM;
		a->owner = owner;
		memcpy(a->part, part, sizeof(a->part));
		LIST_INSERT_HEAD(list, a, link);
	}
	a->shadows = shadows;
	a->outside = outside;
	return 0;
}

static int64_t
left_of(uint64_t quota, int64_t used)
{
	if (quota == 0 || quota > INT64_MAX)
		return INT64_MAX;
	return (int64_t)quota - used;
}

/* Whether the part may be that large; res has what is used. */
static int
decide(const struct mftd_policy *p, const struct mftd_msg_quota *m,
    struct mftd_tally shadows, struct mftd_msg_quota_result *res)
{
	int64_t bytes =
	    left_of(p->quota_bytes, (int64_t)res->used_bytes - shadows.bytes);
	int64_t files =
	    left_of(p->quota_files, (int64_t)res->used_files - shadows.files);

	if (m->size > INT64_MAX || m->more > INT64_MAX - m->size)
		return -EFBIG;
	res->granted = m->size + m->more;
	if (bytes < (int64_t)res->granted)
		res->granted = bytes > 0 ? (uint64_t)bytes : 0;
	if (res->granted < m->size && shadows.bytes >= (int64_t)m->size)
		res->granted = m->size; /* it does not grow */
	if (res->granted < m->size)
		return -EDQUOT;
	return files >= 1 || shadows.files > 0 ? 0 : -EDQUOT;
}

/* Forgets the account's parts that are published or gone. */
static void
sweep(struct mftd_allowances *list, const char *account)
{
	struct mftd_allowance *a, *next;

	for (a = LIST_FIRST(list); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (strcmp(a->owner->account, account) != 0)
			continue;
		if (!a->seen) {
			LIST_REMOVE(a, link);
			free(a);
		} else {
			a->seen = false;
		}
	}
}

/* What is used by all but the part m. */
static int
used(struct mftd_work *w, struct mftd_allowances *list,
    const struct mftd_owner *owner, const char *part,
    struct mftd_msg_quota_result *res)
{
	struct look k = { .list = list, .but = part };
	struct mftd_usage u;
	int r = mftd_usage_peek(w->vol, owner->account, &u);

	if (r == 0 && !u.known)
		r = -EAGAIN;
	if (r == 0)
		r = add_parts(&k, owner->parts_fd, ".", 0);
	if (r < 0)
		return r;
	sweep(list, owner->account);
	mftd_usage_add(&u, k.sum.bytes, k.sum.files);
	res->used_bytes = u.bytes;
	res->used_files = u.files;
	return 0;
}

void
mftd_allow(struct mftd_work *w, struct mftd_allowances *list,
    const struct mftd_owner *owner, const struct mftd_msg_quota *m,
    struct mftd_msg_quota_result *res)
{
	struct mftd_place at = { .dir = -1 };
	struct mftd_tally shadows;
	bool outside;

	memset(res, 0, sizeof(*res));
	if (!mftd_quota_of(owner)) {
		res->granted = INT64_MAX;
		return;
	}
	if (m->path[0] == '\0') {
		res->err = used(w, list, owner, "", res);
		return;
	}
	res->err = mftd_place_open(w, owner, m->path, &at);
	if (res->err < 0)
		return;
	shadows = mftd_quota_at(owner, &at);
	outside = !mftd_quota_counts(owner, &at);
	mftd_fd_close(&at.dir);
	res->err = used(w, list, owner, m->part, res);
	if (res->err == -EAGAIN) {
		/* it is being counted: PUBLISH will know */
		res->err = 0;
		res->granted = INT64_MAX;
		return;
	}
	if (outside)
		res->granted = INT64_MAX;
	else if (res->err == 0)
		res->err = decide(&owner->policy, m, shadows, res);
	if (res->err == 0)
		res->err = remember(list, owner, m->part, shadows, outside);
}

void
mftd_allow_forget(struct mftd_allowances *list, const struct mftd_owner *owner)
{
	struct mftd_allowance *a, *next;

	for (a = LIST_FIRST(list); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (a->owner == owner) {
			LIST_REMOVE(a, link);
			free(a);
		}
	}
}
