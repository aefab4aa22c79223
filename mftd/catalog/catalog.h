/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_CATALOG_H
#define MFTD_CATALOG_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/catalog/objects.h"

/*
 * The catalog behind one interface with two backends, chosen by the URI: SQLite
 * ("sqlite:PATH", standalone and snapshots) and PostgreSQL ("postgresql://…").
 * Calls block; each is bounded by the backend's statement timeout.  Errors:
 * -MFTD_E_CATALOG_AWAY (try again later: the handle reconnects by itself at the
 * next call), -MFTD_E_CATALOG (it refused; mftd_catalog_why says more),
 * -MFTD_E_CORRUPT (what is stored, or a record, is not what we write), -ENOENT,
 * -MFTD_E_STALE_EPOCH.  After -MFTD_E_CATALOG_AWAY a change may have happened
 * all the same: the answer was lost, not the commit.
 */
struct mftd_catalog;

/*
 * Makes a handle; each call connects when there is no connection, so a database
 * that is away shows at the first of them.  application: what the server shows
 * as our name ("mftd/default/7"), cut to 63 bytes.  No schema is touched, and
 * an SQLite file that does not exist is away until somebody migrates it.
 * -EINVAL: the URI is of neither kind.
 */
int mftd_catalog_open(
    const char *uri, const char *application, struct mftd_catalog **out);
void mftd_catalog_close(struct mftd_catalog *c);

/*
 * Makes one more handle of the same database under c's name of now, for
 * mftd_catalog_steps_send (steps.h) beside what is asked of c: its steps make
 * the events that the objects which c has loaded ask for.  c outlives it.
 * Returns 1; 0 where statements would only wait for one another (SQLite: *out
 * is NULL then); or an error.
 */
int mftd_catalog_beside(struct mftd_catalog *c, struct mftd_catalog **out);

/* The backend's words for the last error of c; valid until the next call. */
const char *mftd_catalog_why(const struct mftd_catalog *c);

/* Brings the schema to this program's version, one migration a transaction,
 * safe when several nodes do it at once.  One may take hours, but waits for a
 * lock that another session has for seconds only, lest others wait behind it:
 * -MFTD_E_CATALOG_AWAY then.  A newer schema: -MFTD_E_CATALOG. */
int mftd_catalog_migrate(struct mftd_catalog *c);

/* ---- objects */

/* Replaces all objects in one transaction and raises the version by one, which
 * *version receives.  Nothing is changed on failure. */
int mftd_catalog_apply(
    struct mftd_catalog *c, const struct mftd_objects *o, uint64_t *version);

/* All objects, as of one moment; the caller frees *out. */
int mftd_catalog_load(struct mftd_catalog *c, struct mftd_objects **out);

/* The version of the objects; 0 when none were ever applied. */
int mftd_catalog_version(struct mftd_catalog *c, uint64_t *version);

/* Writes o as a fresh SQLite catalog to path, in one durable step (a reader
 * sees the old or the new file).  Open it as "sqlite:" and path, anew for each
 * snapshot; it keeps o's version. */
int mftd_catalog_snapshot(const struct mftd_objects *o, const char *path);

/* Where the catalog's process keeps it: in the node's state directory. */
#define MFTD_CATALOG_SNAPSHOT "snapshot.db"

/* ---- journal records in */

struct mftd_forward {
	uint64_t seq;
	int64_t time_us;
	uint32_t type; /* enum mftd_record_type */
	const uint8_t *payload;
	size_t payload_bytes;
};

/* Who it is that forwards: this node, and its present incarnation.  Without it
 * none of the streams is known to be of now (order.h). */
void mftd_catalog_here(
    struct mftd_catalog *c, const char *node, const char *incarnation);

/* What is to be said of this node's clock, as the last forward of a stream of
 * its own saw it; "": it agrees with the database's. */
const char *mftd_catalog_clock(const struct mftd_catalog *c);

/* Records of one forward; where there are fewer, no more were written yet. */
#define MFTD_FORWARD_MAX 128

/* How far stream is in the catalog: the last seq, 0 for nothing. */
int mftd_catalog_mark(
    struct mftd_catalog *c, const char *stream, uint64_t *seq);

