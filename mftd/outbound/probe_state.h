/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_PROBE_STATE_H
#define MFTD_OUTBOUND_PROBE_STATE_H

#include <stdbool.h>

#include "mftd/base/id.h"
#include "mftd/base/limits.h"
#include "mftd/outbound/probe.h"
#include "mftd/outbound/remote.h"
#include "mftd/ssh/client.h"

/* The state of a probe; probe.c and probe_folder.c share it. */
#define MFTD_PROBE_NAME_BYTES (MFTD_PATH_BYTES + 2 * MFTD_ID_BYTES)

enum mftd_probe_file {
	MFTD_PROBE_TEMP,
	MFTD_PROBE_FINAL,
	MFTD_PROBE_SECOND,
	MFTD_PROBE_FILES
};

struct mftd_probe_state {
	const struct mftd_probe *p;
	struct mftd_ssh_client *client;
	struct mftd_remote *remote;
	enum mftd_ssh_stage reached; /* the next one */
	const char *directory; /* being tested */
	char at[MFTD_PATH_BYTES + MFTD_TEMP_DIRECTORY_BYTES +
	    64]; /* in front of its steps */
	char name[MFTD_PROBE_FILES][MFTD_PROBE_NAME_BYTES];
	bool made[MFTD_PROBE_FILES]; /* to be removed */
	bool fails;
	char why[MFTD_REASON_BYTES]; /* the last request's failure */
};

/* Tells a finding. */
void mftd_probe_found(struct mftd_probe_state *b, enum mftd_finding f,
    const char *step, const char *text);

/* The same of a step in the directory at hand.  0, -MFTD_E_PARTNER for
 * MFTD_FINDING_FAIL. */
int mftd_probe_say(struct mftd_probe_state *b, enum mftd_finding f,
    const char *what, const char *text);

/* It failed as b->why has it.  -MFTD_E_PARTNER. */
int mftd_probe_refused(struct mftd_probe_state *b, const char *what);

/* Waits for what was asked for with r as result, one request or several: 0,
 * what the server answered to it, or the connection's error; then b->why says
 * it. */
int mftd_probe_ask(
    struct mftd_probe_state *b, int r, const struct mftd_remote_answer *a);

/* Whether err is the server's own answer. */
bool mftd_probe_is_answer(int err);

/* What the server is asked for: "" is the login's directory. */
const char *mftd_probe_name(const char *directory);

/* From now on this one is at hand, and stands before its steps with these
 * words, "": with its name alone. */
void mftd_probe_enter(
    struct mftd_probe_state *b, const char *directory, const char *words);

/* Whether the directory at hand is one: 0, or an error that was told. */
int mftd_probe_look(struct mftd_probe_state *b);

/* Does in that directory what a delivery does there, by each of its routes to
 * it.  0, an error that was told, or -EINTR: nobody wants to know the rest. */
int mftd_probe_folder(struct mftd_probe_state *b, const char *directory);

#endif
