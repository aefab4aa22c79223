/* Part of mftd; see LICENSE. */
#include "mftd/journal/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_node.h"

/* ADOPTs of parts that another session has open. */

#define HELD_MS 12000 /* a session's end may take 6 s */
#define TICK_MS 100

void
mftd_journal_try_held(struct mftd_journal *j)
{
	struct mftd_change *c;

	while ((c = STAILQ_FIRST(&j->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&j->held, link);
		c->err = 0;
		STAILQ_INSERT_TAIL(&j->pending, c, link);
		j->n_pending++;
		mftd_journal_batch_soon(j);
	}
}

/* On storage of several nodes nobody tells when a part was let go. */
static void
on_tick(void *data)
{
	struct mftd_journal *j = data;

	j->held_due = false;
	mftd_journal_try_held(j);
}

/* Asks for the end of the session whose part it is: its id is the part's up to
 * the last dot. */
static void
ask_owner(struct mftd_journal *j, const struct mftd_change *c)
{
	struct mftd_msg_session_yield m;

	memset(&m, 0, sizeof(m));
	snprintf(m.session, sizeof(m.session), "%.*s",
	    (int)(strrchr(c->held_by, '.') - c->held_by), c->held_by);
	memcpy(m.account, c->owner->account, sizeof(m.account));
	log_info("session=%s account=%s goes on with %s of session=%s",
	    c->owner->session, m.account, c->msg.adopt.path, m.session);
	if (j->coordinator != NULL)
		mftd_worker_send(j->worker, j->coordinator,
		    MFTD_MSG_SESSION_YIELD, 0, &m, sizeof(m));
}

bool
mftd_journal_hold(struct mftd_journal *j, struct mftd_change *c)
{
	if (c->type != MFTD_MSG_ADOPT || c->err != -EAGAIN)
		return false;
	if (c->until_ms == 0) {
		c->until_ms = mftd_clock_ms() + HELD_MS;
		if (strrchr(c->held_by, '.') != NULL)
			ask_owner(j, c);
	}
	if (mftd_clock_left_ms(c->until_ms) == 0 ||
	    (!j->held_due &&
		mftd_worker_timer(j->worker, TICK_MS, on_tick, j) < 0)) {
		c->err = -MFTD_E_HELD;
		return false;
	}
	j->held_due = true;
	STAILQ_INSERT_TAIL(&j->held, c, link);
	return true;
}
