/* Part of mftd; see LICENSE. */
#include "mftd/outbound/fetch.h"

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
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/catalog/match.h"
#include "mftd/catalog/pattern.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/outbound/fetch_state.h"
#include "mftd/outbound/pace.h"

#define MS_PER_S 1000

int
mftd_fetch_fail(
    struct mftd_fetch_state *f, int err, const char *what, const char *detail)
{
	snprintf(f->why, sizeof(f->why), "%s: %s", what,
	    detail[0] != '\0' ? detail : mftd_strerror(err));
	return err;
}

int
mftd_fetch_result(struct mftd_fetch_state *f, int r,
    const struct mftd_remote_answer *a, const char *what)
{
	if (r < 0)
		return mftd_fetch_fail(f, r, what, mftd_remote_why(f->remote));
	if (a->err == 0)
		return 0;
	f->refused = true;
	return mftd_fetch_fail(f, a->err, what, a->why);
}

int
mftd_fetch_path(
    const char *dir, const char *name, char out[MFTD_FETCH_PATH_BYTES])
{
	size_t len = strlen(dir);
	int n = snprintf(out, MFTD_FETCH_PATH_BYTES, "%s%s%s", dir,
	    len > 0 && dir[len - 1] != '/' ? "/" : "", name);

	return n < MFTD_FETCH_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* ---- words with outbound */

int
mftd_fetch_ask(struct mftd_fetch_state *f, uint32_t type, const void *data,
    size_t len, const void *tail, size_t tail_len, uint32_t answer_type,
    struct mftd_msg *m)
{
	int r;

	alarm(0);
	r = mftd_chan_send_tail(f->c, type, 0, data, len, tail, tail_len);
	if (r == 0)
		r = mftd_chan_wait(f->c, m, -1);
	if (r == 0 && m->type != answer_type)
		r = -MFTD_E_PROTOCOL;
	f->gone = r < 0;
	alarm(MFTD_CALL_WATCHDOG_S);
	return r;
}

/* The same where one number is the answer: that. */
static int
ask_one(struct mftd_fetch_state *f, uint32_t type, const void *data, size_t len)
{
	struct mftd_msg m;
	int r = mftd_fetch_ask(
	    f, type, data, len, NULL, 0, MFTD_MSG_FETCH_ANSWER, &m);

	return r < 0 ? r
		     : ((const struct mftd_msg_fetch_answer *)m.data)->err[0];
}

/* ---- the call */

int
mftd_fetch_pace(struct mftd_fetch_state *f, size_t bytes)
{
	return mftd_pace_await(f->j->pace, f->j->partner->bandwidth, bytes,
	    f->call.target.go_on, f);
}

size_t
mftd_fetch_chunk(const struct mftd_fetch_state *f)
{
	size_t chunk = mftd_remote_read_chunk(f->remote);

	return f->j->partner->bandwidth > 0
	    ? mftd_pace_chunk(f->j->partner->bandwidth, chunk)
	    : chunk;
}

static int
go_on_talking(void *data)
{
	const struct mftd_fetch_state *f = data;

	alarm(MFTD_CALL_WATCHDOG_S);
	return mftd_lease_held(f->j->lease) ? 0 : -MFTD_E_NO_LEASE;
}

static void
disconnect(struct mftd_fetch_state *f)
{
	mftd_remote_free(f->remote);
	mftd_ssh_client_close(f->client);
	f->remote = NULL;
	f->client = NULL;
}

static int
call_partner(struct mftd_fetch_state *f)
{
	struct mftd_msg_fetch_called called = { 0 };
	int r;

	if (ask_one(f, MFTD_MSG_FETCH_PLACE, &(struct mftd_msg_none) { 0 },
		sizeof(struct mftd_msg_none)) < 0)
		return -MFTD_E_CLOSED;
	f->call.target.go_on = go_on_talking;
	f->call.target.data = f;
	alarm(MFTD_CALL_WATCHDOG_S);
	r = mftd_call_open(&f->call, f->j->partner, f->j->secret_key, NULL,
	    &f->client, called.why, sizeof(called.why));
	if (r == 0) {
		r = mftd_remote_open(f->client, &f->remote);
		if (r < 0)
			snprintf(called.why, sizeof(called.why), "sftp: %s",
			    mftd_ssh_client_why(f->client));
	}
	called.err = r;
	if (r < 0 && called.why[0] == '\0')
		snprintf(
		    called.why, sizeof(called.why), "%s", mftd_strerror(r));
	if (f->client != NULL)
		snprintf(called.host, sizeof(called.host), "%s",
		    mftd_ssh_client_address(f->client));
	snprintf(f->why, sizeof(f->why), "%s", called.why);
	if (ask_one(f, MFTD_MSG_FETCH_CALLED, &called, sizeof(called)) < 0)
		f->gone = true;
	return f->gone ? -MFTD_E_CLOSED : r;
}

/* ---- the list */

static bool
is_matched(const char *name, char *const *patterns, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (mftd_pattern_matches(patterns[i], name))
			return true;
	return false;
}

static bool
is_wanted(const struct mftd_fetch *j, const char *name)
{
	return mftd_path_is_name(name) && !mftd_match_excluded(name) &&
	    (j->n_files == 0 || is_matched(name, j->files, j->n_files)) &&
	    !is_matched(name, j->except, j->n_except);
}

/* A name of the list: of what is no regular file, or cannot be known again, or
 * has no name of a file, nothing is wanted. */
static void
see(void *data, const uint8_t *bytes, size_t len,
    const struct mftd_remote_attrs *a)
{
	struct mftd_fetch_state *f = data;
	char name[MFTD_FILE_NAME_BYTES];

	if (len >= sizeof(name) || memchr(bytes, '\0', len) || !a->has_mode ||
	    !S_ISREG(a->mode) || !a->has_size || !a->has_mtime)
		return;
	memcpy(name, bytes, len);
	name[len] = '\0';
	if (is_wanted(f->j, name) &&
	    mftd_listing_see(
		&f->seen, name, a->size, a->mtime, mftd_clock_ms()) == -ENOMEM)
		f->seen.over++;
}

static int
read_names(struct mftd_fetch_state *f, const struct mftd_remote_file *dir)
{
	struct mftd_remote_names names = { .take = see, .data = f };
	struct mftd_remote_answer a = { 0 };
	int r;

	do {
		r = mftd_remote_read_dir(f->remote, dir, &names, &a);
		if (r == 0)
			r = mftd_remote_await(f->remote, &a);
		r = mftd_fetch_result(f, r, &a, "readdir");
	} while (r == 0 && names.n > 0);
	return r;
}

static int
list(struct mftd_fetch_state *f)
{
	const char *path = f->j->directory[0] != '\0' ? f->j->directory : ".";
	struct mftd_remote_answer a = { 0 }, closed = { 0 };
	struct mftd_remote_file dir;
	int r, e;

	r = mftd_remote_open_dir(f->remote, path, &dir, &a);
	if (r == 0)
		r = mftd_remote_await(f->remote, &a);
	r = mftd_fetch_result(f, r, &a, "opendir");
	if (r < 0)
		return r;
	mftd_listing_begin(&f->seen);
	r = read_names(f, &dir);
	mftd_listing_end(&f->seen);
	if (f->seen.over > 0)
		log_warn("%zu files more than %u in %s: they wait",
		    f->seen.over, MFTD_FETCH_NAMES_MAX, path);
	e = mftd_remote_close(f->remote, &dir, &closed);
	if (e == 0)
		e = mftd_remote_drain(f->remote);
	return r == 0 && e < 0 ? mftd_fetch_result(f, e, &closed, "close") : r;
}

/* ---- one file */

static int
make_durable(struct mftd_fetch_state *f, int fd,
    const struct mftd_msg_fetch_found *found)
{
	const struct timespec t[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = found->file.mtime } };
	int r = futimens(fd, t) < 0 ? -errno : 0;

	alarm(0); /* a disk takes the time that it takes */
	if (r == 0)
		r = mftd_fetch_part_finish(f, found->id);
	if (r == 0)
		r = mftd_stage_ready(&f->stage, found->id, fd);
	alarm(MFTD_CALL_WATCHDOG_S);
	return r < 0 ? mftd_fetch_fail(f, r, "keeping it", "") : 0;
}

