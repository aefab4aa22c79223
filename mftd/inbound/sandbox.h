/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_SANDBOX_H
#define MFTD_INBOUND_SANDBOX_H

#include <stddef.h>

/*
 * What a session process may do.  It parses what strangers send, so it is
 * confined twice: from its first byte on by limits and a system call filter,
 * and after login by Landlock to the account's directories.  None of it can
 * be lifted again.
 */

/* The filter's program: made once, by the listener, because making it costs
 * more than a session's fork.  Returns 0 or -errno. */
struct mftd_filter;
int mftd_sandbox_filter(struct mftd_filter **out);
void mftd_sandbox_filter_free(struct mftd_filter *f);

/*
 * No core, no new processes but threads of this one (which are confined as the
 * thread that makes them is), bounded descriptors, not dumpable, no new
 * privileges, and the filter: a call that is not on its list ends the process
 * by SIGSYS.  Returns 0 or -errno; then the session must not go on.
 */
int mftd_sandbox_enter(const struct mftd_filter *f);

/*
 * From now on only what lies beneath the n directories can be opened: beneath
 * the first of them (the account's parts) also written, made and removed, in
 * the others (its root and folders: what is published, journal's to change)
 * only read.  And no TCP connection can be made (as far as this kernel can:
 * Landlock ABI 1 and later).  Returns 0; -EOPNOTSUPP when the kernel has no
 * Landlock (the session may go on: paths are resolved beneath the account's
 * root anyway); other -errno: it must not.
 */
int mftd_sandbox_confine(const int *dirs, size_t n);

#endif
