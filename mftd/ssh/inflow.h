/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_INFLOW_H
#define MFTD_SSH_INFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh/libssh.h>

/*
 * What a server sends on a client's channel, straight from its packets: libssh
 * would copy it three times on its way to a callback, and let 1.28 MB come
 * ahead of its reader, which a path of 50 ms makes 25 MB a second.  The
 * channel's window is its owner's here.  One channel of one connection a
 * process.
 */

/* From now on the session's channel that is opened next gives its data to take:
 * len bytes that are valid for the call only; is_stderr: extended data
 * (RFC 4254 section 5.2).  take calls nothing of libssh.  session NULL ends
 * it. */
void mftd_inflow_watch(ssh_session session,
    void (*take)(void *data, const uint8_t *bytes, size_t len, bool is_stderr),
    void *data);

/* Lets the server send so many bytes more than it may already, which by
 * libssh's own word are MFTD_INFLOW_FIRST_BYTES at first
 * (SSH_MSG_CHANNEL_WINDOW_ADJUST, RFC 4254 section 5.2).  0, or -EIO: it could
 * not be sent, or no channel is open. */
#define MFTD_INFLOW_FIRST_BYTES 64000
int mftd_inflow_grant(uint32_t bytes);

#endif
