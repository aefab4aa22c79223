/* Part of mftd; see LICENSE. */
#include "mftd/sftp/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/journal/layout.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/vfs.h"

/* Until a part that moves again and again is taken for gone. */
#define TURNS 16

static bool
is_earlier(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
				      : a->tv_nsec < b->tv_nsec;
}

/* Whether the file was written, moved or laid down for the last time before the
 * directory was born that it is to be published in.  Where the file system does
 * not know, it was not. */
static bool
is_older(int fd, int parent_fd)
{
	struct statx file, dir;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_CTIME, &file) < 0 ||
	    statx(parent_fd, "", AT_EMPTY_PATH, STATX_BTIME, &dir) < 0 ||
	    (dir.stx_mask & STATX_BTIME) == 0)
		return false;
	return is_earlier(&file.stx_ctime, &dir.stx_btime);
}

/* Whether this server has it in hand. */
static bool
is_own(const struct mftd_sftp *s, const char *id)
{
	const struct mftd_sftp_part *p;

	LIST_FOREACH(p, &s->parts, link)
	if (strcmp(p->id, id) == 0)
		return true;
	return false;
}

/* Opens the part if it is to be seen: 1, 0, or -errno; -ENOENT: its name is
 * another by now. */
static int
look(int dir, const char *name, int parent_fd, struct mftd_sftp_view *v)
{
	struct stat *st = &v->st;
	uint64_t size;

	v->limit = UINT64_MAX;
	v->dormant = mftd_layout_is_dormant(name, &v->limit);
	v->fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (v->fd < 0)
		return errno == ELOOP ? 0 : -errno;
	if (fstat(v->fd, st) < 0 || !S_ISREG(st->st_mode) ||
	    (!v->dormant && (st->st_mode & S_ISVTX) != 0) ||
	    is_older(v->fd, parent_fd)) {
		mftd_fd_close(&v->fd);
		return 0;
	}
	size = (uint64_t)st->st_size;
	if (v->limit < size)
		st->st_size = (off_t)v->limit;
	st->st_mode &= ~(mode_t)S_ISVTX;
	return 1;
}

static bool
is_later(const struct stat *a, const struct stat *b)
{
	return a->st_ctim.tv_sec != b->st_ctim.tv_sec
	    ? a->st_ctim.tv_sec > b->st_ctim.tv_sec
	    : a->st_ctim.tv_nsec > b->st_ctim.tv_nsec;
}

/* Of several a live one, else the latest: that one is adopted. */
static bool
is_better(const struct mftd_sftp_view *a, const struct mftd_sftp_view *b)
{
	if (a->dormant != b->dormant)
		return !a->dormant;
	return is_later(&a->st, &b->st);
}

/* *moved: one that was listed has another name by now. */
static int
look_at_all(struct mftd_sftp *s, DIR *d, int parent_fd,
    struct mftd_sftp_view *best, bool *moved)
{
	struct mftd_sftp_view v;
	struct dirent *e;
	int r = 0;

	*moved = false;
	best->fd = -1;
	while (r >= 0 && (e = readdir(d)) != NULL) {
		if (!mftd_id_valid(e->d_name) || is_own(s, e->d_name))
			continue;
		r = look(dirfd(d), e->d_name, parent_fd, &v);
		if (r == 1 && (best->fd < 0 || is_better(&v, best))) {
			mftd_fd_close(&best->fd);
			*best = v;
		} else if (r == 1) {
			mftd_fd_close(&v.fd);
		}
		if (r == -ENOENT) {
			*moved = true;
			r = 0;
		}
	}
	if (r < 0)
		mftd_fd_close(&best->fd);
	return r < 0 ? r : best->fd >= 0;
}

/* One that is laid down or taken up in this moment is there under either name,
 * and under neither for who looks in between. */
static int
find_in(struct mftd_sftp *s, DIR *d, int parent_fd, struct mftd_sftp_view *v)
{
	bool moved;
	int i, r;

	for (i = 0; i < TURNS; i++) {
		r = look_at_all(s, d, parent_fd, v, &moved);
		if (r != 0 || !moved)
			break;
		rewinddir(d);
	}
	return r;
}

int
mftd_sftp_view_find(struct mftd_sftp *s, int parent_fd, const char *base,
    struct mftd_sftp_view *v)
{
	char key[MFTD_PARENT_KEY_BYTES];
	DIR *d;
	int r, fd;

