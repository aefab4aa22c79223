/* Part of mftd; see LICENSE. */
#include "mftd/outbound/probe_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/outbound/delivery.h"

#define TEST_BYTES 4096
#define DAY_S 86400

static int
lstat_name(struct mftd_probe_state *b, const char *name,
    struct mftd_remote_attrs *attrs)
{
	struct mftd_remote_answer a = { 0 };

	return mftd_probe_ask(
	    b, mftd_remote_lstat(b->remote, name, attrs, &a), &a);
}

static int
rename_name(struct mftd_probe_state *b, const char *from, const char *to)
{
	struct mftd_remote_answer a = { 0 };

	return mftd_probe_ask(
	    b, mftd_remote_rename(b->remote, from, to, &a), &a);
}

/* ---- a directory */

/* "D/." is there only if D is a directory, or leads to one. */
int
mftd_probe_look(struct mftd_probe_state *b)
{
	struct mftd_remote_attrs a;
	char path[MFTD_PROBE_NAME_BYTES];
	int r;

	snprintf(path, sizeof(path), "%s/.", b->directory);
	r = lstat_name(b, path, &a);
	if (r == 0 && a.exists)
		return mftd_probe_say(b, MFTD_FINDING_OK, "directory", "");
	if (r < 0 && !mftd_probe_is_answer(r))
		return mftd_probe_refused(b, "directory");
	r = lstat_name(b, b->directory, &a);
	if (r < 0)
		return mftd_probe_refused(b, "directory");
	return mftd_probe_say(b, MFTD_FINDING_FAIL, "directory",
	    a.exists ? "it is no directory" : "it is not there");
}

static int
make_names(struct mftd_probe_state *b)
{
	char id[MFTD_ID_BYTES];
	int r = mftd_id_random(NULL, id, sizeof(id));

	if (r < 0)
		return r;
	snprintf(b->name[MFTD_PROBE_TEMP], MFTD_PROBE_NAME_BYTES,
	    "%s/.mft-test-%s.1.part", b->directory, id);
	snprintf(b->name[MFTD_PROBE_FINAL], MFTD_PROBE_NAME_BYTES,
	    "%s/.mft-test-%s", b->directory, id);
	snprintf(b->name[MFTD_PROBE_SECOND], MFTD_PROBE_NAME_BYTES,
	    "%s/.mft-test-%s.2.part", b->directory, id);
	return 0;
}

/* A file like those of a delivery, with that mtime.  Whether the server knows
 * fsync, and sets times, is another matter. */
static int
make_file(struct mftd_probe_state *b, int which, uint32_t mtime)
{
	static const char zeros[TEST_BYTES];
	struct mftd_remote *m = b->remote;
	struct mftd_remote_answer a[5] = { 0 };
	struct mftd_remote_file f;
	int r = mftd_probe_ask(b,
	    mftd_remote_open_file(
		m, b->name[which], MFTD_REMOTE_CREATE, 0, &f, &a[0]),
	    &a[0]);

	if (r < 0)
		return mftd_probe_refused(b, "create");
	b->made[which] = true;
	r = mftd_probe_ask(
	    b, mftd_remote_write(m, &f, 0, zeros, TEST_BYTES, &a[1]), &a[1]);
	if (r < 0)
		return mftd_probe_refused(b, "write");
	r = mftd_probe_ask(b, mftd_remote_sync(m, &f, &a[2]), &a[2]);
	if (r < 0 && r != -EOPNOTSUPP)
		return mftd_probe_refused(b, "fsync");
	r = mftd_probe_ask(b,
	    mftd_remote_set_times(
		m, &f, mtime, mftd_delivery_atime(mtime), &a[3]),
	    &a[3]);
	if (r < 0 && !mftd_probe_is_answer(r))
		return mftd_probe_refused(b, "setstat");
	r = mftd_probe_ask(b, mftd_remote_close(m, &f, &a[4]), &a[4]);
	return r < 0 ? mftd_probe_refused(b, "close") : 0;
}

