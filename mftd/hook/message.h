/* Part of mftd; see LICENSE. */
#ifndef MFTD_HOOK_MESSAGE_H
#define MFTD_HOOK_MESSAGE_H

#include <stddef.h>

#include "mftd/catalog/event.h"
#include "mftd/catalog/hook.h"

/*
 * An event in the words of each way of telling it: mft-hooks(7) has the
 * fields.  All pure: the same event gives the same text at each try.
 */

/* One JSON object (RFC 8259), in UTF-8, without a line break; the caller frees
 * it.  Of a path or name that is not UTF-8 each byte beyond ASCII stands as
 * \u00xx, and its bytes stand in hexadecimal in a field beside it.  NULL
 * without memory. */
char *mftd_hook_json(const struct mftd_event *e);

/* "NAME=VALUE" strings, ending with NULL, for execve(2).  Paths and names are
 * the bytes that they are.  NULL without memory; freed by the other. */
char **mftd_hook_environment(
    const struct mftd_event *e, const char *hook, unsigned tries);
void mftd_hook_environment_free(char **env);

/* A message as SMTP takes it (RFC 5322), dated date_s; the caller frees it.
 * NULL without memory. */
char *mftd_hook_mail_text(
    const struct mftd_event *e, const struct mftd_hook *h, long long date_s);

#endif
