/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_PART_H
#define MFTD_SFTP_PART_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "mftd/base/limits.h"
#include "mftd/journal/layout.h"
#include "mftd/sftp/ahead.h"

struct mftd_sftp;

/*
 * An upload before it is published: a file of its own, beside nobody's name
 * (design sections 4.4 and 4a).  Shared by the write handles of its path.
 */
struct mftd_sftp_part {
	LIST_ENTRY(mftd_sftp_part) link;
	char id[MFTD_ID_BYTES];
	char *path; /* to be published at: clean, below the root */
	char key[MFTD_PARENT_KEY_BYTES]; /* its place (journal/layout.h) */
	char name[NAME_MAX + 1]; /* path's last component */
	dev_t parent_dev; /* the directory that path is in */
	ino_t parent_ino;
	int fd;
	ino_t inode;
	uint64_t size; /* the file's */
	uint64_t granted; /* that it may have, of the quota (quota.h) */
	/* The published content that shows where nothing was written yet.
	 * While base_fd is open the part is [0, contig) and nothing else. */
	int base_fd;
	uint64_t base_size;
	uint64_t shown; /* of the base, when it was laid over it */
	uint64_t contig; /* bytes from the start that were written */
	struct mftd_sftp_ahead ahead; /* and what was behind a gap */
	uint64_t durable; /* of them told to journal */
	uint64_t dirty; /* bytes written since the last sync began */
	bool filling; /* the base is being copied */
	bool flushing; /* a sync of WRITE's own accord is under way */
	unsigned cuts; /* how often it was cut below contig */
	uint64_t flushed; /* write-back was started up to here */
	EVP_MD_CTX *hash; /* of [0, hashed); NULL once it cannot be had */
	uint64_t hashed;
	bool entry_durable;
	bool adopted; /* it lay dormant; nothing changed publishes nothing */
	bool guarded; /* adopted, and nothing was joined to it yet */
	bool changed; /* created, written or resized: CLOSE publishes */
	bool noreplace;
	bool left; /* by its channel: its last sync was begun */
	bool unlinked; /* given up */
	bool lost; /* a sync failed: nothing more is known of its bytes */
	bool published; /* its file has the name now: it is no part any more */
	int err; /* what it failed by: stays */
	unsigned users; /* handles and ops */
	unsigned busy; /* ops: requests about the part wait */
};

LIST_HEAD(mftd_sftp_parts, mftd_sftp_part);

/*
 * Makes an empty part for base in the directory parent_fd, with that mode.  One
 * user, the caller.  *alone: there is no other part of that name, so journal
 * has none to set aside (one made later sets this one aside).
 */
int mftd_sftp_part_new(struct mftd_sftp *s, const char *path, int parent_fd,
    const char *base, mode_t mode, struct mftd_sftp_part **out, bool *alone);

/* A part that will be of that name when journal has made it this session's:
 * nobody finds it until mftd_sftp_part_adopted.  One user, the caller. */
int mftd_sftp_part_await(struct mftd_sftp *s, const char *path, int parent_fd,
    const char *base, struct mftd_sftp_part **out);

/* Journal has: opens its file. */
int mftd_sftp_part_adopted(struct mftd_sftp *s, struct mftd_sftp_part *p);

/* One user less; the last one frees it.  A part that nothing was done to is
 * unlinked then; any other one, unless it was published, is synced once more
 * and left dormant (MFTD_MSG_PART_END). */
void mftd_sftp_part_put(struct mftd_sftp *s, struct mftd_sftp_part *p);

/* Gives the part up: later requests get err, its file is unlinked; not if err
 * is that its client did not know how little is left of it. */
void mftd_sftp_part_drop(
    struct mftd_sftp *s, struct mftd_sftp_part *p, int err);

/* The live part of this server for base in the directory st, or NULL. */
struct mftd_sftp_part *mftd_sftp_part_find(
    struct mftd_sftp *s, const struct stat *parent, const char *base);

/* The same for a clean path; NULL also when its directory cannot be opened. */
struct mftd_sftp_part *mftd_sftp_part_at(struct mftd_sftp *s, const char *path);

/*
 * Lays the part over what fd (taken over when it succeeds) holds: cloned where
 * the file system can, else copied when it is needed (mftd_sftp_base_want).
 */
int mftd_sftp_part_base(struct mftd_sftp_part *p, int fd);

/* What shows: the part's attributes with the base's size where that is more. */
int mftd_sftp_part_stat(const struct mftd_sftp_part *p, struct stat *st);

/* The mode bit that tells others not to look at it (view.h): S_ISVTX while it
 * still needs its base, else 0. */
mode_t mftd_sftp_part_mark(const struct mftd_sftp_part *p);

/* It needs its base no more. */
int mftd_sftp_part_baseless(struct mftd_sftp_part *p);

/*
 * For a request that can only be done when nothing is missing of the base any
 * more: 0 when it is so.  MFTD_SFTP_STALL: that is being copied (job.h), and
 * the request is to be handled again; or why it cannot be, which is p->err
 * then.
 */
int mftd_sftp_base_want(struct mftd_sftp *s, struct mftd_sftp_part *p);

/* Copies a slice of the base: 0 when nothing is missing now, MFTD_SFTP_LATER:
 * there is more, MFTD_SFTP_STALL: when a sync is done; or p->err. */
int mftd_sftp_base_slice(struct mftd_sftp *s, struct mftd_sftp_part *p);

/*
 * Writes, with what belongs to it: write-back, a sync every so often, the hash.
 * Not while mftd_sftp_sync_full.  A failure is the part's (p->err).
 * -MFTD_E_GAP: it was adopted, and the client goes on behind bytes that were
 * lost with their session: it would leave a hole where it believes them.
 * MFTD_SFTP_STALL: nothing was written, the base comes first.
 */
int mftd_sftp_part_write(struct mftd_sftp *s, struct mftd_sftp_part *p,
    const uint8_t *data, size_t len, uint64_t off);

/* Starts to write so many bytes at off back (0: all behind it).  0, or as
 * mftd_sftp_part_fail: the sync that comes later might not tell of it. */
int mftd_sftp_part_write_back(
    struct mftd_sftp_part *p, uint64_t off, uint64_t len);

/* A write to it failed by err, and so will all further ones.  Returns err. */
int mftd_sftp_part_fail(struct mftd_sftp_part *p, int err);

/* MFTD_SFTP_STALL as above. */
int mftd_sftp_part_truncate(
    struct mftd_sftp *s, struct mftd_sftp_part *p, uint64_t size);

/* Whether the hash of the whole part is known; then writes it to out. */
bool mftd_sftp_part_sha256(
    struct mftd_sftp_part *p, uint8_t out[MFTD_SHA256_BYTES]);

/*
 * The part is to be published at to from now on: its file moves to where parts
 * of that name lie, under a new id.  When to's directory cannot be opened
 * nothing has changed; after another failure the part may be given up (p->err).
 */
int mftd_sftp_part_move(
    struct mftd_sftp *s, struct mftd_sftp_part *p, const char *to);

/* from was renamed to to: parts at or below from are now at or below to; those
 * that were at to are superseded. */
void mftd_sftp_part_renamed(
    struct mftd_sftp *s, const char *from, const char *to);

#endif
