/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_REKEY_H
#define MFTD_SSH_REKEY_H

#include <libssh/libssh.h>

/*
 * A peer that asks for new keys is to send nothing else until it has them (RFC
 * 4253 section 7.1).  asyncssh sends what it had in hand, OpenSSH's server
 * takes it, and libssh ends the connection.  Where libssh is linked statically
 * and wrapped (configure.ac), what comes of the connection protocol in the
 * meantime is kept, up to a bound, and handled when the new keys are there. One
 * connection a process; session NULL ends it.
 */
void mftd_rekey_watch(ssh_session session);

#endif
