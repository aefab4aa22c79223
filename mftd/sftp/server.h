/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_SERVER_H
#define MFTD_SFTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/base/buf.h"
#include "mftd/base/limits.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/policy.h"

/*
 * One SFTP channel's server, protocol version 3 (draft-ietf-secsh-filexfer-02)
 * with OpenSSH's extensions (OpenSSH PROTOCOL, section 4).  It knows nothing of
 * SSH: bytes of the channel go in, bytes for the channel come out.
 */
struct mftd_sftp;
struct mftd_syncer;

/* What it works on; all of it stays the caller's and outlives the server. */
struct mftd_sftp_env {
	const char *session; /* id: the parts' ids begin with it */
	const char *account;
	const char *volume_id; /* first part of a parent key */
	int root_fd; /* the account's root directory */
	int parts_fd; /* .mft/parts/<account> */
	struct mftd_chan *journal;
	const struct mftd_lease *lease;
	struct mftd_syncer *syncer; /* NULL: it syncs by itself, and waits */
	const struct mftd_policy *policy; /* NULL: all zero but the umask 022 */
	const int *folder_fds; /* of policy->folders, in their order */
	/* Counters of the session, shared by its channels. */
	uint64_t *next_part; /* counter of part ids */
	uint64_t *next_ref; /* counter of journal references */
	uint64_t *bytes_in, *bytes_out, *published;
};

/* NULL without memory. */
struct mftd_sftp *mftd_sftp_new(const struct mftd_sftp_env *env);

/* Ends every handle; parts not published are left to journal (it sees the
 * session's end).  s may be NULL. */
void mftd_sftp_free(struct mftd_sftp *s);

/*
 * Takes bytes of the channel: every whole packet among them is handled, the
 * rest is kept.  A request that has to wait for another one lets those pass
 * that it does not concern (wait.h).  Returns how many bytes it took, fewer
 * than len only while mftd_sftp_output is above its high-water mark, too many
 * answers are due, or too many requests wait: offer the rest again after output
 * was drained or a result came.  -MFTD_E_PROTOCOL: close the channel at once,
 * with nothing more sent (what waits must not be answered).
 */
ssize_t mftd_sftp_input(struct mftd_sftp *s, const uint8_t *data, size_t len);

/* Goes on with what waits; call when output was drained, after
 * mftd_sftp_journal_result, and when env.syncer was heard.  Returns 0 or
 * -MFTD_E_PROTOCOL. */
int mftd_sftp_continue(struct mftd_sftp *s);

/* Bytes for the channel: the caller sends and consumes them. */
struct mftd_buf *mftd_sftp_output(struct mftd_sftp *s);

/* An answer of journal (MFTD_MSG_JOURNAL_RESULT) with that ref.  Returns 0, or
 * -ENOENT when no request of this server waits for ref. */
int mftd_sftp_journal_result(
    struct mftd_sftp *s, uint64_t ref, int err, const char *receipt);

/* Whether a long request is being worked at, in slices of a few milliseconds:
 * then call mftd_sftp_continue again soon, without waiting for anything. */
bool mftd_sftp_working(const struct mftd_sftp *s);

/* The same for its MFTD_MSG_QUOTA_RESULT. */
struct mftd_msg_quota_result;
int mftd_sftp_quota_result(
    struct mftd_sftp *s, uint64_t ref, const struct mftd_msg_quota_result *res);

/* Nobody hears its answers any more: what is only for its answer ends, and when
 * nothing else is to be done the last sync of its uploads begins. */
void mftd_sftp_unheard(struct mftd_sftp *s);

/* Whether journal, or a sync, is at work for it: the channel is closed only
 * when none is. */
int mftd_sftp_busy(const struct mftd_sftp *s);

/* Whether we, not the client, are who the next thing waits for. */
bool mftd_sftp_at_work(const struct mftd_sftp *s);

/* Whether a sync is under way. */
bool mftd_sftp_syncing(const struct mftd_sftp *s);

/* Whether requests that were taken have not been begun yet. */
bool mftd_sftp_waiting(const struct mftd_sftp *s);

#endif
