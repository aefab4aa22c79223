/* Part of mftd; see LICENSE. */
#include "mftd/outbound/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/journal/layout.h"

#define FILE_MODE 0666 /* without the account's umask */
#define DIR_MODE 0777

int
mftd_folder_open(struct mftd_folder_session *s)
{
	const struct mftd_msg_session_ready *ready;
	struct mftd_msg m;
	int r = mftd_chan_wait(s->journal, &m, -1);

	if (r < 0)
		return r;
	ready = m.data;
	if (m.type != MFTD_MSG_SESSION_READY)
		r = -MFTD_E_PROTOCOL;
	else if (ready->err < 0)
		r = ready->err;
	else if (m.n_fds != 2 + (int)s->policy->n_folders)
		r = -MFTD_E_PROTOCOL;
	if (r == 0)
		r = mftd_folders_init(&s->folders, s->policy, m.fds + 2);
	if (r == 0) {
		snprintf(
		    s->volume_id, sizeof(s->volume_id), "%s", ready->volume_id);
		s->root = m.fds[0];
		s->parts = m.fds[1];
		m.n_fds = 0; /* ours now */
	}
	mftd_msg_close(&m);
	return r;
}

void
mftd_folder_close(struct mftd_folder_session *s)
{
	size_t i;

	for (i = 0; i < s->folders.n; i++)
		mftd_fd_close(&s->folders.list[i].fd);
	s->folders.n = 0;
	mftd_fd_close(&s->root);
	mftd_fd_close(&s->parts);
}

/* ---- words with journal */

int
mftd_folder_answer(struct mftd_folder_session *s, uint64_t *ref, int *err)
{
	struct mftd_msg m;
	int r = mftd_chan_wait(s->journal, &m, -1);

	if (r < 0)
		return r;
	if (m.type != MFTD_MSG_JOURNAL_RESULT) {
		mftd_msg_close(&m);
		return -MFTD_E_PROTOCOL;
	}
	*ref = m.ref;
	*err = ((const struct mftd_msg_journal_result *)m.data)->err;
	return 0;
}

/* Asks, and waits: nothing else is under way.  Its error, too. */
static int
ask(struct mftd_folder_session *s, uint32_t type, const void *msg, size_t len)
{
	uint64_t ref;
	int err = 0, r;

	r = mftd_chan_send(s->journal, type, 0, msg, len, NULL, 0);
	if (r == 0)
		r = mftd_folder_answer(s, &ref, &err);
	return r < 0 ? r : err;
}

int
mftd_folder_ask(struct mftd_folder_session *s, const struct mftd_folder_part *p,
    const char *path, uint64_t size, const uint8_t *sha256, uint64_t ref)
{
	struct mftd_msg_publish m;

	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", path);
	snprintf(m.part, sizeof(m.part), "%s", p->id);
	m.size = size;
	m.inode = p->inode;
	m.has_sha256 = 1;
	memcpy(m.sha256, sha256, sizeof(m.sha256));
	return mftd_chan_send(
	    s->journal, MFTD_MSG_PUBLISH, ref, &m, sizeof(m), NULL, 0);
}

/* ---- directories */

/* Opens the directory that path lies in. */
static int
open_parent(
    const struct mftd_folder_session *s, const char *path, const char **base)
{
	const struct mftd_folder *f;
	char dir[MFTD_PATH_BYTES];
	const char *rest;
	int r;

	f = mftd_folders_find(&s->folders, path, &rest);
	r = mftd_path_split(rest, dir, sizeof(dir), base);
	if (r < 0)
		return r;
	return mftd_path_open_nolinks(
	    f != NULL ? f->fd : s->root, dir, O_RDONLY | O_DIRECTORY, 0);
}

/* Makes those above path that are missing, from the top on. */
static int
make_parents(struct mftd_folder_session *s, const char *path)
{
	struct mftd_msg_mkdir m = { .mode = DIR_MODE };
	const char *slash = path, *rest;
	int r = 0;

	while (r == 0 && (slash = strchr(slash, '/')) != NULL) {
		snprintf(
		    m.path, sizeof(m.path), "%.*s", (int)(slash - path), path);
		slash++;
		if (mftd_folders_find(&s->folders, m.path, &rest) != NULL &&
		    strcmp(rest, ".") == 0)
			continue;
		r = ask(s, MFTD_MSG_MKDIR, &m, sizeof(m));
		if (r == -EEXIST)
			r = 0;
	}
	return r;
}

