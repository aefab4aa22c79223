/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_RIG_H
#define TESTS_UNIT_JOURNAL_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_session.h"

/*
 * The real journal process of a volume, and a test that plays its parent, the
 * coordinator, auth, catalog and sessions.
 */
struct rig {
	const char *path; /* the volume */
	char incarnation[MFTD_ID_BYTES];
	struct mftd_lease *lease;
	struct mftd_policy policy; /* of the sessions opened from now on */
	void (*within)(void *data); /* what the child does first, or NULL */
	void *within_data;
	pid_t pid;
	struct mftd_chan *parent, *coordinator, *auth, *catalog;
};

struct rig_session {
	char id[MFTD_ID_BYTES];
	char volume_id[MFTD_ID_BYTES];
	struct mftd_chan *c;
	int root, parts;
	int folders[MFTD_FOLDERS_MAX], n_folders; /* of the policy */
	uint64_t ref;
	int n_parts;
};

/* Runs the journal of the incarnation's node in this process until it ends. */
void rig_main(const char *path, const char *incarnation, int parent_fd,
    struct mftd_lease *lease);

/* Starts it in a child.  words: NULL, or the command and arguments that it is
 * run under, up to the program's own ("strace", …, NULL); self: that program,
 * which calls rig_main for the arguments "journal" PATH INCARNATION FD. */
void rig_start(struct rig *r, const char *path, const char *incarnation,
    char *const words[], const char *self);

/* Starts it in a child that calls within first (steps_enter, say). */
void rig_start_within(struct rig *r, const char *path, const char *incarnation,
    void (*within)(void *data), void *data);

/* How long a part lies dormant, in the next journal that is started; a day
 * unless that is said. */
void rig_expire(int seconds);

/* Waits for READY.  Returns false when it ended instead. */
bool rig_ready(struct rig *r);

/* Ends it in good order, or with SIGKILL; returns its wait status.  One that
 * does not end by a deadline is killed, too. */
int rig_stop(struct rig *r);
int rig_kill(struct rig *r);

/* Opens a session "<incarnation>-<n>".  Returns the error of SESSION_READY, or
 * -MFTD_E_CLOSED. */
int rig_open(struct rig *r, struct rig_session *s, int n, const char *account,
    const char *root);
void rig_close(struct rig_session *s);

/* Makes a part of path with text and makes it durable; sets what PUBLISH says
 * of it. */
void rig_part(struct rig_session *s, const char *path, const char *text,
    struct mftd_msg_publish *m);

/* The same, and tells how much of it is durable, if anything: all with a
 * journal that is started for it, in which alice's first session uploads f. */
void rig_start_upload(struct rig *r, struct rig_session *s, const char *path,
    const char *incarnation, uint64_t durable, struct mftd_msg_publish *m);

/* Sends without waiting; waits for the answer to ref. */
uint64_t rig_send(
    struct rig_session *s, uint32_t type, const void *msg, size_t len);
int rig_answer(
    struct rig_session *s, uint64_t ref, struct mftd_msg_journal_result *res);

/* Both; res may be NULL. */
int rig_ask(struct rig_session *s, uint32_t type, const void *msg, size_t len);

/* An upload from part to answer; negative too when the part fails. */
int rig_upload(struct rig_session *s, const char *path, const char *text);

/* Waits for a message of that type; false at the channel's end. */
bool rig_wait(struct mftd_chan *c, uint32_t type, struct mftd_msg *m);

/* A stream in the volume's journal: counts its records by type and calls fn. */
typedef void (*rig_record_fn)(
    void *data, uint32_t type, const uint8_t *payload, size_t len);
void rig_records(const char *path, rig_record_fn fn, void *data);

#endif