static int
check_file(struct mftd_probe_state *b, uint32_t mtime)
{
	struct mftd_remote_attrs a;
	int r = lstat_name(b, b->name[MFTD_PROBE_TEMP], &a);

	if (r < 0)
		return mftd_probe_refused(b, "stat");
	if (!a.exists || !a.has_size || a.size != TEST_BYTES)
		return mftd_probe_say(b, MFTD_FINDING_FAIL, "create",
		    "the size is not what was written");
	mftd_probe_say(b, MFTD_FINDING_OK, "create", "");
	if (a.has_mtime && a.mtime == mtime &&
	    a.atime == mftd_delivery_atime(mtime))
		return mftd_probe_say(b, MFTD_FINDING_OK, "mtime", "kept");
	return mftd_probe_say(b, MFTD_FINDING_NOTE, "mtime",
	    "not kept: after a crash more will be in doubt");
}

/* ---- what a rename without an answer is judged by (delivery.h) */

/* A consumer, as it were. */
static int
read_file(struct mftd_probe_state *b, const char *path)
{
	struct mftd_remote *m = b->remote;
	struct mftd_remote_answer a[3] = { 0 };
	uint8_t byte;
	struct mftd_remote_data data = { .at = &byte, .size = 1 };
	struct mftd_remote_file f;
	int r = mftd_probe_ask(b,
	    mftd_remote_open_file(m, path, MFTD_REMOTE_LOOK, 0, &f, &a[0]),
	    &a[0]);

	if (r == 0)
		r = mftd_probe_ask(
		    b, mftd_remote_read(m, &f, 0, &data, &a[1]), &a[1]);
	if (r == 0)
		r = mftd_probe_ask(b, mftd_remote_close(m, &f, &a[2]), &a[2]);
	return r;
}

struct entry {
	const char *name;
	struct mftd_remote_attrs attrs;
};

static void
take_entry(void *data, const uint8_t *name, size_t len,
    const struct mftd_remote_attrs *a)
{
	struct entry *e = data;

	if (strlen(e->name) == len && memcmp(e->name, name, len) == 0)
		e->attrs = *a;
}

/* As a listing shows it; not at all: *e stays empty. */
static int
find_entry(struct mftd_probe_state *b, struct entry *e)
{
	struct mftd_remote *m = b->remote;
	struct mftd_remote_answer a[3] = { 0 };
	struct mftd_remote_names names = { .take = take_entry, .data = e };
	struct mftd_remote_file f;
	uint32_t seen = 0;
	int r = mftd_probe_ask(
	    b, mftd_remote_open_dir(m, b->directory, &f, &a[0]), &a[0]);

	if (r < 0)
		return r;
	do {
		r = mftd_probe_ask(
		    b, mftd_remote_read_dir(m, &f, &names, &a[1]), &a[1]);
		seen += names.n;
	} while (r == 0 && !e->attrs.exists && names.n > 0 &&
	    seen < MFTD_TRACE_NAMES_MAX);
	if (r == 0)
		r = mftd_probe_ask(b, mftd_remote_close(m, &f, &a[2]), &a[2]);
	return r;
}

static int
check_traces(struct mftd_probe_state *b, uint32_t mtime)
{
	struct entry e = { .name = strrchr(b->name[MFTD_PROBE_TEMP], '/') + 1 };
	const struct mftd_remote_attrs *a = &e.attrs;
	int r = read_file(b, b->name[MFTD_PROBE_TEMP]);

	if (r == 0)
		r = find_entry(b, &e);
	if (r < 0 && !mftd_probe_is_answer(r))
		return mftd_probe_refused(b, "list");
	if (r < 0 || a->links != 1)
		return mftd_probe_say(b, MFTD_FINDING_NOTE, "traces",
		    "how many names a file has is not shown: each rename "
		    "without an answer will be in doubt");
	if (a->has_mtime && a->atime == mftd_delivery_atime(mtime))
		return mftd_probe_say(b, MFTD_FINDING_NOTE, "traces",
		    "access times are not kept: each rename without an "
		    "answer will be in doubt");
	return mftd_probe_say(b, MFTD_FINDING_OK, "traces", "kept");
}

static int
try_rename(struct mftd_probe_state *b)
{
	struct mftd_remote_attrs temp, final;
	int r =
	    rename_name(b, b->name[MFTD_PROBE_TEMP], b->name[MFTD_PROBE_FINAL]);

	/* whatever it did: both names are ours */
	b->made[MFTD_PROBE_FINAL] = true;
	if (r < 0)
		return mftd_probe_refused(b, "rename");
	r = lstat_name(b, b->name[MFTD_PROBE_TEMP], &temp);
	if (r == 0)
		r = lstat_name(b, b->name[MFTD_PROBE_FINAL], &final);
	if (r < 0)
		return mftd_probe_refused(b, "rename");
	b->made[MFTD_PROBE_TEMP] = temp.exists;
	if (temp.exists || !final.exists)
		return mftd_probe_say(
		    b, MFTD_FINDING_FAIL, "rename", "confirmed, but not done");
	return mftd_probe_say(b, MFTD_FINDING_OK, "rename", "");
}

