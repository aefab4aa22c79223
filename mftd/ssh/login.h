/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_LOGIN_H
#define MFTD_SSH_LOGIN_H

#include <stddef.h>

#include <libssh/libssh.h>

/*
 * Logs in at a partner whose host key was checked (RFC 4252): by the key, if
 * there is one, and by the password, if there is one and the server still wants
 * something; where it takes no password, the password answers what it asks
 * without echo (RFC 4256).  Returns 0, -MFTD_E_AUTH (also for a key file that
 * does not do) or -MFTD_E_CLOSED; then what happened stands in why.
 */
int mftd_ssh_log_in(ssh_session s, const char *key_file, const char *password,
    char *why, size_t size);

#endif
