/* Part of mftd; see LICENSE. */
/*
 * The monitor of OCF_CHECK_LEVEL 10: a client's view. OpenSSH's sftp logs in
 * over loopback, as an account that is there for that, puts a small file,
 * fetches it, compares and removes it.
 */
#ifndef MFTD_AGENTS_CHECK_H
#define MFTD_AGENTS_CHECK_H

#include "service.h"

/* What came of it. */
enum mftd_check {
	MFTD_CHECK_WELL,
	MFTD_CHECK_UNSET, /* no account to log in as is configured */
	/* a login was answered: it was refused, or the file was */
	MFTD_CHECK_REFUSED,
	MFTD_CHECK_HANGS, /* connected, and not done in time */
	MFTD_CHECK_FAILED, /* no connection, or other bytes came back */
};

enum { MFTD_CHECK_TEXT_MAX = 256 }; /* bytes of what sftp said last */

/*
 * Does it, within timeout_ms. Uses the parameters check_user, check_key,
 * check_address and check_port. text says more unless it is well; it is
 * NUL-terminated. Leaves nothing behind on this host.
 */
enum mftd_check mftd_check_run(const struct mftd_ocf *ocf, int64_t timeout_ms,
    char text[static MFTD_CHECK_TEXT_MAX]);

/* What an exit status of sftp (or -errno) and its output mean. */
enum mftd_check mftd_check_meaning(int status, const char *out);

/*
 * The monitor's code where the daemon says that it is well, after `check`:
 * degraded for what a restart here cannot mend or what may be everywhere the
 * same (the account, the storage), failed for the rest. storage: the daemon,
 * asked anew, calls itself degraded by now.
 */
enum mftd_ocf_code mftd_check_code(enum mftd_check check, bool storage);

#endif
