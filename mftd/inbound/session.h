/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_SESSION_H
#define MFTD_INBOUND_SESSION_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/inbound/bucket.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/policy.h"
#include "mftd/sftp/server.h"
#include "mftd/ssh/transport.h"

struct mftd_conf;
struct mftd_filter;

/* What the listener gives a session at its fork. */
struct mftd_session_start {
	const struct mftd_conf *conf;
	const struct mftd_lease *lease;
	struct mftd_ssh_server *server;
	const struct mftd_filter *filter; /* inbound/sandbox.h */
	int fd; /* the connection */
	int auth_fd; /* the channel to auth */
	int login_fd; /* closed at login: the listener sees it */
	int lock_fd; /* held by every worker; -1 without */
	pid_t listener; /* who forked it */
	char session[MFTD_ID_BYTES];
	char peer[MFTD_ADDR_BYTES];
};

/* The process of one connection, from its key exchange to its end.  Called in
 * the forked child; the descriptors not named in start are closed. */
_Noreturn void mftd_session_main(const struct mftd_session_start *start);

/* All state of a session; session.c makes it, serve.c works with it. */
struct mftd_session {
	const struct mftd_session_start *start;
	struct mftd_ssh *ssh;
	struct mftd_chan *auth, *journal, *coordinator;
	uint64_t auth_ref;
	int root_fd, parts_fd, signal_fd;
	struct mftd_policy policy; /* of the account, from auth */
	int folder_fds[MFTD_FOLDERS_MAX]; /* -1 without */
	char account[MFTD_NAME_BYTES];
	char volume_id[MFTD_ID_BYTES];
	const char *method; /* of login */
	struct mftd_syncer *syncer;
	struct mftd_sftp_env env;
	uint64_t next_part, next_ref;
	uint64_t bytes_in, bytes_out, published;
	uint64_t stat_sum; /* what the last SESSION_STAT said */
	int64_t stat_ms; /* and when */
	struct mftd_bucket in, out; /* what may pass now */
	int64_t active_ms; /* the last request or answer */
	uint64_t heard; /* packets of the client, when last looked at */
	int64_t heard_ms; /* and when that grew, or it was asked */
	int unanswered; /* keepalives */
	bool one_too_many; /* of its account: no login any more */
	bool ending; /* no input any more */
	int64_t ending_ms; /* until then */
	char why[MFTD_REASON_BYTES]; /* it ends */
};

/* Serves the client until one side ends; s->why then says which and why. */
void mftd_session_serve(struct mftd_session *s);

/* An SFTP channel of s begins (struct mftd_ssh_ops). */
void *mftd_session_open_sftp(void *data, struct mftd_ssh_chan *c);
ssize_t mftd_session_input(void *chan_data, const uint8_t *bytes, size_t len);

/* How a session's process ends before its login, where that is a failure of its
 * source (enum mftd_failure); 0 and 1 are none. */
#define MFTD_SESSION_EXIT_GARBAGE 3
#define MFTD_SESSION_EXIT_TRIES 4

#endif
