/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_NAME_H
#define MFTD_SFTP_NAME_H

#include <stddef.h>
#include <stdint.h>

struct mftd_sftp;
struct mftd_sftp_op;

/*
 * Sends journal a message about path (and to, which may be NULL) for the
 * request being handled; done, or NULL for the plain status, answers it.
 * Returns MFTD_SFTP_LATER or a negative error.
 */
int mftd_sftp_ask_name(struct mftd_sftp *s, const char *path, const char *to,
    uint32_t type, const void *data, size_t len,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err));

#endif
