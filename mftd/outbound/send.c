/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/catalog/away.h"
#include "mftd/outbound/away.h"
#include "mftd/outbound/batch.h"
#include "mftd/outbound/compare.h"

#define OLD_TEMPS_MAX 8 /* earlier tries whose leftovers are looked for */

/* ---- the source */

static void
fail_source(struct mftd_item *it, int err, const char *detail)
{
	it->lasting = err == -ENOENT || err == -MFTD_E_CORRUPT;
	mftd_item_fail(it, err, "source", detail);
}

/* Nothing was done for it: that is no try. */
static void
put_back(struct mftd_item *it, const char *detail)
{
	mftd_item_fail(it, MFTD_AWAY_ERR, "volume", detail);
	if (!it->publishing)
		it->event = MFTD_EVENT_PUT_BACK;
	snprintf(it->why, sizeof(it->why), "%s", MFTD_AWAY_TEXT);
}

/* Only a missing link in a directory that is there is a lost source; all else
 * may be a volume that is away. */
void
mftd_item_open_source(const struct mftd_conf *conf, struct mftd_item *it)
{
	const struct mftd_delivery *d = &it->d;
	const struct mftd_conf_volume *v = mftd_conf_volume(conf, d->volume);
	struct stat st;
	int root = -1, out = -1;

	if (!mftd_id_valid(d->receipt)) {
		fail_source(it, -MFTD_E_CORRUPT, "no receipt id");
		return;
	}
	if (v != NULL)
		root = open(v->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		put_back(it, v != NULL ? strerror(errno) : "not configured");
		return;
	}
	out = mftd_path_open_nolinks(root, ".mft/out", O_PATH | O_DIRECTORY, 0);
	if (out >= 0)
		it->source =
		    mftd_path_open_nolinks(out, d->receipt, O_RDONLY, 0);
	if (out < 0)
		put_back(it, mftd_strerror(out));
	else if (it->source < 0)
		fail_source(it, it->source == -ENOENT ? -ENOENT : -EIO,
		    mftd_strerror(it->source));
	else if (fstat(it->source, &st) < 0)
		fail_source(it, -EIO, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != d->size)
		fail_source(
		    it, -MFTD_E_CORRUPT, "its size is not the receipt's");
	else if (d->at.preserve)
		it->d.mtime = st.st_mtime;
	mftd_fd_close(&out);
	mftd_fd_close(&root);
}

/* ---- sending: a negative return is the connection's end */

/* To be sent: not so what the partner has already. */
static bool
is_to_send(const struct mftd_item *it)
{
	return mftd_item_is_fresh(it) && !it->d.has.skipped;
}

/* Removes what earlier tries left.  Not only for tidiness: a rename of theirs
 * that is still under way somewhere then finds nothing. */
static int
remove_old_temps(struct mftd_batch *b, struct mftd_item *it)
{
	const struct mftd_delivery *d = &it->d;
	uint32_t t = d->tries > OLD_TEMPS_MAX ? d->tries - OLD_TEMPS_MAX : 1;
	char name[MFTD_REMOTE_PATH_BYTES];
	int r = 0;

	for (; r == 0 && t < d->tries; t++) {
		if (t == d->has.temp_try)
			continue;
		if (mftd_deliver_temp_name(d, t, name, sizeof(name)) < 0)
			return 0; /* no try had it, then */
		r = mftd_remote_remove(b->remote, name, &it->removed);
	}
	return r;
}

/* Waits for its turn, and writes. */
static int
write_some(struct mftd_batch *b, struct mftd_item *it, uint64_t off,
    const void *data, size_t len)
{
	int r = mftd_batch_pace(b, len);

	if (r == 0)
		r = mftd_remote_write(
		    b->remote, &it->file, off, data, len, &it->wrote);
	if (r == 0)
		it->sent += len;
	return r;
}

/* Its partner is called in another way by now: it is to be tried again so. */
static void
heed_stop(const struct mftd_batch *b, struct mftd_item *it)
{
	if (b->j->pulse != NULL && mftd_pulse_is_stopped(b->j->pulse))
		mftd_item_fail(it, -ECANCELED,
		    "the configuration of its partner has changed", "");
}