	r = mftd_layout_parent_key(
	    s->env.volume_id, parent_fd, key, sizeof(key));
	if (r < 0)
		return r;
	fd = mftd_layout_parts_open(s->env.parts_fd, key, base);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	d = fdopendir(fd);
	if (d == NULL) {
		r = -errno;
		mftd_fd_close(&fd);
		return r;
	}
	r = find_in(s, d, parent_fd, v);
	closedir(d);
	return r;
}

int
mftd_sftp_view_at(
    struct mftd_sftp *s, const char *path, struct mftd_sftp_view *v)
{
	const char *base;
	int r, fd = mftd_sftp_vfs_parent(s, path, true, &base);

	if (fd < 0)
		return 0;
	r = mftd_sftp_view_find(s, fd, base, v);
	mftd_fd_close(&fd);
	return r;
}

int
mftd_sftp_view_any(struct mftd_sftp *s, const char *path)
{
	struct mftd_sftp_view v;
	int r;

	if (mftd_sftp_part_at(s, path) != NULL)
		return 1;
	r = mftd_sftp_view_at(s, path, &v);
	if (r == 1)
		mftd_fd_close(&v.fd);
	return r;
}

/* ---- names */

struct name {
	char *text;
	bool told;
};

struct mftd_sftp_names {
	struct name *list;
	size_t n, room, at;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int
add_name(struct mftd_sftp_names *n, const char *name)
{
	size_t room = n->room != 0 ? 2 * n->room : 16;
	struct name *more;

	if (n->n == MFTD_SFTP_PARTS_SHOWN_MAX)
		return -E2BIG;
	if (n->n == n->room) {
		more = realloc(n->list, room * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		n->list = more;
		n->room = room;
	}
	n->list[n->n].told = false;
	n->list[n->n].text = strdup(name);
	if (n->list[n->n].text == NULL)
		return -ENOMEM;
	n->n++;
	return 0;
}

static int
read_names(struct mftd_sftp_names *n, DIR *d)
{
	struct dirent *e;
	int r = 0;

	while (r == 0 && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = add_name(n, e->d_name);
	if (r == -E2BIG)
		log_warn("a directory has more than %d unfinished uploads: "
			 "the rest is not listed",
		    MFTD_SFTP_PARTS_SHOWN_MAX);
	if (n->n > 0)
		qsort(n->list, n->n, sizeof(*n->list), by_name);
	return r == -E2BIG ? 0 : r;
}

int
mftd_sftp_names_new(
    struct mftd_sftp *s, int dir_fd, struct mftd_sftp_names **out)
{
	char key[MFTD_PARENT_KEY_BYTES];
	struct mftd_sftp_names *n;
	DIR *d;
	int fd, r;

	*out = NULL;
	r = mftd_layout_parent_key(s->env.volume_id, dir_fd, key, sizeof(key));
	if (r < 0)
		return r;
	fd = openat(s->env.parts_fd, key,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(fd);
	n = d != NULL ? calloc(1, sizeof(*n)) : NULL;
	r = n != NULL ? read_names(n, d) : -ENOMEM;
	if (d != NULL)
		closedir(d);
	else
		mftd_fd_close(&fd);
	if (r < 0)
		mftd_sftp_names_free(n);
	else
		*out = n;
	return r;
}

void
mftd_sftp_names_free(struct mftd_sftp_names *n)
{
	if (n == NULL)
		return;
	while (n->n > 0)
		free(n->list[--n->n].text);
	free(n->list);
	free(n);
}

static struct name *
find_name(const struct mftd_sftp_names *n, const char *text)
{
	/* bsearch gives back what it was given */
	struct name key = { .text = (char *)(uintptr_t)text };

	if (n == NULL || n->n == 0)
		return NULL;
	return bsearch(&key, n->list, n->n, sizeof(*n->list), by_name);
}

bool
mftd_sftp_names_has(const struct mftd_sftp_names *n, const char *name)
{
	return find_name(n, name) != NULL;
}

void
mftd_sftp_names_tell(struct mftd_sftp_names *n, const char *name)
{
	struct name *found = find_name(n, name);

	if (found != NULL)
		found->told = true;
}

const char *
mftd_sftp_names_next(struct mftd_sftp_names *n)
{
	while (n != NULL && n->at < n->n)
		if (!n->list[n->at++].told)
			return n->list[n->at - 1].text;
	return NULL;
}