/* The partner's file, whole and durable, in fd. */
static int
bring(struct mftd_fetch_state *f, const char *path, int fd,
    struct mftd_msg_fetch_found *found)
{
	struct mftd_remote_sum sum;
	int r;

	r = mftd_fetch_read(
	    f, path, found->file.size, found->file.mtime, fd, found->sha256);
	if (r == 0)
		r = mftd_fetch_remote_sum(f, path, found->file.size, &sum);
	if (r == 0 && sum.known &&
	    memcmp(sum.sha256, found->sha256, MFTD_SHA256_BYTES) != 0)
		return -ESTALE; /* another one has its name already */
	if (r < 0)
		return r;
	found->verified = sum.known ? MFTD_VERIFIED_HASH : MFTD_VERIFIED_SIZE;
	return make_durable(f, fd, found);
}

/* What lies staged has a row, and is kept, or never will, and goes. */
static int
settle(void *data, const char *id)
{
	struct mftd_fetch_state *f = data;
	struct mftd_msg_fetch_staged staged = { "" };
	int r;

	snprintf(staged.id, sizeof(staged.id), "%s", id);
	r = ask_one(f, MFTD_MSG_FETCH_STAGED, &staged, sizeof(staged));
	if (r < 0)
		return r;
	return r > 0 ? mftd_stage_keep(&f->stage, id)
		     : mftd_stage_drop(&f->stage, id);
}