/* Copies the source from it->from on, summing up all of it on the way, as long
 * as nothing is refused. */
static int
copy(struct mftd_batch *b, struct mftd_item *it, void *data, size_t chunk)
{
	uint64_t off = 0;
	ssize_t n;
	int r = 0;

	if (EVP_DigestInit_ex(b->sum, b->sha256, NULL) != 1)
		fail_source(it, -EIO, "no SHA-256");
	heed_stop(b, it);
	while (r == 0 && mftd_item_goes_on(it) && it->wrote.err == 0 &&
	    off < it->d.size) {
		n = mftd_fd_pread_full(it->source, data, chunk, (int64_t)off);
		if (n <= 0) {
			fail_source(it, n < 0 ? -EIO : -MFTD_E_CORRUPT,
			    n < 0 ? mftd_strerror((int)n) : "it is short");
			break;
		}
		if (EVP_DigestUpdate(b->sum, data, (size_t)n) != 1)
			fail_source(it, -EIO, "no SHA-256");
		r = off + (uint64_t)n > it->from
		    ? write_some(b, it, off, data, (size_t)n)
		    : b->call.target.go_on(b->call.target.data);
		off += (uint64_t)n;
		heed_stop(b, it);
	}
	it->summed = true;
	if (EVP_DigestFinal_ex(b->sum, it->sum, NULL) != 1 &&
	    mftd_item_goes_on(it))
		fail_source(it, -EIO, "no SHA-256");
	return r;
}

/* Writes it, makes it durable there, if the server can, and gives it its mtime:
 * last, for every WRITE would change it.  One handle: in this order. */
static int
send_one(struct mftd_batch *b, struct mftd_item *it, void *data, size_t chunk)
{
	uint32_t mtime = (uint32_t)it->d.mtime;
	int r = copy(b, it, data, chunk);

	if (r == 0)
		r = mftd_remote_sync(b->remote, &it->file, &it->synced);
	if (r == 0 && it->d.at.mode != 0)
		r = mftd_remote_set_mode(
		    b->remote, &it->file, it->d.at.mode, &it->allowed);
	mftd_fd_close(&it->source);
	if (r == 0)
		r = mftd_remote_set_times(b->remote, &it->file, mtime,
		    mftd_delivery_atime(mtime), &it->dated);
	return r == 0 ? mftd_remote_close(b->remote, &it->file, &it->closed)
		      : r;
}

/* Until it is whole it is for its owner only, who has to go on with it after a
 * cut. */
static int
open_temp(struct mftd_batch *b, struct mftd_item *it)
{
	uint32_t mode = it->d.at.mode != 0 ? 0600 : 0;

	return mftd_remote_open_file(b->remote, it->temp,
	    it->from > 0 ? MFTD_REMOTE_GO_ON : MFTD_REMOTE_CREATE, mode,
	    &it->file, &it->opened);
}

/* Some that are opened together. */
struct group {
	struct mftd_item *items[MFTD_OPEN_MOST / 2];
	size_t n;
};

/* Asks for the handles of the next few, from *at on. */
static int
open_some(struct mftd_batch *b, uint32_t *at, struct group *g)
{
	struct mftd_item *it;
	int r = 0;

	for (g->n = 0; r == 0 && g->n < MFTD_OPEN_MOST / 2 && *at < b->n;
	     ++*at) {
		it = &b->items[*at];
		if (!is_to_send(it))
			continue;
		g->items[g->n++] = it;
		r = open_temp(b, it);
	}
	return r;
}

/* Whether its temporary file could not be opened. */
static bool
cannot_open(struct mftd_item *it)
{
	char what[sizeof("temp_directory: ") + sizeof(it->temp)];

	snprintf(what, sizeof(what), "%s%s",
	    it->d.at.temp_directory[0] != '\0' ? "temp_directory: " : "",
	    it->temp);
	return mftd_item_refused(it, &it->opened, what);
}

