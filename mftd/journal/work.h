/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_WORK_H
#define MFTD_JOURNAL_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/base/buf.h"
#include "mftd/base/limits.h"
#include "mftd/journal/record.h"
#include "mftd/journal/stream.h"
#include "mftd/journal/volume.h"

/*
 * What is under way between two commits: the records appended, the directories
 * that were changed and await their sync, and the files in aside that may go
 * once it is durable that they are abandoned.
 */
#define MFTD_WORK_DIRS_MAX 1024
#define MFTD_WORK_DOOMED_MAX 1024

struct mftd_work {
	const struct mftd_volume *vol;
	struct mftd_stream *stream;
	const char *incarnation; /* our own */
	struct mftd_buf *payload; /* scratch of the record functions */
	struct {
		int fd;
		dev_t dev;
		ino_t ino;
	} dirs[MFTD_WORK_DIRS_MAX];
	size_t n_dirs;
	char doomed[MFTD_WORK_DOOMED_MAX][MFTD_ID_BYTES];
	size_t n_doomed;
	bool links; /* what is published gets a link in .mft/out */
	bool doom_all; /* recovery: what is set aside may go, whoever's */
	size_t reserve; /* bytes of records promised to a batch under way */
	struct mftd_ledger *ledger; /* quota.h; NULL: none is open */
	char uncounted[MFTD_NAME_BYTES]; /* an account to be counted, or "" */
	int failed; /* the error that ends this process, or 0 */
};

/* All three stay the caller's.  NULL without memory. */
struct mftd_work *mftd_work_new(const struct mftd_volume *vol,
    struct mftd_stream *stream, const char *incarnation);
void mftd_work_free(struct mftd_work *w);

/* dir was changed: its entries are made durable by mftd_work_sync.  dir stays
 * the caller's.  Errors go to w->failed. */
void mftd_work_touch(struct mftd_work *w, int dir);

/* Syncs each touched directory once.  A failure is never tried again: it goes
 * to w->failed.  Returns w->failed. */
int mftd_work_sync(struct mftd_work *w);

/* Commits the stream, and then removes from aside what is doomed.  Returns
 * w->failed. */
int mftd_work_commit(struct mftd_work *w);

/* Commits the stream alone: what is doomed stays.  Returns w->failed. */
int mftd_work_record(struct mftd_work *w);

/* aside/<part> may go after the next mftd_work_commit.  Beyond the bound it
 * stays, and goes with its session or its incarnation. */
void mftd_work_doom(struct mftd_work *w, const char *part);

/* Room for so many more bytes of records; as mftd_stream_room, and a failed
 * stream goes to w->failed. */
int mftd_work_room(struct mftd_work *w, size_t bytes);

/* Bytes that suffice for a record of an outcome, with its header. */
#define MFTD_OUTCOME_BYTES 512

/* Append a record; there must be room.  Failures go to w->failed. */
void mftd_work_outcome(struct mftd_work *w, uint32_t type, const char *receipt,
    const char *part, const char *reason);
void mftd_work_receipt(struct mftd_work *w, const struct mftd_rec_receipt *r);
void mftd_work_name(
    struct mftd_work *w, uint32_t type, const struct mftd_rec_name *r);
void mftd_work_audit(struct mftd_work *w, const struct mftd_rec_audit *r);
void mftd_work_part(struct mftd_work *w, const struct mftd_rec_part *r);
void mftd_work_seal(struct mftd_work *w, const struct mftd_rec_seal *r);

#endif
