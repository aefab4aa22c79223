/* Part of mftd; see LICENSE. */
#include "mftd/sftp/part.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/base/err.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/sync.h"
#include "mftd/sftp/vfs.h"

/* Whether the directory of the part's name holds nothing else.  Looked at after
 * the part was made: of two made at once at least one sees the other. */
static bool
is_alone(struct mftd_sftp *s, const struct mftd_sftp_part *p)
{
	int fd = mftd_layout_parts_open(s->env.parts_fd, p->key, p->name);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;
	bool alone = true;

	if (dir == NULL) {
		if (fd >= 0)
			mftd_fd_close(&fd);
		return false;
	}
	while ((d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0 &&
		    strcmp(d->d_name, p->id) != 0)
			alone = false;
	closedir(dir);
	return alone;
}

/* Names the place of a part of base in the directory parent_fd. */
static int
set_place(struct mftd_sftp *s, struct mftd_sftp_part *p, int parent_fd,
    const char *base)
{
	struct stat st;
	int r;

	if (fstat(parent_fd, &st) < 0)
		return -errno;
	if (strlen(base) >= sizeof(p->name))
		return -ENAMETOOLONG;
	r = mftd_layout_parent_key(
	    s->env.volume_id, parent_fd, p->key, sizeof(p->key));
	if (r < 0)
		return r;
	p->parent_dev = st.st_dev;
	p->parent_ino = st.st_ino;
	snprintf(p->name, sizeof(p->name), "%s", base);
	return 0;
}

static bool
is_place(const struct mftd_sftp_part *p, int parent_fd, const char *base)
{
	struct stat st;

	return fstat(parent_fd, &st) == 0 && st.st_dev == p->parent_dev &&
	    st.st_ino == p->parent_ino && strcmp(base, p->name) == 0;
}

static int
new_id(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	int n = snprintf(p->id, sizeof(p->id), "%s.%llu", s->env.session,
	    (unsigned long long)++*s->env.next_part);

	return n < (int)sizeof(p->id) ? 0 : -ENAMETOOLONG;
}

/* Creates the part's file, with exactly that mode whatever the umask is. */
static int
create_file(struct mftd_sftp *s, struct mftd_sftp_part *p, mode_t mode)
{
	struct stat st;

	p->fd = mftd_layout_part_create(
	    s->env.parts_fd, p->key, p->name, p->id, mode);
	if (p->fd < 0)
		return p->fd;
	if (fstat(p->fd, &st) < 0)
		return -errno;
	p->inode = st.st_ino;
	if (s->env.policy->has_gid &&
	    fchown(p->fd, (uid_t)-1, s->env.policy->gid) < 0)
		return -errno;
	if ((st.st_mode & 0777) != mode && fchmod(p->fd, mode) < 0)
		return -errno;
	return 0;
}

static void
restart_hash(struct mftd_sftp_part *p)
{
	p->hashed = 0;
	if (p->hash == NULL)
		p->hash = EVP_MD_CTX_new();
	if (p->hash != NULL &&
	    EVP_DigestInit_ex(p->hash, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(p->hash);
		p->hash = NULL;
	}
}

static void
part_free(struct mftd_sftp_part *p)
{
	mftd_fd_close(&p->fd);
	mftd_fd_close(&p->base_fd);
	EVP_MD_CTX_free(p->hash);
	free(p->path);
	free(p);
}

static void
unlink_file(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	int dir = mftd_layout_parts_open(s->env.parts_fd, p->key, p->name);

	/* gone, or set aside by journal: then it is not here to unlink */
	if (dir < 0)
		return;
	if (unlinkat(dir, p->id, 0) < 0 && errno != ENOENT)
		log_warn("part %s is left behind: %m", p->id);
	mftd_fd_close(&dir);
}

/* A part that has an id and a place, and no file yet. */
static int
part_alloc(struct mftd_sftp *s, const char *path, int parent_fd,
    const char *base, struct mftd_sftp_part **out)
{
	struct mftd_sftp_part *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return -ENOMEM;
	p->fd = p->base_fd = -1;
	p->users = 1;
	p->path = strdup(path);
	r = p->path != NULL ? set_place(s, p, parent_fd, base) : -ENOMEM;
	if (r == 0)
		r = new_id(s, p);
	if (r < 0) {
		part_free(p);
		return r;
	}
	*out = p;
	return 0;
}

int
mftd_sftp_part_new(struct mftd_sftp *s, const char *path, int parent_fd,
    const char *base, mode_t mode, struct mftd_sftp_part **out, bool *alone)
{
	struct mftd_sftp_part *p;
	int r = part_alloc(s, path, parent_fd, base, &p);

	if (r < 0)
		return r;
	r = create_file(s, p, mode);
	if (r < 0) {
		if (p->fd >= 0)
			unlink_file(s, p);
		part_free(p);
		return r;
	}
	restart_hash(p);
	LIST_INSERT_HEAD(&s->parts, p, link);
	*alone = is_alone(s, p);
	*out = p;
	return 0;
}

int
mftd_sftp_part_await(struct mftd_sftp *s, const char *path, int parent_fd,
    const char *base, struct mftd_sftp_part **out)
{
	struct mftd_sftp_part *p;
	int r = part_alloc(s, path, parent_fd, base, &p);

	if (r < 0)
		return r;
	p->err = -EINPROGRESS;
	LIST_INSERT_HEAD(&s->parts, p, link);
	*out = p;
	return 0;
}

/* Nobody goes on with it in this server: what is left of it lies dormant. */
static void
lay_down(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	struct mftd_msg_part_end m;

	/* of one that is gone journal has to hear only what it knows of */
	if (p->fd < 0 || (p->unlinked && p->durable == 0))
		return;
	memset(&m, 0, sizeof(m));
	memcpy(m.part, p->id, sizeof(m.part));
	memcpy(m.key, p->key, sizeof(m.key));
	memcpy(m.name, p->name, sizeof(p->name));
	if (!p->unlinked)
		mftd_sftp_sync_last(s, p);
	/* should it not get there, the session's end says the same */
	mftd_chan_send(
	    s->env.journal, MFTD_MSG_PART_END, 0, &m, sizeof(m), NULL, 0);
}

void
mftd_sftp_part_put(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	if (--p->users > 0)
		return;
	if (!p->changed && !p->adopted && !p->published && p->err == 0)
		unlink_file(s, p);
	else if (!p->published)
		lay_down(s, p);
	LIST_REMOVE(p, link);
	part_free(p);
}

void
mftd_sftp_part_drop(struct mftd_sftp *s, struct mftd_sftp_part *p, int err)
{
	if (p->err == 0)
		p->err = err;
	if (p->err == -MFTD_E_GAP || p->fd < 0)
		return;
	unlink_file(s, p);
	p->unlinked = true;
}

struct mftd_sftp_part *
mftd_sftp_part_find(
    struct mftd_sftp *s, const struct stat *parent, const char *base)
{
	struct mftd_sftp_part *p;

	LIST_FOREACH(p, &s->parts, link)
	if (p->err == 0 && !p->published && p->parent_ino == parent->st_ino &&
	    p->parent_dev == parent->st_dev && strcmp(p->name, base) == 0)
		return p;
	return NULL;
}

struct mftd_sftp_part *
mftd_sftp_part_at(struct mftd_sftp *s, const char *path)
{
	struct mftd_sftp_part *p = NULL;
	const char *base;
	struct stat st;
	int fd;

	if (LIST_EMPTY(&s->parts))
		return NULL;
	fd = mftd_sftp_vfs_parent(s, path, true, &base);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0)
		p = mftd_sftp_part_find(s, &st, base);
	mftd_fd_close(&fd);
	return p;
}

int
mftd_sftp_part_stat(const struct mftd_sftp_part *p, struct stat *st)
{
	if (fstat(p->fd, st) < 0)
		return -errno;
	if (p->base_fd >= 0 && p->base_size > (uint64_t)st->st_size)
		st->st_size = (off_t)p->base_size;
	return 0;
}

mode_t
mftd_sftp_part_mark(const struct mftd_sftp_part *p)
{
	return p->base_fd >= 0 ? S_ISVTX : 0;
}

/* The hash over what was written in order, from the start. */
static void
feed_hash(
    struct mftd_sftp_part *p, const uint8_t *data, size_t len, uint64_t off)
{
	bool ok = true;

	if (p->hash == NULL || off > p->hashed)
		return; /* a gap: at CLOSE the hash does not reach the end */
	if (off == p->hashed) {
		ok = EVP_DigestUpdate(p->hash, data, len) == 1;
		p->hashed += len;
	} else {
		ok = false; /* rewrites what was hashed */
	}
	if (!ok) {
		EVP_MD_CTX_free(p->hash);
		p->hash = NULL;
	}
}

int
mftd_sftp_part_write_back(struct mftd_sftp_part *p, uint64_t off, uint64_t len)
{
	int r = mftd_sync_start(p->fd, (int64_t)off, (int64_t)len);

	if (r == 0)
		return 0;
	p->lost = true;
	return mftd_sftp_part_fail(p, r);
}

/* Starts to write back what has gathered, so that no sync is a long one. */
static int
start_writeback(struct mftd_sftp_part *p, uint64_t end)
{
	uint64_t from = end < p->flushed ? end : p->flushed;

	p->flushed = from;
	if (end - from < MFTD_SFTP_WRITEBACK_BYTES)
		return 0;
	p->flushed = end;
	return mftd_sftp_part_write_back(p, from, end - from);
}

static int
write_part(struct mftd_sftp *s, struct mftd_sftp_part *p, const uint8_t *data,
    size_t len, uint64_t off)
{
	int r;

	if (len > (uint64_t)INT64_MAX - off || off > INT64_MAX)
		return -EFBIG;
	if (len == 0)
		return 0; /* as write(2): the file does not grow */
	if (p->guarded && off > p->contig)
		return -MFTD_E_GAP;
	p->guarded = false;
	if (p->base_fd >= 0 && off != p->contig &&
	    (r = mftd_sftp_base_want(s, p)) != 0)
		return r;
	if (off < p->contig)
		p->cuts++; /* a sync under way says nothing of these bytes */
	if (off < p->durable && (r = mftd_sftp_sync_tell(s, p, off)) < 0)
		return r;
	r = mftd_fd_pwrite_full(p->fd, data, len, (int64_t)off);
	if (r < 0)
		return r;
	p->changed = true;
	feed_hash(p, data, len, off);
	if (off > p->contig)
		mftd_sftp_ahead_add(&p->ahead, off, off + len);
	else if (off + len > p->contig)
		p->contig = mftd_sftp_ahead_join(&p->ahead, off + len);
	if (off + len > p->size)
		p->size = off + len;
	p->dirty += len;
	if (p->dirty >= MFTD_SFTP_SYNC_BYTES && !p->flushing)
		return mftd_sftp_sync_begin(s, p, NULL);
	return start_writeback(p, off + len);
}

int
mftd_sftp_part_fail(struct mftd_sftp_part *p, int err)
{
	if (p->err == 0) {
		log_warn(
		    "part %s: write failed: %s", p->id, mftd_strerror(err));
		p->err = err;
	}
	return err;
}

int
mftd_sftp_part_write(struct mftd_sftp *s, struct mftd_sftp_part *p,
    const uint8_t *data, size_t len, uint64_t off)
{
	int r = p->err != 0 ? p->err : write_part(s, p, data, len, off);

	return r < 0 ? mftd_sftp_part_fail(p, r) : r;
}

static int
truncate_part(struct mftd_sftp *s, struct mftd_sftp_part *p, uint64_t size)
{
	int r;

	if (size > INT64_MAX)
		return -EFBIG;
	if (size < p->durable && (r = mftd_sftp_sync_tell(s, p, size)) < 0)
		return r;
	p->guarded = false; /* it knows what it has */
	if (size < p->shown)
		p->shown = size;
	if (p->base_fd >= 0 && size <= p->contig) {
		/* nothing of it shows any more */
		r = mftd_sftp_part_baseless(p);
		if (r < 0)
			return r;
	} else if (p->base_fd >= 0) {
		if (size < p->base_size)
			p->base_size = size;
		if ((r = mftd_sftp_base_want(s, p)) != 0)
			return r;
	}
	if (ftruncate(p->fd, (off_t)size) < 0)
		return -errno;
	if (size == 0)
		restart_hash(p);
	else if (size < p->hashed) {
		EVP_MD_CTX_free(p->hash);
		p->hash = NULL;
	}
	p->size = size;
	mftd_sftp_ahead_cut(&p->ahead, size);
	if (p->contig > size) {
		p->contig = size;
		p->cuts++;
	}
	if (p->flushed > size)
		p->flushed = size;
	p->changed = true;
	return 0;
}

int
mftd_sftp_part_truncate(
    struct mftd_sftp *s, struct mftd_sftp_part *p, uint64_t size)
{
	int r = p->err != 0 ? p->err : truncate_part(s, p, size);

	if (r < 0 && p->err == 0) {
		log_warn("part %s: truncate: %s", p->id, mftd_strerror(r));
		p->err = r;
	}
	return r;
}

bool
mftd_sftp_part_sha256(struct mftd_sftp_part *p, uint8_t out[MFTD_SHA256_BYTES])
{
	bool ok = p->hash != NULL && p->hashed == p->size &&
	    EVP_DigestFinal_ex(p->hash, out, NULL) == 1;

	/* finished or useless: no more can be hashed */
	EVP_MD_CTX_free(p->hash);
	p->hash = NULL;
	return ok;
}

/* The file's way to where parts of its new name lie: a new id, since the old
 * one stays that of the old name. */
static int
move_file(struct mftd_sftp *s, struct mftd_sftp_part *p, int old_dir)
{
	char old_id[MFTD_ID_BYTES];
	uint64_t durable;
	int r, fd, dir;

	memcpy(old_id, p->id, sizeof(old_id));
	r = new_id(s, p);
	if (r < 0)
		return r;
	/* makes the directories; the empty file is replaced */
	fd = mftd_layout_part_create(
	    s->env.parts_fd, p->key, p->name, p->id, 0600);
	if (fd < 0)
		return fd;
	mftd_fd_close(&fd);
	dir = mftd_layout_parts_open(s->env.parts_fd, p->key, p->name);
	if (dir < 0)
		return dir;
	r = mftd_rename(old_dir, old_id, dir, p->id);
	if (r == -ENOENT)
		r = -MFTD_E_SUPERSEDED; /* set aside: who gets ENOENT lost */
	mftd_fd_close(&dir);
	if (r < 0)
		return r;
	/* what is durable of its bytes is so under any name; should the new
	 * one be lost with the power, there is what was told of the old */
	p->entry_durable = false;
	durable = p->durable;
	p->durable = 0;
	return mftd_sftp_sync_tell(s, p, durable);
}

/* parent, base: where the part belongs now. */
static int
move_place(
    struct mftd_sftp *s, struct mftd_sftp_part *p, int parent, const char *base)
{
	int r, dir;

	if (is_place(p, parent, base))
		return 0;
	dir = mftd_layout_parts_open(s->env.parts_fd, p->key, p->name);
	if (dir < 0)
		return dir;
	r = set_place(s, p, parent, base);
	if (r == 0)
		r = move_file(s, p, dir);
	mftd_fd_close(&dir);
	if (r < 0)
		mftd_sftp_part_drop(s, p, r);
	return r;
}

int
mftd_sftp_part_move(
    struct mftd_sftp *s, struct mftd_sftp_part *p, const char *to)
{
	const char *base;
	char *path = strdup(to);
	int parent, r;

	if (path == NULL)
		return -ENOMEM;
	parent = mftd_sftp_vfs_parent(s, to, false, &base);
	if (parent < 0) {
		free(path);
		return parent;
	}
	r = move_place(s, p, parent, base);
	mftd_fd_close(&parent);
	if (r < 0) {
		free(path);
		return r;
	}
	free(p->path);
	p->path = path;
	return 0;
}

void
mftd_sftp_part_renamed(struct mftd_sftp *s, const char *from, const char *to)
{
	char path[MFTD_PATH_BYTES];
	struct mftd_sftp_part *p;
	int r;

	LIST_FOREACH(p, &s->parts, link)
	{
		if (p->published || p->err != 0)
			continue;
		if (!mftd_sftp_path_within(p->path, from)) {
			if (strcmp(p->path, to) == 0)
				p->err = -MFTD_E_SUPERSEDED;
			continue;
		}
		r = snprintf(
		    path, sizeof(path), "%s%s", to, p->path + strlen(from));
		r = r < (int)sizeof(path) ? mftd_sftp_part_move(s, p, path)
					  : -ENAMETOOLONG;
		if (r < 0)
			mftd_sftp_part_drop(s, p, r);
	}
}
