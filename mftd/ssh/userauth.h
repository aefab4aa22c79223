/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_USERAUTH_H
#define MFTD_SSH_USERAUTH_H

#include <stdint.h>

#include <libssh/libssh.h>

/*
 * libssh leaves a login request without an answer, and calls nobody, when its
 * signature is bad or its key is of a type it does not know: the client waits
 * until the grace time ends, and the try is not counted.  A method that is not
 * on offer it refuses by itself, and nobody counts.  Where libssh is linked
 * statically with --wrap=ssh_packet_userauth_request, userauth.c answers such a
 * request with a failure (RFC 4252 section 5.1) and counts in *tries what is
 * not counted by the callbacks of password and publickey, but for the first
 * "none"; a name or password with a NUL in it, which libssh would cut, and the
 * wish to change a password are refused.  Before anything else on_user hears
 * whom each request is for: NULL when that is no user's name.  Elsewhere
 * nothing changes.  One connection a process; session NULL ends it.
 */
void mftd_userauth_answer(ssh_session session, int *tries,
    void (*on_user)(void *data, const char *user), void *data);

/* Packets that the connection has received by now. */
uint64_t mftd_userauth_heard(void);

#endif
