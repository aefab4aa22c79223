/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_PACKET_H
#define MFTD_SSH_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh/libssh.h>

/*
 * What libssh has no call for.  In the static libssh, functions
 * that pass by them are wrapped (configure.ac); nothing depends on the layout
 * of its structures.  One connection a process.
 */

#define MFTD_SSH_SESSION_ID_BYTES 64

/* Packets of the peer, behind their type; true: it has its answer.  Otherwise
 * libssh goes on with it. */
struct mftd_sshpkt_ops {
	/* What a channel may send after its opening.  To let it send more is
	 * the owner's from then on (SSH_MSG_CHANNEL_WINDOW_ADJUST by
	 * mftd_sshpkt_send): libssh does so without regard to what it still
	 * holds, and what it would send becomes SSH_MSG_IGNORE. */
	uint32_t window;
	/* RFC 4254 section 4 */
	bool (*global_request)(void *data, const uint8_t *packet, size_t len);
	/* RFC 4254 section 5.1 */
	bool (*channel_open)(void *data, const uint8_t *packet, size_t len);
};

/* Shows ops the session's packets from now on.  session NULL ends it. */
void mftd_sshpkt_watch(
    ssh_session session, const struct mftd_sshpkt_ops *ops, void *data);

/* Sends a packet of those bytes, the first of which is its type.  0 or -EIO. */
int mftd_sshpkt_send(ssh_session session, const void *bytes, size_t len);

/* The session identifier (RFC 4253 section 7.2) into out; key is any private
 * key.  Its length, or -EIO. */
int mftd_sshpkt_session_id(
    ssh_session session, ssh_key key, uint8_t out[MFTD_SSH_SESSION_ID_BYTES]);

/* The digest, a number of libssh's enum ssh_digest_e, that an RSA host key of
 * ours signed with in the latest key exchange; 0: it was another key. */
int mftd_sshpkt_rsa_digest(void);

#endif
