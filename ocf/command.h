/* Part of mftd; see LICENSE. */
#ifndef MFTD_OCF_COMMAND_H
#define MFTD_OCF_COMMAND_H

#include "ocf.h"

/*
 * Runs argv[0] (searched in PATH, then in the system's directories) with
 * stdin from /dev/null and both outputs caught in out[size], NUL-terminated;
 * what does not fit is dropped. The child is killed when timeout_ms are over.
 * Returns its exit status 0..255, 128 + signal, -ETIMEDOUT or -errno.
 */
int mftd_ocf_command(
    char *const *argv, int64_t timeout_ms, char *out, size_t size);

#endif
