/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_UPLOAD_H
#define MFTD_SFTP_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mftd_sftp;
struct mftd_sftp_handle;
struct mftd_sftp_op;
struct mftd_sftp_part;

/*
 * Begins an upload to a clean path that this session has no live part of.
 * flags: SSH_FXF_*; without TRUNC it is laid over what is published.  mode: of
 * a new file; one that replaces another has that one's.  What publishing would
 * refuse is refused here: a directory, link or device of that name, a
 * directory that cannot be written.  alone: as mftd_sftp_part_new.
 */
int mftd_sftp_upload_new(struct mftd_sftp *s, const char *path, uint32_t flags,
    mode_t mode, struct mftd_sftp_part **out, bool *alone);

/* Asks journal what changes nothing that is published, about p's name; done
 * gets the answer, with h in the op.  MFTD_SFTP_LATER or a negative error. */
int mftd_sftp_upload_ask(struct mftd_sftp *s, struct mftd_sftp_part *p,
    struct mftd_sftp_handle *h, uint32_t type, const void *data, size_t len,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err));

/* Asks journal to set aside all other parts of p's name; done gets the answer,
 * with h in the op.  MFTD_SFTP_LATER or a negative error. */
int mftd_sftp_upload_supersede(struct mftd_sftp *s, struct mftd_sftp_part *p,
    struct mftd_sftp_handle *h,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err));

/* An upload to path that will be what another session of the account began:
 * its part is nobody's yet (mftd_sftp_part_await). */
int mftd_sftp_upload_awaited(
    struct mftd_sftp *s, const char *path, struct mftd_sftp_part **out);

/* Asks journal for it; done gets the answer, with h in the op, and calls
 * mftd_sftp_part_adopted.  MFTD_SFTP_LATER or a negative error. */
int mftd_sftp_upload_adopt(struct mftd_sftp *s, struct mftd_sftp_part *p,
    struct mftd_sftp_handle *h,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err));

/* Another handle's CLOSE published the part that h writes: what h writes from
 * now on is an upload of its own, based on that.  0, MFTD_SFTP_STALL, or a
 * negative error. */
int mftd_sftp_upload_renew(struct mftd_sftp *s, struct mftd_sftp_handle *h);

/* Answers the request being handled when p is synced and published. */
int mftd_sftp_upload_publish(struct mftd_sftp *s, struct mftd_sftp_part *p);

#endif
