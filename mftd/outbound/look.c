/* Part of mftd; see LICENSE. */
#include "mftd/outbound/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/path.h"
#include "mftd/catalog/match.h"
#include "mftd/catalog/pattern.h"
#include "mftd/catalog/rows.h"
#include "mftd/ipc/msg_look.h"
#include "mftd/outbound/copy.h"
#include "mftd/outbound/sight.h"
#include "mftd/outbound/stage.h"
#include "mftd/outbound/watch.h"

#define NS_PER_S 1000000000LL
#define CHANGED 1 /* the file is another by now: it waits again */

struct look {
	const struct mftd_look *l;
	struct mftd_chan *c;
	struct mftd_stage stage;
	char *files, *except; /* patterns, a line each; or NULL */
	int folder;
	struct mftd_sights before, now;
	uint64_t seq;
	int64_t again_ms; /* when a file may be stable; 0: none will */
	int watch; /* as LOOK_END has it */
	int err; /* what went wrong, and with what */
	char text[MFTD_REASON_BYTES];
};

/* Notes what went wrong first.  Returns err. */
static int
fail(struct look *k, int err, const char *what)
{
	if (k->err == 0 && err < 0) {
		k->err = err;
		snprintf(k->text, sizeof(k->text), "%.*s",
		    (int)sizeof(k->text) - 1, what);
	}
	return err;
}

/* ---- questions */

/* Asks, and waits for an answer of that type and size. */
static int
ask(struct look *k, uint32_t type, const void *data, size_t len,
    uint32_t answer, void *out, size_t size)
{
	struct mftd_msg m;
	int r = mftd_chan_send(k->c, type, 0, data, len, NULL, 0);

	if (r == 0)
		r = mftd_chan_wait(k->c, &m, -1);
	if (r < 0)
		return r;
	if (m.type != answer)
		r = -MFTD_E_PROTOCOL;
	else
		memcpy(out, m.data, size);
	mftd_msg_close(&m);
	return r;
}

/* What is answered goes to *err. */
static int
ask_short(struct look *k, uint32_t type, const void *data, size_t len, int *err)
{
	struct mftd_msg_look_answer a = { 0 };
	int r = ask(k, type, data, len, MFTD_MSG_LOOK_ANSWER, &a, sizeof(a));

	*err = a.err;
	return r;
}

/* ---- what an earlier look left */

static int
settle_staged(void *data, const char *receipt)
{
	struct look *k = data;
	struct mftd_msg_look_staged q = { "" };
	int written, r;

	snprintf(q.receipt, sizeof(q.receipt), "%s", receipt);
	r = ask_short(k, MFTD_MSG_LOOK_STAGED, &q, sizeof(q), &written);
	if (r < 0)
		return r;
	if (written < 0)
		return fail(k, written, receipt);
	r = written > 0 ? mftd_stage_keep(&k->stage, receipt)
			: mftd_stage_drop(&k->stage, receipt);
	return fail(k, r, receipt);
}

/* ---- what is there */

/* Asks the server again where that is elsewhere: what is known here may be of a
 * minute ago. */
static int
see(int dir, const char *name, int flags, struct mftd_version *v, bool *is_file)
{
	struct statx st;

	if (statx(dir, name, flags | AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC,
		STATX_BASIC_STATS, &st) < 0)
		return -errno;
	*is_file = S_ISREG(st.stx_mode);
	*v = (struct mftd_version) { .size = st.stx_size,
		.mtime_ns =
		    st.stx_mtime.tv_sec * NS_PER_S + st.stx_mtime.tv_nsec,
		.ctime_ns =
		    st.stx_ctime.tv_sec * NS_PER_S + st.stx_ctime.tv_nsec,
		.inode = st.stx_ino };
	return 0;
}

static bool
is_wanted(const struct look *k, const char *name)
{
	return mftd_path_is_name(name) && !mftd_match_excluded(name) &&
	    mftd_patterns_take(k->files, k->except, name);
}