/* A plain RENAME must not replace a file. */
static int
try_clobber(struct mftd_probe_state *b)
{
	int r = rename_name(
	    b, b->name[MFTD_PROBE_SECOND], b->name[MFTD_PROBE_FINAL]);

	if (r == 0) {
		b->made[MFTD_PROBE_SECOND] = false;
		return mftd_probe_say(b, MFTD_FINDING_NOTE, "no clobber",
		    "its rename replaces a file: one that comes there in the "
		    "last moment would be lost");
	}
	if (!mftd_probe_is_answer(r))
		return mftd_probe_refused(b, "no clobber");
	return mftd_probe_say(b, MFTD_FINDING_OK, "no clobber", b->why);
}

/* Nothing is left there, whatever happened.  Whether a published file was
 * removed, with the others. */
static bool
tidy_up(struct mftd_probe_state *b)
{
	struct mftd_remote_answer a;
	bool left = false;
	int i, r;

	for (i = 0; i < MFTD_PROBE_FILES; i++) {
		if (!b->made[i])
			continue;
		a = (struct mftd_remote_answer) { 0 };
		r = mftd_probe_ask(
		    b, mftd_remote_remove(b->remote, b->name[i], &a), &a);
		if (r == 0 || r == -ENOENT)
			continue;
		left = true;
		mftd_probe_found(b,
		    mftd_probe_is_answer(r) ? MFTD_FINDING_NOTE
					    : MFTD_FINDING_FAIL,
		    b->name[i], "stays there: it cannot be removed");
	}
	return b->made[MFTD_PROBE_FINAL] && !left;
}

/* Whether nobody wants to know the rest. */
static int
check_wanted(struct mftd_probe_state *b)
{
	if (!b->p->ended(b->p->data))
		return 0;
	mftd_probe_found(b, MFTD_FINDING_FAIL, "test", "ended early");
	return -EINTR;
}

static bool
leads_here(const struct mftd_probe_state *b, const struct mftd_route *r)
{
	return r->partner != NULL &&
	    strcmp(r->partner, b->p->partner->name) == 0 &&
	    strcmp(mftd_probe_name(r->directory), b->directory) == 0;
}

static bool
is_overwritten(const struct mftd_probe_state *b)
{
	const struct mftd_route *r = b->p->routes;

	for (; r < b->p->routes + b->p->n_routes; r++)
		if (leads_here(b, r) &&
		    r->at.if_exists == MFTD_IF_EXISTS_OVERWRITE)
			return true;
	return false;
}

/* As a route with if_exists: overwrite replaces a file. */
static int
try_overwrite(struct mftd_probe_state *b)
{
	struct mftd_remote_answer a = { 0 };
	int r;

	if (!mftd_remote_can_replace(b->remote))
		return mftd_probe_say(b, MFTD_FINDING_FAIL, "overwrite",
		    "the server has no posix-rename@openssh.com");
	if (!b->made[MFTD_PROBE_SECOND])
		return 0; /* its plain rename has replaced one */
	r = mftd_probe_ask(b,
	    mftd_remote_replace(b->remote, b->name[MFTD_PROBE_SECOND],
		b->name[MFTD_PROBE_FINAL], &a),
	    &a);
	if (r < 0)
		return mftd_probe_refused(b, "overwrite");
	b->made[MFTD_PROBE_SECOND] = false;
	return mftd_probe_say(b, MFTD_FINDING_OK, "overwrite", "");
}

