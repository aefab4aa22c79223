/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_PACKET_H
#define MFTD_SSH_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh/libssh.h>

/*
 * Three things that libssh has no call for.  In the static libssh, functions
 * that pass by them are wrapped (configure.ac); nothing depends on the layout
 * of its structures.  One connection a process.
 */

#define MFTD_SSH_SESSION_ID_BYTES 64

/*
 * Asks on_request of every global request of the peer (RFC 4254 section 4),
 * with its packet behind the type; true: it has answered it.  Otherwise libssh
 * does.  session NULL ends it.
 */
void mftd_sshpkt_watch(ssh_session session,
    bool (*on_request)(void *data, const uint8_t *packet, size_t len),
    void *data);

/* Sends a packet of those bytes, the first of which is its type.  0 or -EIO. */
int mftd_sshpkt_send(ssh_session session, const void *bytes, size_t len);

/* The session identifier (RFC 4253 section 7.2) into out; key is any private
 * key.  Its length, or -EIO. */
int mftd_sshpkt_session_id(
    ssh_session session, ssh_key key, uint8_t out[MFTD_SSH_SESSION_ID_BYTES]);

#endif
