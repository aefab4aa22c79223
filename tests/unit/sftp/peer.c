/* Part of mftd; see LICENSE. */
#include "tests/unit/sftp/peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/path.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/journal/layout.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/syncer.h"

#define VOLUME_ID "vol1"
#define DEADLINE_MS 20000

/* What is the same whoever journal is. */
static void
begin(struct peer *r, const char *session, const char *volume_id)
{
	r->lease = mftd_lease_new();
	mftd_lease_hold(r->lease);
	r->env = (struct mftd_sftp_env) { .session = session,
		.account = "alice",
		.volume_id = volume_id,
		.root_fd = r->root,
		.parts_fd = r->parts,
		.journal = r->session,
		.lease = r->lease,
		.policy = r->policy,
		.folder_fds = r->folder_fds,
		.next_part = &r->next_part,
		.next_ref = &r->next_ref,
		.bytes_in = &r->bytes_in,
		.bytes_out = &r->bytes_out,
		.published = &r->published };
	r->left = mftd_buf_new(8 << 20);
	r->s = mftd_sftp_new(&r->env);
	assert_non_null(r->s);
}

static void
open_with(struct peer *r, bool volume, const struct mftd_policy *policy)
{
	int fds[2], top;

	memset(r, 0, sizeof(*r));
	r->policy = policy;
	tree_make(&r->volume);
	top = r->volume.fd;
	assert_int_equal(mkdirat(top, ".mft", 0700), 0);
	assert_int_equal(mkdirat(top, ".mft/aside", 0700), 0);
	assert_int_equal(mkdirat(top, ".mft/parts", 0700), 0);
	assert_int_equal(mkdirat(top, "home", 0755), 0);
	r->parts = openat(top, ".mft/parts", O_RDONLY | O_DIRECTORY);
	r->root = openat(top, volume ? "." : "home", O_RDONLY | O_DIRECTORY);
	assert_true(r->parts >= 0 && r->root >= 0);
	assert_int_equal(mftd_chan_pair(fds), 0);
	r->session = mftd_chan_new(fds[0], MFTD_PROC_JOURNAL, "main");
	r->journal = mftd_chan_new(fds[1], MFTD_PROC_SESSION, "n1-1-1");
	begin(r, "n1-1-1", VOLUME_ID);
}

void
peer_open(struct peer *r, bool volume)
{
	open_with(r, volume, NULL);
}

void
peer_open_policy(struct peer *r, const struct mftd_policy *policy)
{
	open_with(r, false, policy);
}

void
peer_over(struct peer *r, const char *session, const char *volume_id,
    struct mftd_chan *journal, int root, int parts)
{
	peer_over_policy(
	    r, session, volume_id, journal, root, parts, NULL, NULL);
}

void
peer_over_policy(struct peer *r, const char *session, const char *volume_id,
    struct mftd_chan *journal, int root, int parts,
    const struct mftd_policy *policy, const int *fds)
{
	memset(r, 0, sizeof(*r));
	r->policy = policy;
	r->folder_fds = fds;
	r->volume.fd = -1;
	r->root = root;
	r->parts = parts;
	r->session = journal;
	begin(r, session, volume_id);
}

void
peer_close(struct peer *r)
{
	mftd_sftp_free(r->s);
	mftd_syncer_free(r->syncer);
	mftd_buf_free(r->left);
	if (r->volume.fd < 0)
		return;
	mftd_chan_free(r->session);
	mftd_chan_free(r->journal);
	close(r->root);
	close(r->parts);
	tree_remove(&r->volume);
}

void
peer_threads(struct peer *r)
{
	mftd_sftp_free(r->s);
	r->syncer = mftd_syncer_new();
	assert_non_null(r->syncer);
	r->env.syncer = r->syncer;
	r->s = mftd_sftp_new(&r->env);
	assert_non_null(r->s);
}

void
peer_start(struct peer *r)
{
	static const uint8_t init[] = { 0, 0, 0, 5, SSH_FXP_INIT, 0, 0, 0, 3 };
	struct answer a;

	assert_int_equal(peer_feed(r, init, sizeof(init)), sizeof(init));
	assert_true(peer_take(r, &a));
	assert_int_equal(a.type, SSH_FXP_VERSION);
	mftd_buf_free(a.body);
}