/*
 * Takes n records of stream, ascending, and moves its mark, in one transaction.
 * Records up to the mark are passed over: repeating is harmless.  A receipt
 * becomes known with RECEIPT and counts with PUBLISHED, in whatever order the
 * two come; then its deliveries are inserted, one per matching route.  -EINVAL:
 * records are missing before or between these.  -MFTD_E_CORRUPT: one is not
 * readable; nothing was taken, and the stream stays where it is.
 *
 * A delivery's name is the last component of the path after all renames; the
 * folders above it are not kept at the partner.  What happens to its inode
 * (RENAME, REMOVE) counts while it has not begun (QUEUED or HELD, no tries),
 * whichever stream tells of it and in whatever order.
 */
int mftd_catalog_forward(struct mftd_catalog *c, const char *stream,
    const struct mftd_forward *records, size_t n);

/* Receipts with a link in .mft/out that need it no more, up to max, by and by
 * all of them, if it is asked again and again; their ids into out: abandoned,
 * or published with all deliveries DONE or CANCELLED (or none, unless the name
 * is excluded so far: then after a week), and what becomes of the source is
 * done (source.h).  Returns how many, or an error. */
int mftd_catalog_releasable(
    struct mftd_catalog *c, char (*out)[MFTD_ID_BYTES], size_t max);

/* Notes, in one transaction, that the links of these n receipts are gone: they
 * are matched no more. */
int mftd_catalog_released(
    struct mftd_catalog *c, const char (*receipts)[MFTD_ID_BYTES], size_t n);

/* Which of n receipts were noted so: those into gone, which has room for n.
 * Returns how many, or an error. */
int mftd_catalog_gone(struct mftd_catalog *c,
    const char (*receipts)[MFTD_ID_BYTES], size_t n,
    char (*gone)[MFTD_ID_BYTES]);

/* ---- outbound (design section 7) */

/* The role row of a queue.  Whoever raised it last is its owner. */
struct mftd_role_row {
	char queue[MFTD_NAME_BYTES];
	char owner[MFTD_ID_BYTES];
	uint64_t epoch;
};

enum mftd_delivery_state {
	MFTD_DELIVERY_QUEUED,
	MFTD_DELIVERY_CLAIMED,
	MFTD_DELIVERY_SENDING,
	MFTD_DELIVERY_SENT,
	MFTD_DELIVERY_PUBLISHING,
	MFTD_DELIVERY_DELIVERED,
	MFTD_DELIVERY_DONE,
	MFTD_DELIVERY_WAITING,
	MFTD_DELIVERY_IN_DOUBT,
	MFTD_DELIVERY_FAILED,
	MFTD_DELIVERY_HELD,
	MFTD_DELIVERY_CANCELLED,
	MFTD_DELIVERY_STATE_COUNT
};

/* "QUEUED", as stored. */
const char *mftd_delivery_state_name(enum mftd_delivery_state s);

/* The state of that name, or -MFTD_E_CORRUPT. */
int mftd_delivery_state_of(const char *name);

/* Where a delivery goes: a partner's name, or "@" and an account's. */
#define MFTD_TARGET_BYTES (MFTD_NAME_BYTES + 1)

