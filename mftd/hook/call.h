/* Part of mftd; see LICENSE. */
#ifndef MFTD_HOOK_CALL_H
#define MFTD_HOOK_CALL_H

#include "mftd/catalog/event.h"
#include "mftd/catalog/hook.h"

/* One try of telling one hook of one event. */
struct mftd_hook_call {
	const struct mftd_hook *hook;
	const struct mftd_event *event;
	unsigned tries; /* this one counts */
	const char *secret_key; /* conf's, or NULL */
};

/*
 * Tells it, whatever the hook's means.  Blocks up to the hook's timeout_s, and
 * a process that was forked for it is the right place: it changes which signals
 * it takes.  SIGTERM ends it, and a program of the hook with it.
 * Returns 0, or a negative error with what people should know in why; after
 * success why is what the program printed last, or the server said.
 */
int mftd_hook_call(
    const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES]);

/* The same, each by its means. */
int mftd_hook_exec(
    const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES]);
int mftd_hook_http(
    const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES]);
int mftd_hook_mail(
    const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES]);

/* The hook's secret in plain, "" for none; to be wiped.  An error in why. */
int mftd_hook_secret(const struct mftd_hook_call *call, const char *sealed,
    char out[MFTD_SECRET_BYTES], char why[MFTD_REASON_BYTES]);

#endif