/* 0: outbound has it, or knows it. */
static int
tell_found(struct mftd_fetch_state *f, const struct mftd_msg_fetch_found *found)
{
	int r = ask_one(f, MFTD_MSG_FETCH_FOUND, found, sizeof(*found)), e;

	if (f->gone)
		return r;
	f->fetched += r == 0;
	e = r == 0 ? mftd_stage_keep(&f->stage, found->id)
		   : settle(f, found->id);
	return r == 0 || r == -EEXIST ? e : r;
}

/* Whether others may do better: one that may not be read, or is too large for
 * what is left here, keeps nothing else waiting. */
static bool
is_of_one(const struct mftd_fetch_state *f, int err)
{
	return f->refused || err == -ENOSPC || err == -EDQUOT || err == -EFBIG;
}

/* The look goes on; at its end it tells of the first one. */
static void
note_one(struct mftd_fetch_state *f, const char *name, int err)
{
	if (f->one_err == 0)
		snprintf(
		    f->one_why, sizeof(f->one_why), "%.255s: %s", name, f->why);
	if (f->one_err == 0)
		f->one_err = err;
}

static int
fetch_one(struct mftd_fetch_state *f, struct mftd_listed *e)
{
	struct mftd_msg_fetch_found found = { .file = { .size = e->size,
						  .mtime = e->mtime } };
	char path[MFTD_FETCH_PATH_BYTES];
	int fd, r;

	snprintf(found.file.name, sizeof(found.file.name), "%s", e->name);
	r = mftd_fetch_path(f->j->directory, e->name, path);
	if (r == 0)
		r = mftd_id_timed(
		    "f", mftd_clock_wall_us(), found.id, sizeof(found.id));
	if (r < 0)
		return mftd_fetch_fail(f, r, e->name, "");
	fd = mftd_fetch_part_suits(f, e->size)
	    ? mftd_fetch_part_open(f, &found.file)
	    : mftd_stage_make(&f->stage, found.id);
	if (fd < 0)
		return mftd_fetch_fail(f, fd, "keeping it", "");
	f->refused = false;
	r = bring(f, path, fd, &found);
	if (f->part.fd >= 0)
		mftd_fetch_part_leave(f, r);
	else if (r < 0)
		mftd_stage_drop(&f->stage, found.id);
	mftd_fd_close(&fd);
	if (r == -ESTALE) {
		log_info("%s changed while it was fetched: later", e->name);
		mftd_listing_forget(&f->seen, e->name);
		return 0;
	}
	if (r < 0 && is_of_one(f, r)) {
		note_one(f, e->name, r);
		return 0;
	}
	if (r == 0)
		r = tell_found(f, &found);
	e->done = r == 0;
	return r;
}

