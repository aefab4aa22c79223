/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_ERR_H
#define MFTD_BASE_ERR_H

/*
 * The one error convention: a function returns 0 or a positive result, or a
 * negative error: -errno, or -MFTD_E_* where errno has no word for it.  The
 * MFTD_E_* numbers stand above every errno and are never sent between hosts.
 */
enum mftd_error {
	MFTD_E_FIRST = 4096,
	MFTD_E_PROTOCOL = MFTD_E_FIRST, /* a peer broke its protocol */
	MFTD_E_NO_LEASE, /* this node may not acknowledge: no quorum */
	MFTD_E_STALE_EPOCH, /* another owner has the queue */
	MFTD_E_SUPERSEDED, /* a newer upload took the name */
	MFTD_E_INCOMPLETE, /* the name is an unfinished upload */
	MFTD_E_HELD, /* another session has that upload open */
	MFTD_E_GAP, /* between what is left of an upload and what is written */
	MFTD_E_UPWARD, /* a link would lead up from its directory */
	MFTD_E_CATALOG_AWAY, /* the database cannot be reached */
	MFTD_E_CATALOG, /* the database refused */
	MFTD_E_CONF, /* a configuration does not hold together */
	MFTD_E_CORRUPT, /* stored data fails its check */
	MFTD_E_PARTNER, /* the partner's server refused */
	MFTD_E_PARTNER_KEY, /* the partner's host key is not the pinned one */
	MFTD_E_AUTH, /* login refused */
	MFTD_E_LIMIT, /* a limit of limits.h was reached */
	MFTD_E_CLOSED, /* the peer closed its channel */
	MFTD_E_NOT_CONFIGURED, /* what the configuration has no more */
	MFTD_E_SYNC, /* what was to be durable may not be; never try again */
	MFTD_E_LAST
};

/*
 * Says what error means, in words.  err: negative as returned, or positive.
 * Returns a static or thread-local string, never NULL.
 */
const char *mftd_strerror(int err);

#endif
