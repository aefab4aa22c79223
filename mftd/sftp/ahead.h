/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_AHEAD_H
#define MFTD_SFTP_AHEAD_H

#include <stdint.h>

/*
 * What was written of an upload beyond its contiguous start: clients that keep
 * several requests under way send them out of order at times (sshfs, parallel
 * writers), and the start goes on behind them once the gap is closed.  Pure.
 * Ranges beyond MFTD_SFTP_AHEAD_MAX are forgotten: then less is known to be
 * whole, never more.
 */
#define MFTD_SFTP_AHEAD_MAX 16

struct mftd_sftp_ahead {
	unsigned n;
	struct mftd_sftp_range {
		uint64_t from, to; /* [from, to); sorted, apart */
	} at[MFTD_SFTP_AHEAD_MAX];
};

/* [from, to) was written. */
void mftd_sftp_ahead_add(struct mftd_sftp_ahead *a, uint64_t from, uint64_t to);

/* Everything before contig is whole: up to where it is so with what was ahead,
 * which is forgotten then. */
uint64_t mftd_sftp_ahead_join(struct mftd_sftp_ahead *a, uint64_t contig);

/* Nothing is beyond size any more. */
void mftd_sftp_ahead_cut(struct mftd_sftp_ahead *a, uint64_t size);

#endif
