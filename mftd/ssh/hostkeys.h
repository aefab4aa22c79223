/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_HOSTKEYS_H
#define MFTD_SSH_HOSTKEYS_H

#include <stddef.h>
#include <stdint.h>

#include <libssh/libssh.h>

#include "mftd/base/limits.h"

/* The server's host keys, the used ones and those to come. */
struct mftd_hostkeys {
	struct mftd_hostkey {
		ssh_key key;
		uint8_t *blob; /* public (RFC 4253 section 6.6) */
		size_t len;
	} list[2 * MFTD_HOST_KEYS_MAX];
	size_t n;
};

/* Adds a copy of the private key.  0, -ENOSPC or -ENOMEM. */
int mftd_hostkeys_add(struct mftd_hostkeys *k, ssh_key key);
void mftd_hostkeys_free(struct mftd_hostkeys *k);

/* Tells the client of all of them, after its login: hostkeys-00@openssh.com
 * (OpenSSH PROTOCOL, section 2.5).  0 or a negative error. */
int mftd_hostkeys_announce(const struct mftd_hostkeys *k, ssh_session session);

/* A global request's packet behind its type.  Returns 1 when it was
 * hostkeys-prove-00@openssh.com and has its answer, 0 when it is another or
 * asks for a key that is none of ours, or a negative error. */
int mftd_hostkeys_prove(const struct mftd_hostkeys *k, ssh_session session,
    const uint8_t *packet, size_t len);

#endif