static int
add_file(struct look *k, const char *name)
{
	struct mftd_version v;
	bool is_file;
	int r;

	if (!is_wanted(k, name))
		return 0;
	r = see(k->folder, name, 0, &v, &is_file);
	if (r == -ENOENT || r == -ESTALE)
		return 0; /* it went meanwhile */
	if (r < 0)
		return fail(k, r, name);
	return is_file ? mftd_sights_add(&k->now, name, &v) : 0;
}

static int
list_folder(struct look *k)
{
	const struct mftd_route_folder *f = k->l->route->folder;
	struct dirent *e;
	DIR *dir;
	int fd, r = 0;

	k->folder = mftd_path_open_nolinks(
	    k->stage.root, f->path, O_RDONLY | O_DIRECTORY, 0);
	if (k->folder < 0)
		return fail(k, k->folder, f->path);
	/* before it is listed: what changes behind that is an event */
	if (k->l->watch >= 0)
		k->watch = mftd_watch_add(k->l->watch, k->folder);
	if (k->watch > 0)
		mftd_watch_add_parents(k->l->watch, k->stage.root, f->path);
	fd = openat(k->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		r = fail(k, -errno, f->path);
		mftd_fd_close(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, e = readdir(dir)) != NULL)
		r = add_file(k, e->d_name);
	if (r == 0 && errno != 0)
		r = fail(k, -errno, f->path);
	closedir(dir);
	if (r == -MFTD_E_LIMIT) { /* the others' turn comes when these go */
		fail(k, r, f->path);
		r = 0;
	}
	mftd_sights_sort(&k->now);
	return r;
}

/* ---- what is remembered */

/* The catalog may forget a file only when it really is gone. */
static int
forget_if_gone(struct look *k, const char *name)
{
	struct mftd_msg_look_gone q = { "" };
	struct mftd_version v;
	bool is_file;
	int err, r;

	if (see(k->folder, name, 0, &v, &is_file) != -ENOENT)
		return 0;
	snprintf(q.name, sizeof(q.name), "%s", name);
	r = ask_short(k, MFTD_MSG_LOOK_GONE, &q, sizeof(q), &err);
	return r < 0 ? r : fail(k, err, name);
}

/* What the catalog remembers of a name: as if it had been seen before. */
static int
recall(struct look *k, const char *name, const struct mftd_msg_version *m)
{
	const struct mftd_version v = { .size = m->size,
		.mtime_ns = m->mtime_ns,
		.ctime_ns = m->ctime_ns,
		.inode = m->inode };
	int r;

	if (mftd_sights_find(&k->now, name) == NULL)
		return forget_if_gone(k, name);
	r = mftd_sights_add(&k->before, name, &v);
	if (r == 0) {
		k->before.list[k->before.n - 1].known = true;
		k->before.list[k->before.n - 1].ever = true;
	}
	return r;
}

/* The first look of an owner: all that the catalog remembers. */
static int
recall_all(struct look *k)
{
	struct mftd_msg_look_known q = { "" };
	struct mftd_msg_look_rows *a = calloc(1, sizeof(*a));
	uint32_t i;
	int r = 0;

	if (a == NULL)
		return -ENOMEM;
	mftd_sights_free(&k->before);
	do {
		r = ask(k, MFTD_MSG_LOOK_KNOWN, &q, sizeof(q),
		    MFTD_MSG_LOOK_ROWS, a, sizeof(*a));
		for (i = 0; r == 0 && i < a->n; i++) {
			a->rows[i].name[MFTD_FILE_NAME_BYTES - 1] = '\0';
			r = recall(k, a->rows[i].name, &a->rows[i].v);
		}
		if (r == 0 && a->n > 0)
			memcpy(
			    q.after, a->rows[a->n - 1].name, sizeof(q.after));
	} while (r == 0 && a->n == MFTD_LOOK_ROWS_MAX);
	mftd_sights_sort(&k->before);
	free(a);
	return r;
}

