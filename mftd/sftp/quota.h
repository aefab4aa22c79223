/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_QUOTA_H
#define MFTD_SFTP_QUOTA_H

#include <stdint.h>
#include <sys/statvfs.h>

struct mftd_sftp;
struct mftd_sftp_part;
struct mftd_sftp_req;

/*
 * The account's quota, as far as a session knows it: journal grants room ahead,
 * so that a client hears of the end of it while it writes (journal/allow.h).
 */

/*
 * Whether p may be size bytes long.  0: it may (or there is no quota); STALL:
 * journal was asked; -EDQUOT: it may not, and p has failed by that.
 */
int mftd_sftp_quota_grow(
    struct mftd_sftp *s, struct mftd_sftp_part *p, uint64_t size);

/*
 * Answers the request being handled, a statvfs of path that gave v.  Of an
 * account with a quota journal is asked how much is used, and the answer is in
 * the quota's terms, but in a folder.  0, LATER or a negative error.
 */
int mftd_sftp_quota_statvfs(
    struct mftd_sftp *s, const char *path, const struct statvfs *v);

#endif