/* Of n files, those that are not known yet. */
static int
fetch_unknown(struct mftd_fetch_state *f, struct mftd_listed **list, uint32_t n)
{
	struct mftd_msg_fetch_file files[MFTD_FETCH_ASK_MAX];
	struct mftd_msg_fetch_answer answer;
	struct mftd_msg_fetch_ask head = { .n = n };
	struct mftd_msg m;
	uint32_t i;
	int r;

	memset(files, 0, sizeof(files));
	for (i = 0; i < n; i++) {
		files[i].size = list[i]->size;
		files[i].mtime = list[i]->mtime;
		snprintf(
		    files[i].name, sizeof(files[i].name), "%s", list[i]->name);
	}
	r = mftd_fetch_ask(f, MFTD_MSG_FETCH_ASK, &head, sizeof(head), files,
	    n * sizeof(*files), MFTD_MSG_FETCH_ANSWER, &m);
	if (r < 0)
		return r;
	answer = *(const struct mftd_msg_fetch_answer *)m.data;
	for (i = 0; r == 0 && i < n; i++) {
		list[i]->done = answer.err[i] == -EEXIST;
		if (answer.err[i] == 0)
			r = fetch_one(f, list[i]);
	}
	return r;
}

/* The oldest first. */
static int
by_age(const void *a, const void *b)
{
	const struct mftd_listed *x = *(struct mftd_listed *const *)a;
	const struct mftd_listed *y = *(struct mftd_listed *const *)b;

	if (x->mtime != y->mtime)
		return x->mtime < y->mtime ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What was cut comes before all others, or its part would make place for one
 * of theirs. */
static void
take_up_first(
    const struct mftd_fetch_state *f, struct mftd_listed **list, size_t n)
{
	struct mftd_listed *first;
	size_t i;

	for (i = 0; i < n; i++)
		if (mftd_fetch_part_is_of(f, list[i])) {
			first = list[i];
			memmove(list + 1, list, i * sizeof(first));
			list[0] = first;
			return;
		}
}

static int
fetch_all(struct mftd_fetch_state *f)
{
	const int64_t stable_ms = (int64_t)f->j->stable_s * MS_PER_S;
	int64_t now_ms = mftd_clock_ms();
	struct mftd_listed **list, *e;
	size_t i, n = 0, most = 0;
	int r = 0;

	list = calloc(f->seen.n + 1, sizeof(struct mftd_listed *));
	if (list == NULL)
		return -ENOMEM;
	for (e = f->seen.list; e < f->seen.list + f->seen.n; e++)
		if (!e->done && mftd_listed_is_stable(e, now_ms, stable_ms))
			list[n++] = e;
	qsort(list, n, sizeof(struct mftd_listed *), by_age);
	take_up_first(f, list, n);
	for (i = 0; r == 0 && i < n; i += most) {
		most = n - i < MFTD_FETCH_ASK_MAX ? n - i : MFTD_FETCH_ASK_MAX;
		r = fetch_unknown(f, list + i, (uint32_t)most);
	}
	free(list);
	return r;
}

/* ---- the whole */

/* Some files were not here, or not so, before: they are looked at again as soon
 * as they may be stable. */
static int64_t
rest_ms(const struct mftd_fetch_state *f)
{
	int64_t every_ms = (int64_t)f->j->every_s * MS_PER_S;
	int64_t stable_ms = (int64_t)f->j->stable_s * MS_PER_S;
	size_t i;

	for (i = 0; i < f->seen.n; i++)
		if (!f->seen.list[i].done && stable_ms < every_ms)
			return stable_ms;
	return every_ms;
}

/* What went wrong in a look is told, and tried again in the next one. */
static int
look(struct mftd_fetch_state *f)
{
	struct mftd_msg_fetch_looked looked = { 0 };
	int r;

	f->fetched = 0;
	f->why[0] = '\0';
	f->one_err = 0;
	r = list(f);
	if (r == 0)
		mftd_fetch_part_review(f);
	if (r == 0)
		r = fetch_all(f);
	if (r == 0)
		r = mftd_fetch_tidy(f);
	disconnect(f);
	if (f->gone)
		return -MFTD_E_CLOSED;
	if (r == 0 && f->one_err < 0) {
		r = f->one_err;
		memcpy(f->why, f->one_why, sizeof(f->why));
	}
	looked.err = r;
	looked.fetched = f->fetched;
	if (r < 0)
		snprintf(looked.why, sizeof(looked.why), "%s",
		    f->why[0] != '\0' ? f->why : mftd_strerror(r));
	r = ask_one(f, MFTD_MSG_FETCH_LOOKED, &looked, sizeof(looked));
	return f->gone ? r : 0;
}

/* Outbound has nothing to say meanwhile, but that it is over. */
static int
rest(struct mftd_fetch_state *f)
{
	struct mftd_msg m;
	int r;

	alarm(0);
	r = mftd_chan_wait(f->c, &m, mftd_clock_ms() + rest_ms(f));
	return r == -ETIMEDOUT ? 0 : r == 0 ? -MFTD_E_PROTOCOL : r;
}

/* The place for the bytes, without what an earlier fetch left there. */
static int
open_stage(struct mftd_fetch_state *f)
{
	const struct mftd_conf_volume *v =
	    mftd_conf_volume(f->j->conf, f->j->volume);
	int r = v != NULL ? mftd_stage_open(&f->stage, v->path, f->j->route)
			  : -ENODEV;

	/* -ENOENT: the volume is not laid out yet */
	if (r == 0)
		r = mftd_stage_each(&f->stage, settle, f);
	if (r < 0 && r != -ENOENT && !f->gone)
		log_warn("volume %s: %s", f->j->volume, mftd_strerror(r));
	return r;
}

int
mftd_fetch_run(const struct mftd_fetch *j, struct mftd_chan *c)
{
	struct mftd_fetch_state *f = calloc(1, sizeof(*f));
	int r = -ENOMEM;

	if (f == NULL)
		return r;
	f->j = j;
	f->c = c;
	f->stage = (struct mftd_stage) { .root = -1, .out = -1, .dir = -1 };
	f->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	f->sum = EVP_MD_CTX_new();
	f->part =
	    (struct mftd_fetch_part) { .fd = -1, .so_far = EVP_MD_CTX_new() };
	if (f->sha256 != NULL && f->sum != NULL && f->part.so_far != NULL)
		r = open_stage(f);
	while (r == 0 && (r = call_partner(f)) == 0 && (r = look(f)) == 0)
		r = rest(f);
	alarm(0);
	disconnect(f);
	mftd_stage_close(&f->stage);
	mftd_listing_free(&f->seen);
	EVP_MD_CTX_free(f->part.so_far);
	EVP_MD_CTX_free(f->sum);
	EVP_MD_free(f->sha256);
	free(f->buffer);
	free(f);
	return r == -MFTD_E_CLOSED ? 0 : r;
}
