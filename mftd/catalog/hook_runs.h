/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_HOOK_RUNS_H
#define MFTD_CATALOG_HOOK_RUNS_H

#include <stddef.h>
#include <stdint.h>

#include "mftd/catalog/catalog.h"

/*
 * The runs of hooks: one row for each event and each hook that wants it.
 *
 *     QUEUED -> RUNNING -> DONE
 *                  |-> WAITING -> RUNNING …
 *                  '-> FAILED (retry: QUEUED)
 *
 * What takes a role is one guarded statement each, as in catalog.h:
 * -MFTD_E_STALE_EPOCH when the role row is not current.
 */
enum mftd_run_state {
	MFTD_RUN_QUEUED,
	MFTD_RUN_RUNNING,
	MFTD_RUN_WAITING,
	MFTD_RUN_DONE,
	MFTD_RUN_FAILED,
	MFTD_RUN_STATE_COUNT
};

/* "QUEUED", as stored. */
const char *mftd_run_state_name(enum mftd_run_state s);

/* The state of that name, or -MFTD_E_CORRUPT. */
int mftd_run_state_of(const char *name);

struct mftd_run {
	char event[MFTD_EVENT_ID_BYTES];
	char hook[MFTD_NAME_BYTES];
	enum mftd_run_state state;
	uint32_t tries;
	int64_t due_us; /* not before, wall clock */
	int64_t ended_us; /* its last try; 0: none has ended */
	char error[MFTD_REASON_BYTES];
};

/* What a person calls a run: EVENT@HOOK. */
#define MFTD_RUN_ID_BYTES (MFTD_EVENT_ID_BYTES + MFTD_NAME_BYTES)

/* Makes the runs of up to MFTD_EVENTS_SPREAD_MAX new events.  Returns how many
 * events there were. */
int mftd_runs_spread(
    struct mftd_catalog *c, const struct mftd_role_row *role, int64_t now_us);

/* Runs that an earlier owner had begun, or the claim of which was lost, are due
 * again; hand: those in hand, " EVENT@HOOK EVENT@HOOK " or "". */
int mftd_runs_inherit(struct mftd_catalog *c, const struct mftd_role_row *role,
    int64_t now_us, const char *hand);

/* Those of hooks that are no more configured have failed. */
int mftd_runs_abandon(
    struct mftd_catalog *c, const struct mftd_role_row *role, int64_t now_us);

/* Calls fn for each configured hook with a run that is due.  fn must not use
 * c. */
int mftd_runs_due(struct mftd_catalog *c, int64_t now_us,
    int (*fn)(void *data, const char *hook), void *data);

/* Claims up to max that are due of one hook: RUNNING, with one more try.
 * Returns how many. */
int mftd_runs_claim(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *hook, int64_t now_us, struct mftd_run *out, size_t max);

/* Moves a run from RUNNING to its state, with its due_us, ended_us and error
 * (bytes beyond ASCII become "?").  -ENOENT when it is not RUNNING: also after
 * a step whose answer was lost. */
int mftd_run_end(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_run *run);

/* Removes up to MFTD_EVENTS_SPREAD_MAX events older than that, the runs of
 * which are all DONE or FAILED, with these.  Returns how many. */
int mftd_events_expire(struct mftd_catalog *c, const struct mftd_role_row *role,
    int64_t before_us);

/* ---- deadlines of routes */

/* Up to when the route's were looked at; now_us if they never were, which is
 * then noted. */
int mftd_deadline_looked(struct mftd_catalog *c,
    const struct mftd_role_row *role, const char *route, int64_t now_us,
    int64_t *looked_us);

/* What must have come for a route between two times. */
struct mftd_deadline {
	const char *route;
	int64_t since_us, until_us;
	bool delivered; /* DONE, too */
};

/* Writes the event, if nothing came and a hook wants it. */
int mftd_deadline_late(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_deadline *d, int64_t now_us);

/* Notes that they were looked at up to then. */
int mftd_deadline_pass(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *route, int64_t looked_us);

/* ---- for people */

/* Calls fn for each run of that hook (NULL: of any) in one of the states (bits
 * 1 << state; 0: any), the newest last, the newest most of them.  fn must not
 * use c. */
int mftd_runs_list(struct mftd_catalog *c, const char *hook, uint32_t states,
    size_t most, int (*fn)(void *data, const struct mftd_run *run), void *data);

/* -ENOENT: there is none. */
int mftd_run_get(struct mftd_catalog *c, const char *event, const char *hook,
    struct mftd_run *out);

/* How many runs of the hook are in each state. */
int mftd_runs_count(struct mftd_catalog *c, const char *hook,
    uint64_t counts[MFTD_RUN_STATE_COUNT]);

/* FAILED or WAITING -> QUEUED, with no tries.  Needs no role, as
 * mftd_catalog_wish.  -ENOENT when it is in another state. */
int mftd_run_retry(struct mftd_catalog *c, const char *event, const char *hook,
    int64_t now_us);

#endif
