/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_DELIVERY_H
#define MFTD_OUTBOUND_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/catalog/catalog.h"

/*
 * The life of a delivery (design section 7), all of it pure: which state
 * follows on which event, what the names found at the partner prove after a
 * crash, how long to wait.  Writing rows and moving files is the caller's.
 */
enum mftd_delivery_event {
	MFTD_EVENT_CLAIM, /* an owner takes it */
	MFTD_EVENT_BEGIN, /* logged in at the partner, sending starts */
	MFTD_EVENT_SENT, /* whole, synced and checked under its temporary name
			  */
	MFTD_EVENT_PUBLISH, /* about to rename */
	MFTD_EVENT_DELIVERED, /* it has its final name */
	MFTD_EVENT_FINISH, /* what comes afterwards is done */
	MFTD_EVENT_RETRY, /* it did not work, or the worker died */
	MFTD_EVENT_REFUSED, /* rename refused, temporary name proven there */
	MFTD_EVENT_REJECTED, /* the same, and trying again is of no use */
	MFTD_EVENT_DOUBT, /* cannot be known */
	MFTD_EVENT_FAIL, /* trying again is of no use */
	MFTD_EVENT_PUT_BACK, /* not tried: its partner is not to be had */
	/* a person's wishes */
	MFTD_EVENT_HOLD,
	MFTD_EVENT_CANCEL,
	MFTD_EVENT_REQUEUE, /* try again now */
	MFTD_EVENT_RELEASE, /* it is held no more */
	MFTD_EVENT_ARRIVED, /* in doubt: the partner has it */
	MFTD_EVENT_RESEND, /* in doubt: the partner does not have it */
	MFTD_EVENT_COUNT
};

enum mftd_delivery_action {
	MFTD_ACTION_NONE,
	MFTD_ACTION_START, /* start a deliver from the beginning */
	MFTD_ACTION_GO_ON, /* tell deliver to go on */
	MFTD_ACTION_BACKOFF, /* it is due again after the backoff */
	MFTD_ACTION_EVIDENCE, /* after the backoff look what is there */
	MFTD_ACTION_FINISH, /* do what comes afterwards */
	MFTD_ACTION_END, /* nothing more to do */
	MFTD_ACTION_COUNT
};

/* "PUBLISH"; "?" for none. */
const char *mftd_delivery_event_name(uint32_t event);

/*
 * The next state and the action for event in state.  -EINVAL when the event
 * has no place in that state; then *next is state and *action NONE.
 */
int mftd_delivery_step(enum mftd_delivery_state state,
    enum mftd_delivery_event event, enum mftd_delivery_state *next,
    enum mftd_delivery_action *action);

/* Whether what stands under a name is the source, by SHA-256. */
enum mftd_content {
	MFTD_CONTENT_UNKNOWN, /* nobody looked, or nobody can */
	MFTD_CONTENT_SAME,
	MFTD_CONTENT_OTHER
};

/* Whether its try has come to what cannot be taken back: it may be there under
 * its final name, or is. */
bool mftd_delivery_is_published(enum mftd_delivery_state s);

/* A name at the partner as LSTAT shows it. */
struct mftd_remote_attrs {
	bool exists;
	bool has_size; /* what a server does not say proves nothing */
	bool has_mtime; /* and atime: SFTP version 3 has both or none */
	bool has_mode;
	uint64_t size;
	uint32_t mtime; /* seconds since the epoch */
	uint32_t atime;
	uint32_t mode; /* as st_mode */
	uint32_t links; /* its names, by a listing; 0: not known */
	enum mftd_content content; /* by looking into it */
};

/* All that is known of a delivery in PUBLISHING. */
struct mftd_evidence {
	struct mftd_remote_attrs temp; /* its temporary name */
	struct mftd_remote_attrs final; /* its final name */
	uint64_t size; /* of the source */
	int64_t mtime; /* the one that was set and seen set; 0: none, or it is
			  not this delivery's alone */
	enum mftd_if_exists if_exists; /* its route's word */
	bool resumed; /* an earlier try's server may write to it still, and so
			 change its mtime; what it writes is the same */
	bool skipped; /* no rename was ever asked for */
	bool unanswered; /* one may have been, of which no answer came */
	bool blind; /* where it lies who reads it leaves no trace */
	bool seen; /* an earlier look found its file under its final name */
	bool refused; /* this worker's rename was answered with a refusal */
	bool settled; /* looked at for so long that no server is at it still */
};

