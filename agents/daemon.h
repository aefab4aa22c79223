/* Part of mftd; see LICENSE. */
#ifndef MFTD_AGENTS_DAEMON_H
#define MFTD_AGENTS_DAEMON_H

#include "service.h"

/*
 * Starts the node's daemon, `binfile -f config`, in a session of its own and
 * waits until its control socket takes connections. Agents that start at the
 * same time start one daemon: they take turns by a flock on the configuration
 * file. Returns MFTD_OCF_SUCCESS, or a code whose reason has been given.
 */
int mftd_daemon_start(
    const struct mftd_ocf *ocf, const struct mftd_service *svc);

/*
 * Whether the daemon could run here: MFTD_OCF_SUCCESS, MFTD_OCF_ERR_INSTALLED
 * without the program, MFTD_OCF_ERR_ARGS without a readable configuration, or
 * with one that `binfile -t` refuses (asked only if test is true), also for
 * want of the agent's queue.
 */
int mftd_daemon_validate(const struct mftd_ocf *ocf, bool test);

/*
 * Whether the configuration, as it is now, names the agent's queue: else
 * MFTD_OCF_ERR_ARGS and its reason.  Whatever else is wrong with it is for a
 * daemon to find that is yet to be started: one that runs can do without.
 */
int mftd_daemon_queue(const struct mftd_ocf *ocf);

#endif
