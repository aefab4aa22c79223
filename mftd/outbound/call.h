/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_CALL_H
#define MFTD_OUTBOUND_CALL_H

#include <stddef.h>

#include "mftd/catalog/objects.h"
#include "mftd/catalog/secret.h"
#include "mftd/ssh/client.h"

/* How far off to set an alarm that go_on sets again: while one host is dialled
 * and logged in at, go_on is not asked. */
#define MFTD_CALL_WATCHDOG_S (3 * MFTD_PARTNER_CONNECT_S_MAX)

/* A call to a partner as it is configured. */
struct mftd_call {
	struct mftd_ssh_target target;
	char password[MFTD_SECRET_BYTES];
};

/* One of a partner's hosts. */
struct mftd_call_place {
	char name[MFTD_HOST_BYTES + 16]; /* with its port, for people */
	char text[MFTD_HOST_BYTES + 16];
	struct mftd_partner partner; /* as if it had no other; its memory is the
					configured one's, and text's */
};

/* Its i-th host: `host`, then other_hosts. */
void mftd_call_place(
    const struct mftd_partner *p, size_t i, struct mftd_call_place *out);

/*
 * Opens what is sealed, calls and logs in.  call's go_on, told and data are set
 * by the caller before, all else by this.  secret_key: the node's file
 * (secret.h), or NULL; address: just that one of its hosts, numeric
 * (ssh/client.h), or NULL.  call and p must outlive *out.  Errors are those of
 * mftd_ssh_client_open, and -MFTD_E_AUTH when the password cannot be opened.
 */
int mftd_call_open(struct mftd_call *call, const struct mftd_partner *p,
    const char *secret_key, const char *address, struct mftd_ssh_client **out,
    char *why, size_t size);

#endif