/* Sends those whose handles were asked for.  What else they are answered is
 * not waited for. */
static int
send_some(struct mftd_batch *b, const struct group *g, void *data, size_t chunk)
{
	struct mftd_item *it;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < g->n; i++) {
		it = g->items[i];
		r = mftd_remote_await(b->remote, &it->opened);
		if (r == 0 && mftd_item_goes_on(it) && !cannot_open(it))
			r = send_one(b, it, data, chunk);
	}
	return r;
}

/* The next ones are opened before those that are open are sent, so that the
 * server has something to do at all times. */
static int
send_groups(struct mftd_batch *b, void *data, size_t chunk)
{
	struct group groups[2];
	uint32_t at = 0;
	int turn, r = open_some(b, &at, &groups[0]);

	for (turn = 0; r == 0 && groups[turn].n > 0; turn = 1 - turn) {
		r = open_some(b, &at, &groups[1 - turn]);
		if (r == 0)
			r = send_some(b, &groups[turn], data, chunk);
	}
	return r;
}

/* ---- what came of it */

static void
check_answers(struct mftd_item *it)
{
	if (it->synced.err == -EOPNOTSUPP)
		it->synced.err = 0;
	/* that the time cannot be set is seen below, and no failure */
	if (!mftd_item_refused(it, &it->wrote, "write") &&
	    !mftd_item_refused(it, &it->synced, "fsync") &&
	    !mftd_item_refused(it, &it->allowed, "mode"))
		mftd_item_refused(it, &it->closed, "close");
}

/* What the server says of the hash decides; where it says nothing, the size
 * does. */
static void
check_hash(struct mftd_item *it)
{
	if (it->temp_attrs.content == MFTD_CONTENT_SAME)
		return; /* as was found by looking into it */
	it->d.has.verified = MFTD_VERIFIED_SIZE;
	if (!it->remote_sum.known)
		return;
	it->d.has.verified = MFTD_VERIFIED_HASH;
	if (memcmp(it->remote_sum.sha256, it->sum, sizeof(it->sum)) != 0)
		mftd_item_fail(it, -MFTD_E_PARTNER, "check",
		    "the SHA-256 at the partner is another");
}

static bool
source_is_right(struct mftd_item *it)
{
	if (!it->d.has_sha256 ||
	    memcmp(it->d.sha256, it->sum, sizeof(it->sum)) == 0)
		return true;
	fail_source(it, -MFTD_E_CORRUPT, "its SHA-256 is not the receipt's");
	return false;
}

static void
check_temp(struct mftd_item *it)
{
	const struct mftd_remote_attrs *a = &it->temp_attrs;
	const struct mftd_delivery *d = &it->d;

	if (mftd_item_refused(it, &it->looked, "stat"))
		return;
	if (!a->exists || !a->has_size || a->size != d->size) {
		mftd_item_fail(it, -MFTD_E_PARTNER, "check",
		    "the size at the partner is another");
	} else if (source_is_right(it)) {
		check_hash(it);
	}
	it->mtime =
	    !d->at.preserve && a->has_mtime && a->mtime == (uint32_t)d->mtime
	    ? d->mtime
	    : 0;
}

static int
look_at_temps(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !is_to_send(it))
			continue;
		r = mftd_remote_lstat(
		    b->remote, it->temp, &it->temp_attrs, &it->looked);
		if (r == 0 && mftd_batch_may_sum(b, it->d.size))
			r = mftd_remote_sum(b->remote, it->temp, 0,
			    &it->remote_sum, &it->checked);
	}
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

/* To hash a file its server reads it: then it looks as if somebody had. */
static int
date_summed(struct mftd_batch *b)
{
	struct mftd_item *it;
	uint32_t mtime;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !is_to_send(it) || !it->remote_sum.known)
			continue;
		mtime = (uint32_t)it->d.mtime;
		r = mftd_remote_set_times_of(b->remote, it->temp, mtime,
		    mftd_delivery_atime(mtime), &it->dated);
	}
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