enum mftd_verdict {
	MFTD_VERDICT_RENAME, /* not published: rename now */
	MFTD_VERDICT_REMOVE_TEMP, /* published, the other name is left over */
	MFTD_VERDICT_LOOK_AGAIN, /* a server may be between link and unlink */
	MFTD_VERDICT_DELIVERED,
	MFTD_VERDICT_RESTART, /* not published, and not whole any more */
	MFTD_VERDICT_REFUSED, /* not published: the server will not have it */
	MFTD_VERDICT_REJECTED, /* not published: another file has the name */
	MFTD_VERDICT_RENUMBER, /* the same: rename to another name */
	MFTD_VERDICT_IN_DOUBT,
	MFTD_VERDICT_COUNT
};

const char *mftd_delivery_verdict_name(enum mftd_verdict v);

/*
 * What the evidence proves.  A file is this delivery's when its size is right
 * and its mtime the one of this delivery, or its content the source's.  Its
 * temporary name is its own and needs no such proof: a RENAME of ours that a
 * dead connection's server still is at can publish nothing else.
 *
 * Overwriting is one step at the server (posix-rename): the temporary name is
 * there before it, and not after it, whatever the final name shows.
 *
 * The plain RENAME is not: OpenSSH links and then unlinks, and who was killed
 * in between has published while the temporary name is there.  The final one
 * may be gone by now, taken by the partner.  So that nothing was published is
 * said only when the temporary file shows no trace of it: it has one name, and
 * nobody has read it (mftd_delivery_atime); after an answer, a refusal, the
 * first is enough.  A trace, or a server that does not show that much, or that
 * it was seen published before, is IN_DOUBT once it is settled.
 *
 * Both looks were taken at the host where PUBLISHING
 * happened, the temporary name first.
 *
 * OpenSSH's sftp-server renames by link and unlink, and where the unlink fails
 * it removes the new name again (sftp-server.c, process_rename).  So with both
 * names there the temporary one must not be taken from under a server that is
 * still at it: the file would be gone.  Only when nothing has changed for long
 * enough (settled) that server is taken for dead.
 */
enum mftd_verdict mftd_delivery_judge(const struct mftd_evidence *e);

/* Whether its file certainly is under its final name. */
bool mftd_delivery_is_final(const struct mftd_evidence *e);

/*
 * The atime that is set together with that mtime: a second before it, so that
 * it is no time at which anybody reads, and that the first one who does changes
 * it also under Linux's relatime, which renews only what is not newer than
 * mtime.
 */
uint32_t mftd_delivery_atime(uint32_t mtime);

/* Whether no further try is to follow the one that ends now, for the bounds of
 * its route. */
bool mftd_delivery_is_spent(const struct mftd_delivery *d, int64_t now_us);

/* The same by its hours alone. */
bool mftd_delivery_is_late(const struct mftd_delivery *d, int64_t now_us);

/* Looks after which both names are taken as they are: by the backoff between
 * them that is half a minute after the first. */
#define MFTD_SETTLED_LOOKS 4
/* Looks in vain, one after the other, at a host that the configuration has not,
 * after which it is taken for gone: a name may have more addresses than are
 * told at one time. */
#define MFTD_GONE_LOOKS 3

/* What is known of a delivery in PUBLISHING, or DELIVERED without its trigger
 * file, that could not be looked at. */
struct mftd_unseen {
	bool unknown; /* its partner is not in the configuration */
	uint32_t gone; /* looks in vain, one after the other, at a host that is
			  in the configuration no more */
	uint32_t looks; /* by this owner, whatever they came to */
	bool away; /* its partner is stopped, and has let this owner's calls
		      down */
	bool late; /* mftd_delivery_is_late */
};

/*
 * Whether nobody is to wait any longer for a look at it: MFTD_EVENT_DOUBT,
 * since it may have arrived; of one that did, MFTD_EVENT_FAIL.  Never without
 * this owner's having tried, unless it cannot: who was down for days looks
 * first.
 */
bool mftd_delivery_is_unseen(const struct mftd_unseen *u);

#define MFTD_DELIVERY_WAIT_MS_MAX (15 * 60 * 1000 / 4 * 5)

/* How long to wait after the tries-th try (from 1): about 1.5 s, then 5 s
 * doubling to 15 min, each moved by up to a quarter by random. */
int64_t mftd_delivery_backoff_ms(uint32_t tries, uint32_t random);

/* The wait after an error that only a person can cure: about 15 min. */
int64_t mftd_delivery_long_ms(uint32_t random);

#endif