struct mftd_delivery {
	/* what is often looked at stands together: a thousand of these are more
	 * than a processor's cache has room for */
	enum mftd_delivery_state state;
	uint32_t tries;
	char partner[MFTD_TARGET_BYTES];
	char id[MFTD_ID_BYTES];
	char receipt[MFTD_ID_BYTES];
	char route[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	uint64_t size;
	bool has_sha256;
	uint8_t sha256[MFTD_SHA256_BYTES];
	char host[MFTD_NAME_BYTES]; /* where PUBLISHING happened */
	int64_t mtime; /* the unique one that was set, or 0 */
	int64_t due_us; /* not before, wall clock */
	char error[MFTD_REASON_BYTES];
	uint32_t retry_tries, retry_hours; /* its bounds; 0: none */
	uint32_t tries_before; /* those that count no more for them */
	int64_t first_us; /* when the first that counts began; 0: none has */
	struct mftd_handling at; /* the partner */
	struct mftd_progress has; /* come to there */
	uint32_t priority; /* 0 to 9, which goes first */
	bool ordered; /* the next one of its route waits for it */
	char queue[MFTD_QUEUE_BYTES]; /* only of a list (person.h) */
	/* no step changes these, nor are they copied with one: the last */
	char directory[MFTD_PATH_BYTES];
	char name[MFTD_PATH_BYTES]; /* final name at the partner */
};

/* The account that it goes to; NULL: it goes to a partner. */
const char *mftd_delivery_account(const struct mftd_delivery *d);

/*
 * Makes owner the owner of queue: first ends the database sessions of earlier
 * owners (PostgreSQL: pg_terminate_backend by application name
 * "mftd/QUEUE/…"), then raises the epoch by one; from then on c itself is
 * called "mftd/QUEUE/EPOCH".  Refuses (-MFTD_E_CATALOG) a database that may
 * forget what it committed; the guarded calls below look at that again at each
 * new connection and each minute.
 */
int mftd_catalog_raise(struct mftd_catalog *c, const char *queue,
    const char *owner, struct mftd_role_row *role);

/*
 * Each of these is one autocommit statement that takes the role row FOR SHARE
 * with (epoch, owner); -MFTD_E_STALE_EPOCH when it is not current, and nothing
 * is touched.
 */

/* Claims up to max deliveries that are due (QUEUED or WAITING): of each partner
 * but the busy ones (" a b ", or "") some of its highest priority, those that
 * are due longest, and no more than MFTD_CLAIM_PARTNER_MAX; of each route that
 * keeps an order the one whose turn it is.  They become CLAIMED.
 * None goes before or beside another one of its name (versions.h); one that
 * would overwrite a later one becomes CANCELLED.  What it costs
 * grows with the partners and such routes that have some, not with how many
 * they have.  Returns how many, or an error. */
int mftd_catalog_claim(struct mftd_catalog *c, const struct mftd_role_row *role,
    int64_t now_us, const char *busy, struct mftd_delivery *out, size_t max);

/* What a claim comes to. */
struct mftd_claim {
	struct mftd_delivery *out; /* the caller's, of max */
	size_t max, n;
	size_t others; /* that it has moved, or put behind others of their name;
			  where n is 0 there may be more to claim */
};

/*
 * The same once, in two parts: _send may have done it all by then, or not
 * waited for the answer; _take returns how many there are, -EAGAIN while that
 * is not known, but with wait.  to stays until then.  Any other call with c
 * waits for the end of what was sent.
 */
int mftd_catalog_claim_send(struct mftd_catalog *c,
    const struct mftd_role_row *role, int64_t now_us, const char *busy,
    struct mftd_claim *to);
int mftd_catalog_claim_take(
    struct mftd_catalog *c, struct mftd_claim *to, bool wait);

/* The deliveries that an earlier owner left in CLAIMED to PUBLISHING, up to max
 * (as they are).  Returns how many. */
int mftd_catalog_inherited(struct mftd_catalog *c,
    const struct mftd_role_row *role, struct mftd_delivery *out, size_t max);

/*
 * Lets those go that a claim has found behind another one of their name, where
 * that one has ended and nobody said so: some of them, the next ones behind at
 * ("" at first and behind the last one), which moves on.  Returns how many, or
 * an error.
 */
int mftd_catalog_versions_look(struct mftd_catalog *c,
    const struct mftd_role_row *role, char at[MFTD_ID_BYTES]);

/* Whether a claim of c has found some that wait for another one: then what ends
 * may let the next one go. */
bool mftd_catalog_versions(const struct mftd_catalog *c);

/* The row of a try: the one that d->tries counts. */
struct mftd_try {
	uint32_t n; /* as read back */
	int64_t begin_us;
	int64_t end_us; /* 0: nobody has ended it */
	uint64_t bytes; /* of the file, sent */
	char host[MFTD_NAME_BYTES]; /* the address; "": it came to none */
	char outcome[MFTD_NAME_BYTES]; /* the event that ended it; "" none */
	char error[MFTD_REASON_BYTES]; /* as read back; written: d->error */
};

/* What a queue has to do with, each up to MFTD_COUNT_MAX: there may be more
 * then.  What is over is not counted. */
struct mftd_queue_counts {
	uint64_t queued; /* QUEUED and WAITING; up to twice as many */
	uint64_t active; /* CLAIMED to DELIVERED */
	uint64_t in_doubt, failed;
};

int mftd_catalog_counts(
    struct mftd_catalog *c, const char *queue, struct mftd_queue_counts *out);

#endif