/* Opens the directory of path and of its parts. */
static int
places(struct peer *r, const char *path, int *parent, int *parts,
    const char **base)
{
	char dir[MFTD_PATH_BYTES], key[MFTD_PARENT_KEY_BYTES];

	*parts = -1;
	assert_int_equal(mftd_path_split(path, dir, sizeof(dir), base), 0);
	*parent =
	    mftd_path_open_nolinks(r->root, dir, O_RDONLY | O_DIRECTORY, 0);
	if (*parent < 0)
		return *parent;
	assert_int_equal(
	    mftd_layout_parent_key(VOLUME_ID, *parent, key, sizeof(key)), 0);
	*parts = mftd_layout_parts_open(r->parts, key, *base);
	return 0;
}

static int
publish(struct peer *r, const struct mftd_msg_publish *m)
{
	const char *base;
	struct stat st;
	int err, parent, parts;

	err = places(r, m->path, &parent, &parts, &base);
	if (err < 0)
		return err;
	if (parts < 0) {
		close(parent);
		return -MFTD_E_SUPERSEDED;
	}
	/* what it promised must be so */
	err = -MFTD_E_SUPERSEDED;
	if (fstatat(parts, m->part, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		assert_int_equal(st.st_size, m->size);
		assert_int_equal(st.st_ino, m->inode);
		err = m->noreplace
		    ? mftd_rename_noreplace(parts, m->part, parent, base)
		    : mftd_rename(parts, m->part, parent, base);
	}
	close(parts);
	close(parent);
	return err;
}

/* Moves all parts of path but keep to .mft/aside. */
static int
supersede(struct peer *r, const struct mftd_msg_supersede *m)
{
	char aside[512];
	const char *base;
	int err, parent, parts;
	struct dirent *d;
	DIR *dir;

	err = places(r, m->path, &parent, &parts, &base);
	if (err < 0)
		return err;
	close(parent);
	if (parts < 0)
		return 0;
	dir = fdopendir(parts);
	while ((d = readdir(dir)) != NULL) {
		snprintf(aside, sizeof(aside), "../aside/%s", d->d_name);
		if (d->d_name[0] != '.' && strcmp(d->d_name, m->keep) != 0)
			assert_int_equal(
			    mftd_rename(parts, d->d_name, r->parts, aside), 0);
	}
	closedir(dir);
	return 0;
}

/* Opens the directory of path, through no link, as journal does. */
static int
parent_of(struct peer *r, const char *path, const char **base)
{
	char dir[MFTD_PATH_BYTES];

	assert_int_equal(mftd_path_split(path, dir, sizeof(dir), base), 0);
	return mftd_path_open_nolinks(r->root, dir, O_RDONLY | O_DIRECTORY, 0);
}

static int
do_rename(struct peer *r, const struct mftd_msg_rename *m)
{
	const char *base, *to_base;
	int err, from, to = -1;

	from = parent_of(r, m->from, &base);
	if (from < 0)
		return from;
	to = parent_of(r, m->to, &to_base);
	if (to < 0)
		err = to;
	else if (m->overwrite)
		err = mftd_rename(from, base, to, to_base);
	else
		err = mftd_rename_noreplace(from, base, to, to_base);
	close(from);
	if (to >= 0)
		close(to);
	return err;
}

static int
do_setstat(struct peer *r, const struct mftd_msg_setstat *m)
{
	int err = 0, fd;

	fd = mftd_path_open_nolinks(r->root, m->path, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	if ((m->mask & MFTD_SET_MODE) != 0 && fchmod(fd, m->mode & 0777) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int
do_name(struct peer *r, const struct mftd_msg *m)
{
	const struct mftd_msg_remove *remove = m->data;
	const struct mftd_msg_mkdir *mkdir = m->data;
	const char *base;
	int err, dir;

	dir = parent_of(
	    r, m->type == MFTD_MSG_MKDIR ? mkdir->path : remove->path, &base);
	if (dir < 0)
		return dir;
	if (m->type == MFTD_MSG_MKDIR)
		err = mkdirat(dir, base, mkdir->mode);
	else
		err = unlinkat(
		    dir, base, m->type == MFTD_MSG_RMDIR ? AT_REMOVEDIR : 0);
	err = err < 0 ? -errno : 0;
	close(dir);
	return err;
}

static int
do_link(struct peer *r, const struct mftd_msg_link *m)
{
	const char *from_base, *to_base;
	int to, err, from = parent_of(r, m->from, &from_base);

	if (from < 0)
		return from;
	to = parent_of(r, m->to, &to_base);
	err = to;
	if (to >= 0) {
		err = linkat(from, from_base, to, to_base, 0) < 0 ? -errno : 0;
		close(to);
	}
	close(from);
	return err;
}

static int
do_symlink(struct peer *r, const struct mftd_msg_symlink *m)
{
	const char *base;
	int err, dir = parent_of(r, m->path, &base);

	if (dir < 0)
		return dir;
	err = symlinkat(m->target, dir, base) < 0 ? -errno : 0;
	close(dir);
	return err;
}

static int
carry_out(struct peer *r, const struct mftd_msg *m)
{
	switch (m->type) {
	case MFTD_MSG_PUBLISH:
		return publish(r, m->data);
	case MFTD_MSG_SUPERSEDE:
		return supersede(r, m->data);
	case MFTD_MSG_RENAME:
		return do_rename(r, m->data);
	case MFTD_MSG_SETSTAT:
		return do_setstat(r, m->data);
	case MFTD_MSG_MKDIR:
	case MFTD_MSG_REMOVE:
	case MFTD_MSG_RMDIR:
		return do_name(r, m);
	case MFTD_MSG_LINK:
		return do_link(r, m->data);
	case MFTD_MSG_SYMLINK:
		return do_symlink(r, m->data);
	case MFTD_MSG_ADOPT:
		return -ENOENT; /* this journal lays nothing down */
	case MFTD_MSG_COMMIT:
		return 0; /* nor does it write anything down */
	default:
		fail_msg("journal was asked %s", mftd_msg_name(m->type));
		return -EINVAL;
	}
}

static void result(struct peer *r, uint64_t ref, int err);
static void push(struct peer *r);

/* Waits until nothing is due from the real journal. */
static void
hear_journal(struct peer *r)
{
	const struct mftd_msg_journal_result *res;
	struct mftd_msg m;

	while (r->in_error == 0 && mftd_sftp_busy(r->s)) {
		assert_int_equal(mftd_chan_wait(r->session, &m,
				     mftd_clock_ms() + DEADLINE_MS),
		    0);
		if (m.type == MFTD_MSG_QUOTA_RESULT) {
			assert_int_equal(
			    mftd_sftp_quota_result(r->s, m.ref, m.data), 0);
			push(r);
			continue;
		}
		assert_int_equal(m.type, MFTD_MSG_JOURNAL_RESULT);
		res = m.data;
		result(r, m.ref, res->err);
	}
}

void
peer_journal(struct peer *r)
{
	struct mftd_msg m;
	int err;

	if (r->journal == NULL) {
		hear_journal(r);
		return;
	}
	for (;;) {
		mftd_chan_flush(r->session);
		if (mftd_chan_recv(r->journal, &m) < 0)
			return;
		r->asked++;
		if (m.type == MFTD_MSG_PART)
			memcpy(&r->told, m.data, sizeof(r->told));
		r->last = m;
		memcpy(r->last_data, m.data, m.len);
		r->last.data = r->last_data;
		if (m.type == MFTD_MSG_PART || m.type == MFTD_MSG_PART_END ||
		    m.type == MFTD_MSG_AUDIT)
			continue;
		if (r->hold) {
			assert_true(r->n_refs < 64);
			r->refs[r->n_refs++] = m.ref;
			continue;
		}
		err = r->err != 0 ? r->err : carry_out(r, &m);
		result(r, m.ref, err);
	}
}

void
peer_answer_held(struct peer *r, unsigned i, int err)
{
	result(r, r->refs[i], err);
}

struct mftd_buf *
peer_new(struct peer *r, uint8_t type, uint32_t *id)
{
	struct mftd_buf *b = mftd_buf_new(512 * 1024);

	assert_non_null(b);
	r->next_id++;
	if (id != NULL)
		*id = r->next_id;
	mftd_buf_put_u8(b, type);
	mftd_buf_put_u32(b, r->next_id);
	return b;
}

size_t
peer_feed(struct peer *r, const uint8_t *data, size_t len)
{
	ssize_t n = mftd_sftp_input(r->s, data, len);

	if (n < 0)
		r->in_error = (int)n;
	return n < 0 ? 0 : (size_t)n;
}

/* Offers what the server did not take, as a session does. */
static void
push(struct peer *r)
{
	if (r->in_error == 0 && mftd_buf_len(r->left) > 0)
		mftd_buf_consume(r->left,
		    peer_feed(
			r, mftd_buf_data(r->left), mftd_buf_len(r->left)));
}

void
peer_post(struct peer *r, struct mftd_buf *b)
{
	assert_int_equal(
	    mftd_buf_put_string(r->left, mftd_buf_data(b), mftd_buf_len(b)), 0);
	mftd_buf_free(b);
	push(r);
}

static void
result(struct peer *r, uint64_t ref, int err)
{
	int e;

	assert_int_equal(mftd_sftp_journal_result(r->s, ref, err, ""), 0);
	e = mftd_sftp_continue(r->s);
	if (e < 0)
		r->in_error = e;
	push(r);
}

void
peer_hear_sync(struct peer *r)
{
	struct pollfd p = { mftd_syncer_fd(r->syncer), POLLIN, 0 };
	int e;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	mftd_syncer_heard(r->syncer);
	e = mftd_sftp_continue(r->s);
	if (e < 0)
		r->in_error = e;
	push(r);
}

bool
peer_take(struct peer *r, struct answer *a)
{
	struct mftd_buf *out = mftd_sftp_output(r->s);
	const uint8_t *data;
	size_t len;

	memset(a, 0, sizeof(*a));
	if (mftd_buf_len(out) == 0)
		return false;
	assert_int_equal(mftd_buf_get_string(out, &data, &len), 0);
	a->body = mftd_buf_new(4 << 20);
	assert_int_equal(mftd_buf_put(a->body, data, len), 0);
	assert_int_equal(mftd_buf_get_u8(a->body, &a->type), 0);
	assert_int_equal(mftd_buf_get_u32(a->body, &a->id), 0);
	if (a->type == SSH_FXP_STATUS) {
		assert_int_equal(mftd_buf_get_u32(a->body, &a->status), 0);
		assert_int_equal(
		    mftd_buf_get_cstring(a->body, a->text, sizeof(a->text)), 0);
		assert_int_equal(mftd_buf_get_string(a->body, &data, &len), 0);
		assert_int_equal(mftd_buf_len(a->body), 0);
	}
	return true;
}

struct answer
peer_ask(struct peer *r, struct mftd_buf *b)
{
	struct answer a;
	uint32_t id = r->next_id;

	peer_post(r, b);
	while (mftd_sftp_working(r->s))
		assert_int_equal(mftd_sftp_continue(r->s), 0);
	peer_journal(r);
	while (mftd_buf_len(mftd_sftp_output(r->s)) == 0 && r->syncer != NULL &&
	    mftd_sftp_syncing(r->s)) {
		peer_hear_sync(r);
		peer_journal(r);
	}
	if (!peer_take(r, &a))
		fail_msg("no answer");
	assert_int_equal(a.id, id);
	return a;
}

uint32_t
peer_status(struct peer *r, struct mftd_buf *b)
{
	struct answer a = peer_ask(r, b);

	mftd_buf_free(a.body);
	assert_int_equal(a.type, SSH_FXP_STATUS);
	return a.status;
}

int
peer_setup(void **state)
{
	struct peer *r = malloc(sizeof(*r));

	peer_open(r, false);
	peer_start(r);
	*state = r;
	return 0;
}

int
peer_teardown(void **state)
{
	peer_close(*state);
	free(*state);
	return 0;
}
