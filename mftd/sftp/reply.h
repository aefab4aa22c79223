/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_REPLY_H
#define MFTD_SFTP_REPLY_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mftd/base/buf.h"

struct mftd_sftp;

/*
 * Answers, put into the server's output.  They return nothing: an answer that
 * does not fit (no memory) makes the server fatal, since the client would wait
 * for it without end.
 */

/* STATUS with the code and words of err (status.h). */
void mftd_sftp_reply_error(struct mftd_sftp *s, uint32_t id, int err);
void mftd_sftp_reply_status(
    struct mftd_sftp *s, uint32_t id, uint32_t code, const char *text);

/* A packet of that type whose payload behind the id is body's bytes. */
void mftd_sftp_reply_body(
    struct mftd_sftp *s, uint8_t type, uint32_t id, const struct mftd_buf *b);

void mftd_sftp_reply_handle(
    struct mftd_sftp *s, uint32_t id, const uint8_t *handle, size_t len);
void mftd_sftp_reply_attrs(
    struct mftd_sftp *s, uint32_t id, const struct stat *st);

/* NAME with one entry without attributes (REALPATH, READLINK). */
void mftd_sftp_reply_name(struct mftd_sftp *s, uint32_t id, const char *name);

/* DATA of up to len bytes of fd at off, read straight into the output; EOF at
 * the end.  Returns the bytes sent, or -errno with nothing answered. */
ssize_t mftd_sftp_reply_data(
    struct mftd_sftp *s, uint32_t id, int fd, size_t len, int64_t off);

#endif
