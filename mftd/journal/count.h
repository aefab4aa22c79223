/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_COUNT_H
#define MFTD_JOURNAL_COUNT_H

struct mftd_journal;
struct mftd_jsession;

/*
 * Counting what an account with a quota uses: a walk in a child, so that nobody
 * waits for it but sessions of that account that begin before it was ever
 * counted.  How it is squared with what changes meanwhile: journal/usage.h.
 */

/*
 * Sees to it that the usage of s's account is known, or will be.  0: it is (or
 * it has no quota); 1: mftd_journal_counted will be called for s; -errno.  One
 * that is old or stale is counted again without anybody waiting.
 */
int mftd_count_want(struct mftd_journal *j, struct mftd_jsession *s);

/* Counts the stale ones of those who are there, as after a recovery. */
void mftd_count_stale(struct mftd_journal *j);

/* session.c: the session that waited goes on; err: it cannot. */
void mftd_journal_counted(
    struct mftd_journal *j, struct mftd_jsession *s, int err);

#endif