/* Publishing would put a file in the place of whatever has the name. */
static int
check_name(int dir, const char *base)
{
	struct stat st;

	if (fstatat(dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) ? 0 : -EACCES;
}

/* ---- parts */

static mode_t
mode_of(const struct mftd_folder_session *s)
{
	return (FILE_MODE & ~(mode_t)s->policy->umask) | 0600;
}

static int
make_file(const struct mftd_folder_session *s, struct mftd_folder_part *p)
{
	struct stat st;

	p->fd = mftd_layout_part_create(
	    s->parts, p->key, p->base, p->id, 0600 | S_ISVTX);
	if (p->fd < 0)
		return p->fd;
	if (fstat(p->fd, &st) < 0)
		return -errno;
	p->inode = st.st_ino;
	if (s->policy->has_gid && fchown(p->fd, (uid_t)-1, s->policy->gid) < 0)
		return -errno;
	/* the mark that hides it (sftp/view.h) */
	return fchmod(p->fd, mode_of(s) | S_ISVTX) < 0 ? -errno : 0;
}

int
mftd_folder_make(struct mftd_folder_session *s, const char *path,
    const char *id, struct mftd_folder_part *p)
{
	int dir, r;

	p->fd = -1;
	snprintf(p->id, sizeof(p->id), "%s", id);
	dir = open_parent(s, path, &p->base);
	if (dir == -ENOENT) {
		r = make_parents(s, path);
		dir = r < 0 ? r : open_parent(s, path, &p->base);
	}
	if (dir < 0)
		return dir;
	r = check_name(dir, p->base);
	if (r == 0)
		r = mftd_layout_parent_key(
		    s->volume_id, dir, p->key, sizeof(p->key));
	mftd_fd_close(&dir);
	if (r == 0)
		r = make_file(s, p);
	if (r < 0 && p->fd >= 0)
		mftd_folder_drop(s, p);
	if (r < 0 && p->fd >= 0)
		mftd_fd_close(&p->fd);
	return r;
}

int
mftd_folder_settle(
    const struct mftd_folder_session *s, const struct mftd_folder_part *p)
{
	int r = fchmod(p->fd, mode_of(s)) < 0 ? -errno : 0;

	/* its mode, too: else it might come back with the mark */
	if (r == 0)
		r = mftd_sync_all(p->fd);
	if (r == 0)
		r = mftd_layout_part_sync(s->parts, p->key, p->base);
	return r;
}

/* Whether there is no other part of its name. */
static bool
is_alone(const struct mftd_folder_session *s, const struct mftd_folder_part *p)
{
	int fd = mftd_layout_parts_open(s->parts, p->key, p->base);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	bool alone = dir != NULL;
	struct dirent *d;

	if (dir == NULL) {
		mftd_fd_close(&fd);
		return false;
	}
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' && strcmp(d->d_name, p->id) != 0)
			alone = false;
	closedir(dir);
	return alone;
}

bool
mftd_folder_is_held(const struct mftd_folder_session *s)
{
	struct pollfd p = { .fd = mftd_chan_fd(s->journal) };

	return poll(&p, 1, 0) == 0; /* the end of it is told unasked */
}

int
mftd_folder_supersede(struct mftd_folder_session *s,
    const struct mftd_folder_part *p, const char *path)
{
	struct mftd_msg_supersede m;

	/* who begins one from now on supersedes ours */
	if (is_alone(s, p))
		return 0;
	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", path);
	snprintf(m.keep, sizeof(m.keep), "%s", p->id);
	return ask(s, MFTD_MSG_SUPERSEDE, &m, sizeof(m));
}

void
mftd_folder_drop(
    const struct mftd_folder_session *s, const struct mftd_folder_part *p)
{
	int dir = mftd_layout_parts_open(s->parts, p->key, p->base);

	if (dir < 0)
		return;
	if (unlinkat(dir, p->id, 0) < 0 && errno != ENOENT)
		log_warn(
		    "part %s is left behind: %s", p->id, mftd_strerror(-errno));
	mftd_fd_close(&dir);
}
