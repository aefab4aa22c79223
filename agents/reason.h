/* Part of mftd; see LICENSE. */
#ifndef MFTD_AGENTS_REASON_H
#define MFTD_AGENTS_REASON_H

#include "service.h"

/*
 * Gives the exit reason: what the action is, what is wrong and what a person
 * does next. r is -errno of a request, which says what is wrong; with 0 it is
 * `what`, the daemon's words or the agent's.
 */
void mftd_agent_reason(const struct mftd_ocf *ocf, int r, const char *what);

/* What r, -errno of a request, means. */
const char *mftd_agent_error(int r);

/* What to do about something that is wrong, or NULL if nothing is known. The
 * text begins with one of the agents' or the daemon's own phrases. */
const char *mftd_agent_advice(const char *what);

#endif