static void
say_what_stays(const struct mftd_item *it)
{
	if (it->removed.err < 0 && it->removed.err != -ENOENT)
		log_warn("delivery %s: what an earlier try left stays "
			 "at the partner: %s",
		    it->d.id, it->removed.why);
}

static int
tidy_up(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && is_to_send(it))
		r = remove_old_temps(b, it);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	FOR_EACH_ACTIVE(it, b)
	say_what_stays(it);
	return r;
}

void
mftd_batch_tidy_again(struct mftd_batch *b)
{
	struct mftd_item *it, *end = b->items + b->n;
	int r = b->remote != NULL ? 0 : -MFTD_E_CLOSED;

	for (it = b->items; r == 0 && it < end; it++)
		if (it->delivered)
			r = remove_old_temps(b, it);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r < 0 && b->remote != NULL)
		mftd_batch_lost(b, r);
}

static int
send_all(struct mftd_batch *b)
{
	size_t chunk = mftd_remote_chunk(b->remote);
	void *data = malloc(chunk);
	int r = data != NULL ? tidy_up(b) : -ENOMEM;

	if (b->j->partner->bandwidth > 0)
		chunk = mftd_pace_chunk(b->j->partner->bandwidth, chunk);
	if (r == 0)
		r = send_groups(b, data, chunk);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	free(data);
	return r;
}

/* ---- what need not be sent */

/* Whether the partner has it already, all of it: then just that is to be
 * published, as it were. */
static int
skip_same(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_remote_attrs *a = &it->final_attrs;
	enum mftd_verification how = MFTD_VERIFIED_NOT;
	int r;

	memset(&it->looked, 0, sizeof(it->looked));
	r = mftd_remote_lstat(b->remote, it->final, a, &it->looked);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r < 0 || mftd_item_refused(it, &it->looked, "stat") || !a->exists ||
	    !a->has_size || a->size != it->d.size)
		return r;
	if (mftd_source_sum(b, it, it->d.size, it->sum) < 0) {
		fail_source(it, -EIO, "it cannot be read");
		return 0;
	}
	it->summed = true;
	if (!source_is_right(it))
		return 0;
	r = mftd_item_look_into(b, it, it->final, a, &how);
	it->d.has.skipped = a->content == MFTD_CONTENT_SAME;
	it->d.has.verified = how;
	return r;
}

/* What is left of an earlier try that is of use. */
static int
take_up(struct mftd_batch *b, struct mftd_item *it)
{
	int r = mftd_item_prove_prefix(b, it);

	it->resumed = it->from > 0;
	if (it->resumed)
		log_info("delivery %s: goes on at %llu of %llu bytes", it->d.id,
		    (unsigned long long)it->from,
		    (unsigned long long)it->d.size);
	else if (r == 0)
		mftd_item_begin_anew(it);
	return r;
}

/* Decides for each how much of it has to be sent. */
static int
plan(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !mftd_item_is_fresh(it))
			continue;
		if (it->d.at.if_exists == MFTD_IF_EXISTS_OVERWRITE &&
		    !mftd_remote_can_replace(b->remote)) {
			it->lasting = true;
			mftd_item_fail(it, -EOPNOTSUPP, "if_exists: overwrite",
			    "the server has no posix-rename@openssh.com");
			it->drop = false;
		} else if (it->d.at.if_exists == MFTD_IF_EXISTS_SKIP) {
			r = skip_same(b, it);
		}
		if (r == 0 && is_to_send(it) && it->going_on)
			r = take_up(b, it);
	}
	return r;
}

void
mftd_batch_send(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r;

	if (b->remote == NULL)
		return;
	FOR_EACH_ACTIVE(it, b)
	it->mtime = mftd_item_is_fresh(it) ? 0 : it->mtime;
	r = plan(b);
	if (r == 0)
		r = send_all(b);
	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && is_to_send(it))
		check_answers(it);
	if (r == 0)
		r = look_at_temps(b);
	if (r == 0)
		r = date_summed(b);
	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && is_to_send(it))
		check_temp(it);
	if (r < 0)
		mftd_batch_lost(b, r);
}
