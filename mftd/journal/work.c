/* Part of mftd; see LICENSE. */
#include "mftd/journal/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/journal/segment.h"

struct mftd_work *
mftd_work_new(const struct mftd_volume *vol, struct mftd_stream *stream,
    const char *incarnation)
{
	struct mftd_work *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->vol = vol;
	w->stream = stream;
	w->incarnation = incarnation;
	w->links = true;
	w->payload = mftd_buf_new(MFTD_PAYLOAD_BYTES);
	if (w->payload == NULL) {
		free(w);
		return NULL;
	}
	return w;
}

void
mftd_work_free(struct mftd_work *w)
{
	if (w == NULL)
		return;
	while (w->n_dirs > 0)
		close(w->dirs[--w->n_dirs].fd);
	mftd_buf_free(w->payload);
	free(w);
}

static void
fail(struct mftd_work *w, int err)
{
	if (w->failed == 0 && err < 0)
		w->failed = err;
}

/* Whatever its error is: a full disk would be waited for. */
static void
sync_dir(struct mftd_work *w, int fd)
{
	int r = mftd_sync_all(fd);

	if (r == 0)
		return;
	log_error("a directory's sync: %s", mftd_strerror(r));
	fail(w, -MFTD_E_SYNC);
}

void
mftd_work_touch(struct mftd_work *w, int dir)
{
	struct stat st;
	size_t i;

	if (fstat(dir, &st) < 0) {
		fail(w, -errno);
		return;
	}
	for (i = 0; i < w->n_dirs; i++)
		if (w->dirs[i].ino == st.st_ino && w->dirs[i].dev == st.st_dev)
			return;
	if (w->n_dirs == MFTD_WORK_DIRS_MAX)
		mftd_work_sync(w);
	i = w->n_dirs;
	w->dirs[i].fd = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	if (w->dirs[i].fd < 0) {
		/* no descriptor left: then at once */
		sync_dir(w, dir);
		return;
	}
	w->dirs[i].dev = st.st_dev;
	w->dirs[i].ino = st.st_ino;
	w->n_dirs++;
}

int
mftd_work_sync(struct mftd_work *w)
{
	size_t i;

	for (i = 0; i < w->n_dirs; i++) {
		if (w->failed == 0)
			sync_dir(w, w->dirs[i].fd);
		mftd_fd_close(&w->dirs[i].fd);
	}
	w->n_dirs = 0;
	return w->failed;
}

int
mftd_work_record(struct mftd_work *w)
{
	if (w->failed == 0)
		fail(w, mftd_stream_commit(w->stream));
	return w->failed;
}

int
mftd_work_commit(struct mftd_work *w)
{
	mftd_work_record(w);
	while (w->failed == 0 && w->n_doomed > 0)
		unlinkat(w->vol->aside, w->doomed[--w->n_doomed], 0);
	return w->failed;
}

void
mftd_work_doom(struct mftd_work *w, const char *part)
{
	if (w->n_doomed < MFTD_WORK_DOOMED_MAX)
		snprintf(w->doomed[w->n_doomed++], MFTD_ID_BYTES, "%s", part);
}

int
mftd_work_room(struct mftd_work *w, size_t bytes)
{
	int r = mftd_stream_room(w->stream, bytes);

	if (mftd_stream_failed(w->stream))
		fail(w, r);
	return r;
}

/* Appends the payload that a put made; r: that put's result. */
static void
append(struct mftd_work *w, uint32_t type, int r)
{
	if (r == 0)
		r = mftd_stream_append(w->stream, type, w->payload, NULL);
	mftd_buf_reset(w->payload);
	fail(w, r);
}

void
mftd_work_outcome(struct mftd_work *w, uint32_t type, const char *receipt,
    const char *part, const char *reason)
{
	struct mftd_rec_outcome rec = { 0 };

	snprintf(rec.receipt, sizeof(rec.receipt), "%s", receipt);
	snprintf(rec.part, sizeof(rec.part), "%s", part);
	snprintf(rec.reason, sizeof(rec.reason), "%s", reason);
	append(w, type, mftd_rec_outcome_put(w->payload, &rec));
}

void
mftd_work_receipt(struct mftd_work *w, const struct mftd_rec_receipt *r)
{
	append(w, MFTD_RECORD_RECEIPT, mftd_rec_receipt_put(w->payload, r));
}

void
mftd_work_name(
    struct mftd_work *w, uint32_t type, const struct mftd_rec_name *r)
{
	append(w, type, mftd_rec_name_put(w->payload, r));
}

void
mftd_work_audit(struct mftd_work *w, const struct mftd_rec_audit *r)
{
	append(w, MFTD_RECORD_AUDIT, mftd_rec_audit_put(w->payload, r));
}

void
mftd_work_part(struct mftd_work *w, const struct mftd_rec_part *r)
{
	append(w, MFTD_RECORD_PART, mftd_rec_part_put(w->payload, r));
}

void
mftd_work_seal(struct mftd_work *w, const struct mftd_rec_seal *r)
{
	append(w, MFTD_RECORD_SEAL, mftd_rec_seal_put(w->payload, r));
}