static int
forget_those_gone(struct look *k)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < k->before.n; i++)
		if (k->before.list[i].ever &&
		    mftd_sights_find(&k->now, k->before.list[i].name) == NULL)
			r = forget_if_gone(k, k->before.list[i].name);
	return r;
}

/* ---- taking one */

/* Whether fd, and what has the name, still are that version.  0 or CHANGED. */
static int
check_same(const struct look *k, int fd, const struct mftd_sight *s)
{
	struct mftd_version v, named;
	bool is_file;

	if (see(fd, "", AT_EMPTY_PATH, &v, &is_file) < 0 || !is_file ||
	    !mftd_version_equal(&v, &s->v) ||
	    see(k->folder, s->name, 0, &named, &is_file) < 0 ||
	    !mftd_version_equal(&named, &s->v))
		return CHANGED;
	return 0;
}

/* Where routes keep the time of their files, it is read there. */
static int
copy_time(int to, const struct mftd_sight *s)
{
	const struct timespec t[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = s->v.mtime_ns / NS_PER_S,
		    .tv_nsec = s->v.mtime_ns % NS_PER_S } };

	if (t[1].tv_nsec < 0) /* before 1970 */
		return 0;
	return futimens(to, t) < 0 ? -errno : 0;
}

/* Brings its bytes to .mft/out.  0, CHANGED, or an error: then nothing is
 * left. */
static int
stage_file(
    struct look *k, const struct mftd_sight *s, struct mftd_msg_look_found *q)
{
	int from, to = -1, r;
	bool made;

