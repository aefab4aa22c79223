/* Part of mftd; see LICENSE. */
#include "mftd/journal/account.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"

static bool
is_known(const struct mftd_knowns *known, const char *account, const char *path)
{
	const struct mftd_known *k;

	LIST_FOREACH(k, known, link)
	if (strcmp(k->account, account) == 0 && strcmp(k->path, path) == 0)
		return true;
	return false;
}

static void
remember(struct mftd_knowns *known, const char *account, const char *path)
{
	struct mftd_known *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return; /* it is made sure of again */
	strncpy(k->account, account, sizeof(k->account) - 1);
	strncpy(k->path, path, sizeof(k->path) - 1);
	LIST_INSERT_HEAD(known, k, link);
}

/* Whether this process may give a file of its own to group gid. */
static bool
may_give(gid_t gid)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };
	gid_t groups[NGROUPS_MAX];
	int i, n = getgroups(NGROUPS_MAX, groups);

	if (gid == getegid())
		return true;
	for (i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return syscall(SYS_capget, &h, caps) == 0 &&
	    (caps[0].effective & (1u << CAP_CHOWN)) != 0;
}

static int
open_root(const struct mftd_volume *v, struct mftd_knowns *known,
    struct mftd_owner *o)
{
	bool fresh;
	int r;

	r = mftd_volume_account(
	    v, o->account, o->root, false, &o->root_fd, &o->parts_fd);
	if (r == 0 && is_known(known, o->account, o->root))
		return 0;
	if (r != 0 && r != -ENOENT)
		return r;
	fresh = r == -ENOENT;
	mftd_fd_close(&o->root_fd);
	mftd_fd_close(&o->parts_fd);
	/* what is there may not be durable: who made it may have been killed */
	r = mftd_volume_account(
	    v, o->account, o->root, true, &o->root_fd, &o->parts_fd);
	if (r < 0)
		return r;
	remember(known, o->account, o->root);
	if (fresh && o->policy.has_gid &&
	    fchown(o->root_fd, (uid_t)-1, o->policy.gid) < 0)
		return -errno;
	return 0;
}

static int
open_folder(const struct mftd_volume *v, struct mftd_knowns *known,
    const struct mftd_owner *o, struct mftd_folder *f)
{
	int r = -ENOENT;

	if (is_known(known, o->account, f->path))
		r = mftd_volume_dir(v, f->path, false, &f->fd);
	if (r != -ENOENT)
		return r;
	r = mftd_volume_dir(v, f->path, true, &f->fd);
	if (r == 0)
		remember(known, o->account, f->path);
	return r;
}

static int
check(const struct mftd_volume *v, const struct mftd_msg_session_open *m)
{
	char clean[MFTD_PATH_BYTES];
	int r;

	if (strcmp(m->volume, v->name) != 0 || !mftd_id_valid(m->account))
		return -EINVAL;
	r = mftd_path_clean(m->root, strlen(m->root), clean, sizeof(clean));
	if (r == 0 && strcmp(clean, m->root) != 0)
		r = -EINVAL;
	if (r == 0 && m->policy.has_gid && !may_give(m->policy.gid)) {
		log_error("account=%s: group %u: this user is no member of it",
		    m->account, m->policy.gid);
		r = -EPERM;
	}
	return r;
}

int
mftd_account_open(const struct mftd_volume *v, struct mftd_knowns *known,
    struct mftd_owner *owner, const struct mftd_msg_session_open *m)
{
	const char *what = "its root";
	size_t i;
	int r;

	owner->policy = m->policy;
	r = check(v, m);
	if (r == 0)
		r = open_root(v, known, owner);
	if (r == 0) {
		what = "its folders";
		r = mftd_folders_init(&owner->folders, &owner->policy, NULL);
	}
	for (i = 0; r == 0 && i < owner->folders.n; i++) {
		what = owner->folders.list[i].name;
		r = open_folder(v, known, owner, &owner->folders.list[i]);
	}
	if (r < 0) {
		log_error("session=%s account=%s: %s: %s", m->session,
		    m->account, what, mftd_strerror(r));
		mftd_account_close(owner);
	}
	return r;
}

void
mftd_account_close(struct mftd_owner *owner)
{
	size_t i;

	for (i = 0; i < owner->folders.n; i++)
		mftd_fd_close(&owner->folders.list[i].fd);
	owner->folders.n = 0;
	mftd_fd_close(&owner->root_fd);
	mftd_fd_close(&owner->parts_fd);
}

int
mftd_account_adopt(const struct mftd_owner *owner, int fd, mode_t mode)
{
	const struct mftd_policy *p = &owner->policy;
	struct stat st;

	if (p->has_gid && fchown(fd, (uid_t)-1, p->gid) < 0)
		return -errno;
	mode &= 0777 & ~(mode_t)p->umask;
	if (fstat(fd, &st) < 0)
		return -errno;
	mode |= S_ISDIR(st.st_mode) ? 0700 : 0600;
	if ((st.st_mode & 0777) != mode && fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}
