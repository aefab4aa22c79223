/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_USAGE_H
#define MFTD_JOURNAL_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/journal/volume.h"

/*
 * How much an account with a quota uses: .mft/usage/<account>, one for all
 * nodes, changed under a lock of its own (fcntl(2), bounded in time).  It may
 * say too much after a crash, never too little: growth is in it before the file
 * is published, what goes is taken off behind that.  A count puts it right.
 */
struct mftd_usage {
	bool known; /* it was counted */
	uint64_t bytes, files; /* published */
	/* A count that is under way does not see what changes behind it:
	 * what grows is kept apart and added to its result. */
	bool counting;
	uint64_t seq; /* counts begun */
	uint64_t grown_bytes, grown_files;
	bool stale; /* may say too much: to be counted again */
	int64_t counted_s; /* when, since the epoch */
	/* The volume's recoveries when the count began that is under way, and
	 * the one that these numbers come from. */
	uint64_t begun_at, counted_at;
};

/* Opens (and makes) the account's usage and takes its lock; close(2) releases
 * it.  A descriptor; -EAGAIN after MFTD_QUOTA_LOCK_MS; -errno. */
int mftd_usage_lock(const struct mftd_volume *v, const char *account);

/* Reads it; what was never written whole is not known.  0 or -errno. */
int mftd_usage_read(int fd, struct mftd_usage *u);

/* Writes it; durable: it is on stable storage afterwards.  0 or -errno. */
int mftd_usage_write(int fd, const struct mftd_usage *u, bool durable);

/* Reads it without the lock, for what is only asked; never while this process
 * has the lock, which that would end. */
int mftd_usage_peek(
    const struct mftd_volume *v, const char *account, struct mftd_usage *u);

/* A journal of the volume died, maybe between a change and its usage: what was
 * counted before is stale, and counts that it made go on no more. */
void mftd_usage_recovered(const struct mftd_volume *v);

/* How often that was: a number that only grows.  0 or -errno. */
int mftd_usage_recoveries(const struct mftd_volume *v, uint64_t *n);

/* Adds to, or takes from, what is used: never below nothing. */
void mftd_usage_add(struct mftd_usage *u, int64_t bytes, int64_t files);

/* A count begins, maybe while another is under way: the last one is believed.
 * recoveries: as of mftd_usage_recoveries. */
void mftd_usage_begin(struct mftd_usage *u, uint64_t recoveries);

/* What was held when the number of counts begun was seq is published only now:
 * whether a count that began since has seen it is not known. */
void mftd_usage_passed(
    struct mftd_usage *u, uint64_t seq, int64_t bytes, int64_t files);

/*
 * That count has ended; found: what mftd_usage_begin made of u, with the bytes
 * and files that the count saw and, as counted_s, when it ended.  0: u has what
 * it found, or another count's; 1: it was disturbed by what went meanwhile, and
 * is to be made again.  Then what was known, if anything was, stays: no growth
 * is missing in it, while the count and what grew behind it may both have the
 * same file.
 */
int mftd_usage_counted(struct mftd_usage *u, const struct mftd_usage *found);

#endif
