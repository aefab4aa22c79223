/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/outbound/batch.h"

#define OLD_TEMPS_MAX 8 /* earlier tries whose leftovers are looked for */
#define OPEN_MOST 16 /* handles asked for at a time: servers have few */

/* ---- the source */

static void
fail_source(struct mftd_item *it, int err, const char *detail)
{
	it->lasting = err == -ENOENT || err == -MFTD_E_CORRUPT;
	mftd_item_fail(it, err, "source", detail);
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
		fail_source(it, -EIO,
		    v != NULL ? strerror(errno) : "its volume is not here");
		return;
	}
	out = mftd_path_open_nolinks(root, ".mft/out", O_PATH | O_DIRECTORY, 0);
	if (out >= 0)
		it->source =
		    mftd_path_open_nolinks(out, d->receipt, O_RDONLY, 0);
	if (out < 0)
		fail_source(it, -EIO, mftd_strerror(out));
	else if (it->source < 0)
		fail_source(it, it->source == -ENOENT ? -ENOENT : -EIO,
		    mftd_strerror(it->source));
	else if (fstat(it->source, &st) < 0)
		fail_source(it, -EIO, strerror(errno));
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != d->size)
		fail_source(
		    it, -MFTD_E_CORRUPT, "its size is not the receipt's");
	mftd_fd_close(&out);
	mftd_fd_close(&root);
}

/* ---- sending: a negative return is the connection's end */

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
		if (mftd_deliver_temp_name(d, t, name, sizeof(name)) < 0)
			return 0; /* no try had it, then */
		r = mftd_remote_remove(b->remote, name, &it->removed);
	}
	return r;
}

/* Copies the source, summing it up on the way, as long as nothing is refused.
 */
static int
copy(struct mftd_batch *b, struct mftd_item *it, void *data, size_t chunk)
{
	uint64_t off = 0;
	ssize_t n;
	int r = 0;

	if (EVP_DigestInit_ex(b->sum, b->sha256, NULL) != 1)
		fail_source(it, -EIO, "no SHA-256");
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
		r = mftd_batch_pace(b, (size_t)n);
		if (r == 0)
			r = mftd_remote_write(b->remote, &it->file, off, data,
			    (size_t)n, &it->wrote);
		off += (uint64_t)n;
		it->sent = off;
	}
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
	int r = copy(b, it, data, chunk);

	if (r == 0)
		r = mftd_remote_sync(b->remote, &it->file, &it->synced);
	if (r == 0)
		r = mftd_remote_set_mtime(
		    b->remote, &it->file, (uint32_t)it->d.mtime, &it->dated);
	if (r == 0)
		r = mftd_remote_close(b->remote, &it->file, &it->closed);
	mftd_fd_close(&it->source);
	return r;
}

/* Opens the next few, from *at on, and sends them: what they are answered is
 * waited for only with the next ones. */
static int
send_some(struct mftd_batch *b, uint32_t *at, void *data, size_t chunk)
{
	struct mftd_item *some[OPEN_MOST], *it;
	int i, n = 0, r = 0;

	for (; r == 0 && n < OPEN_MOST && *at < b->n; ++*at) {
		it = &b->items[*at];
		if (!mftd_item_is_fresh(it))
			continue;
		some[n++] = it;
		r = mftd_remote_create(
		    b->remote, it->temp, &it->file, &it->opened);
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	for (i = 0; r == 0 && i < n; i++)
		if (!mftd_item_refused(
			some[i], &some[i]->opened, some[i]->temp))
			r = send_one(b, some[i], data, chunk);
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
	    !mftd_item_refused(it, &it->synced, "fsync"))
		mftd_item_refused(it, &it->closed, "close");
}

static void
check_temp(struct mftd_item *it)
{
	const struct mftd_remote_attrs *a = &it->temp_attrs;
	const struct mftd_delivery *d = &it->d;

	if (mftd_item_refused(it, &it->looked, "stat"))
		return;
	if (!a->exists || !a->has_size || a->size != d->size)
		mftd_item_fail(it, -MFTD_E_PARTNER, "check",
		    "the size at the partner is another");
	else if (d->has_sha256 &&
	    memcmp(d->sha256, it->sum, sizeof(it->sum)) != 0)
		fail_source(
		    it, -MFTD_E_CORRUPT, "its SHA-256 is not the receipt's");
	it->mtime =
	    a->has_mtime && a->mtime == (uint32_t)d->mtime ? d->mtime : 0;
}

static int
look_at_temps(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && mftd_item_is_fresh(it))
		r = mftd_remote_lstat(
		    b->remote, it->temp, &it->temp_attrs, &it->looked);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

static int
tidy_up(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && mftd_item_is_fresh(it))
		r = remove_old_temps(b, it);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	FOR_EACH_ACTIVE(it, b)
	if (it->removed.err < 0 && it->removed.err != -ENOENT)
		log_warn("delivery %s: what an earlier try left stays "
			 "at the partner: %s",
		    it->d.id, it->removed.why);
	return r;
}

static int
send_all(struct mftd_batch *b)
{
	size_t chunk = mftd_remote_chunk(b->remote);
	void *data = malloc(chunk);
	uint32_t at = 0;
	int r = data != NULL ? tidy_up(b) : -ENOMEM;

	if (b->j->partner->bandwidth > 0)
		chunk = mftd_pace_chunk(b->j->partner->bandwidth, chunk);
	while (r == 0 && at < b->n)
		r = send_some(b, &at, data, chunk);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	free(data);
	return r;
}

void
mftd_batch_send(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r;

	if (b->remote == NULL)
		return;
	r = send_all(b);
	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && mftd_item_is_fresh(it))
		check_answers(it);
	if (r == 0)
		r = look_at_temps(b);
	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && mftd_item_is_fresh(it))
		check_temp(it);
	if (r < 0)
		mftd_batch_lost(b, r);
}
