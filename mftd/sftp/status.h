/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_STATUS_H
#define MFTD_SFTP_STATUS_H

#include <stdint.h>

/*
 * The SSH_FX_* code for err (0, -errno or -MFTD_E_*), and in *text the words
 * for the client: static or thread-local, never NULL.  A path that would lead
 * out of the account's root (-EXDEV, -ELOOP) is PERMISSION_DENIED whether or
 * not there is something at its end, so the answer tells nothing about it.
 */
uint32_t mftd_sftp_status_of(int err, const char **text);

#endif