/* The directory at hand, as one where files get their names. */
static int
try_final(struct mftd_probe_state *b)
{
	uint32_t mtime = (uint32_t)time(NULL) - DAY_S;
	int r = mftd_probe_look(b);

	memset(b->made, 0, sizeof(b->made));
	if (r == 0)
		r = make_names(b);
	if (r == 0)
		r = make_file(b, MFTD_PROBE_TEMP, mtime);
	if (r == 0)
		r = check_file(b, mtime);
	if (r == 0)
		r = check_traces(b, mtime);
	if (r == 0 && (r = check_wanted(b)) == 0)
		r = try_rename(b);
	if (r == 0 && (r = check_wanted(b)) == 0)
		r = make_file(b, MFTD_PROBE_SECOND, mtime);
	if (r == 0 && (r = check_wanted(b)) == 0)
		r = try_clobber(b);
	if (r == 0 && is_overwritten(b) && (r = check_wanted(b)) == 0)
		r = try_overwrite(b);
	if (tidy_up(b))
		mftd_probe_say(b, MFTD_FINDING_OK, "remove", "");
	return r;
}

/* ---- a temp_directory */

struct real {
	char path[MFTD_PATH_BYTES];
};

static void
take_real(void *data, const uint8_t *name, size_t len,
    const struct mftd_remote_attrs *attrs)
{
	struct real *real = data;

	if (len >= sizeof(real->path))
		return;
	memcpy(real->path, name, len);
	real->path[len] = '\0';
}

/* A server that does not say takes them for two. */
static bool
are_one(struct mftd_probe_state *b, const char *one, const char *other)
{
	struct real reals[2] = { { "" }, { "" } };
	const char *paths[] = { one, other };
	struct mftd_remote_names names = { .take = take_real };
	struct mftd_remote_answer a;
	int i, r = 0;

	for (i = 0; r == 0 && i < 2; i++) {
		names.data = &reals[i];
		a = (struct mftd_remote_answer) { 0 };
		r = mftd_probe_ask(b,
		    mftd_remote_realpath(b->remote, paths[i], &names, &a), &a);
	}
	return r == 0 && reals[0].path[0] != '\0' &&
	    strcmp(reals[0].path, reals[1].path) == 0;
}

/* The directory at hand, as one whose files get their names in the other:
 * a server renames none from one file system to another. */
static int
try_temp(struct mftd_probe_state *b, const char *directory, bool suffix)
{
	uint32_t mtime = (uint32_t)time(NULL) - DAY_S;
	int r = mftd_probe_look(b);

	memset(b->made, 0, sizeof(b->made));
	if (r == 0 && !suffix && are_one(b, b->directory, directory))
		r = mftd_probe_say(b, MFTD_FINDING_NOTE, "directory",
		    "it is the directory itself, and there is no temp_suffix");
	if (r == 0)
		r = make_names(b);
	if (r < 0)
		return r;
	snprintf(b->name[MFTD_PROBE_FINAL], MFTD_PROBE_NAME_BYTES, "%s/%s",
	    directory, strrchr(b->name[MFTD_PROBE_FINAL], '/') + 1);
	r = make_file(b, MFTD_PROBE_TEMP, mtime);
	if (r == 0 && (r = check_wanted(b)) == 0)
		r = try_rename(b);
	tidy_up(b);
	return r;
}

/* Whether an earlier route has those directories, and what else counts. */
static bool
is_repeated(const struct mftd_probe_state *b, const struct mftd_route *r)
{
	const struct mftd_route *one = b->p->routes;

	for (; one < r; one++)
		if (leads_here(b, one) &&
		    strcmp(one->at.temp_directory, r->at.temp_directory) == 0 &&
		    (one->at.temp_suffix[0] == '\0') ==
			(r->at.temp_suffix[0] == '\0'))
			return true;
	return false;
}

static int
try_temps(struct mftd_probe_state *b, const char *directory)
{
	char words[sizeof(b->at)];
	const struct mftd_route *route = b->p->routes;
	int r = 0;

	for (; route < b->p->routes + b->p->n_routes; route++) {
		mftd_probe_enter(b, directory, "");
		if (r == -EINTR || !leads_here(b, route) ||
		    route->at.temp_directory[0] == '\0' ||
		    is_repeated(b, route))
			continue;
		snprintf(words, sizeof(words), "%s: temp_directory %s",
		    directory, route->at.temp_directory);
		mftd_probe_enter(b, route->at.temp_directory, words);
		r = check_wanted(b);
		if (r == 0)
			r = try_temp(
			    b, directory, route->at.temp_suffix[0] != '\0');
	}
	return r;
}

int
mftd_probe_folder(struct mftd_probe_state *b, const char *directory)
{
	int r;

	mftd_probe_enter(b, directory, "");
	r = try_final(b);
	return r == 0 ? try_temps(b, directory) : r;
}