	from = mftd_path_open_nolinks(
	    k->folder, s->name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (from < 0)
		return from == -ENOENT || from == -ELOOP ? CHANGED : from;
	r = check_same(k, from, s);
	made = r == 0;
	if (r == 0)
		r = to = mftd_stage_make(&k->stage, q->receipt);
	if (r >= 0 && to >= 0)
		r = mftd_copy(from, to, s->v.size, q->sha256);
	if (r == -MFTD_E_CORRUPT)
		r = CHANGED; /* it was cut meanwhile */
	if (r == 0)
		r = check_same(k, from, s);
	if (r == 0)
		r = copy_time(to, s);
	if (r == 0)
		r = mftd_stage_ready(&k->stage, q->receipt, to);
	if (r != 0 && made)
		mftd_stage_drop(&k->stage, q->receipt);
	mftd_fd_close(&to);
	mftd_fd_close(&from);
	return r;
}

/* 0; or an error that ends the look: what is staged then is the next one's. */
static int
take_file(struct look *k, struct mftd_sight *s)
{
	struct mftd_msg_look_found q = { .seq = k->seq++ };
	int err, r;

	r = mftd_id_timed(
	    "f", mftd_clock_wall_us(), q.receipt, sizeof(q.receipt));
	if (r == 0)
		r = stage_file(k, s, &q);
	if (r == CHANGED) {
		s->since_ms = mftd_clock_ms();
		return 0;
	}
	if (r < 0) /* of this one; the others may do better */
		return fail(k, r, s->name), 0;
	snprintf(q.name, sizeof(q.name), "%s", s->name);
	q.v = (struct mftd_msg_version) { .size = s->v.size,
		.mtime_ns = s->v.mtime_ns,
		.ctime_ns = s->v.ctime_ns,
		.inode = s->v.inode };
	r = ask_short(k, MFTD_MSG_LOOK_FOUND, &q, sizeof(q), &err);
	if (r < 0)
		return r;
	s->known = s->ever = err == 0 || err == -EEXIST;
	if (err != 0)
		return fail(k, -EAGAIN, s->name);
	return fail(k, mftd_stage_keep(&k->stage, q.receipt), s->name);
}

/* Which are to be taken, the oldest first. */
static int
by_age(const void *a, const void *b)
{
	const struct mftd_sight *x = *(struct mftd_sight *const *)a;
	const struct mftd_sight *y = *(struct mftd_sight *const *)b;

	if (x->v.mtime_ns != y->v.mtime_ns)
		return x->v.mtime_ns < y->v.mtime_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

static size_t
judge_all(struct look *k, struct mftd_sight **take)
{
	int64_t stable_ms = 1000 * (int64_t)k->l->route->folder->stable_s;
	int64_t now_ms = mftd_clock_ms(), again_ms;
	struct mftd_sight *s;
	size_t i, n = 0;

	for (i = 0; i < k->now.n; i++) {
		s = &k->now.list[i];
		switch (mftd_sight_judge(s,
		    mftd_sights_find(&k->before, s->name), now_ms, stable_ms)) {
		case MFTD_SIGHT_TAKE:
			take[n++] = s;
			break;
		case MFTD_SIGHT_WAIT:
			again_ms = s->since_ms + stable_ms - now_ms;
			if (k->again_ms == 0 || again_ms < k->again_ms)
				k->again_ms = again_ms;
			break;
		default:
			break;
		}
	}
	qsort(take, n, sizeof(*take), by_age);
	return n;
}

static int
take_files(struct look *k)
{
	struct mftd_sight **take = calloc(k->now.n + 1, sizeof(*take));
	size_t i, n;
	int r = 0;

	if (take == NULL)
		return -ENOMEM;
	n = judge_all(k, take);
	for (i = 0; r == 0 && i < n; i++)
		r = take_file(k, take[i]);
	free(take);
	return r;
}

/* ---- one look */

static int
look(struct look *k)
{
	const struct mftd_route *route = k->l->route;
	const struct mftd_conf_volume *v =
	    mftd_conf_volume(k->l->conf, route->folder->volume);
	int r;

	if (v == NULL)
		return fail(k, -ENOENT, "its volume is not here");
	r = mftd_stage_open(&k->stage, v->path, route->name);
	if (r == -ENOENT)
		return fail(k, -EAGAIN, "");
	if (r < 0)
		return fail(k, r, v->path);
	if (!mftd_rows_join(route->files, route->n_files, &k->files) ||
	    !mftd_rows_join(route->except, route->n_except, &k->except))
		return fail(k, -ENOMEM, "");
	r = mftd_stage_each(&k->stage, settle_staged, k);
	if (r == 0)
		r = list_folder(k);
	if (r == 0)
		r = mftd_sights_load(k->l->memory, &k->before);
	if (r == 0)
		r = k->before.whole ? forget_those_gone(k) : recall_all(k);
	if (r < 0)
		return r;
	k->now.whole = true;
	r = take_files(k);
	if (r == -MFTD_E_CLOSED)
		return r;
	return fail(k, mftd_sights_save(k->l->memory, &k->now), "memory");
}

int
mftd_look_run(const struct mftd_look *l, struct mftd_chan *c)
{
	struct look k = { .l = l,
		.c = c,
		.stage = { .root = -1, .out = -1, .dir = -1 },
		.folder = -1 };
	struct mftd_msg_look_end end = { 0 };
	int r = look(&k);

	fail(&k, r, "");
	end.err = k.err;
	end.watch = k.watch;
	end.again_ms = k.again_ms > 0 ? (uint32_t)k.again_ms : 0;
	memcpy(end.text, k.text, sizeof(end.text));
	if (r != -MFTD_E_CLOSED)
		r = mftd_chan_send(
		    c, MFTD_MSG_LOOK_END, 0, &end, sizeof(end), NULL, 0);
	mftd_sights_free(&k.before);
	mftd_sights_free(&k.now);
	mftd_fd_close(&k.folder);
	mftd_stage_close(&k.stage);
	free(k.files);
	free(k.except);
	return r;
}
