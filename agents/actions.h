/* Part of mftd; see LICENSE. */
/* What the agents have in common. Each returns an enum mftd_ocf_code. */
#ifndef MFTD_AGENTS_ACTIONS_H
#define MFTD_AGENTS_ACTIONS_H

#include "service.h"

#define MFTD_AGENT_VERSION "1.0"

/* Percent of the action's timeout that one request may take. */
#define MFTD_AGENT_DEADLINE 60

/* OCF_CHECK_LEVEL from which on an action looks beyond its parameters, or
 * beyond the daemon's word. */
#define MFTD_AGENT_LEVEL_HOST 10

/* The rows of the parameter table that each agent has. */
/* clang-format off */
#define MFTD_AGENT_PARAMS \
	{ .name = "binfile", .type = MFTD_OCF_PATH, .min = 2, .max = 1024, \
	  .value = SBINDIR "/mftd", .reloadable = true, \
	  .shortdesc = "mftd program", \
	  .longdesc = "Absolute path of the daemon's program. A change " \
	      "counts from the daemon's next start on." }, \
	{ .name = "config", .type = MFTD_OCF_PATH, .min = 2, .max = 1024, \
	  .value = "/etc/mft/mftd.yaml", \
	  .shortdesc = "mftd configuration", \
	  .longdesc = "Absolute path of the node's configuration file." }, \
	{ .name = "rundir", .type = MFTD_OCF_PATH, .min = 2, \
	  .max = MFTD_SERVICE_RUNDIR_MAX, .value = "/run/mft", \
	  .shortdesc = "run directory", \
	  .longdesc = "Directory of the control socket and the locks: run_dir " \
	      "of the configuration. All mftd resources of a node share one." \
	}, \
	{ .name = "logfile", .type = MFTD_OCF_PATH, .min = 2, .max = 1024, \
	  .value = "/var/log/mft/mftd.log", .reloadable = true, \
	  .shortdesc = "daemon output", \
	  .longdesc = "File to which the daemon's output is appended. A " \
	      "change counts from the daemon's next start on." }
/* clang-format on */

/* The service of this call; its strings belong to ocf. */
struct mftd_service mftd_agent_service(
    const struct mftd_ocf *ocf, const char *name);

/*
 * Asks the daemon for the action of this call.  A daemon whose coordinator died
 * has no socket until its next incarnation, in which its services come back: so
 * while its lock says that it lives it is asked again, up to the deadline.
 * Returns 0 and *answer, or -errno as mftd_service_request.
 */
int mftd_agent_ask(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer);

/* Starts the daemon if need be, and the service. */
int mftd_agent_start(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer);

/*
 * Waits while *answer is "refused", asking again: a service that has just got
 * its role may still be joining its group. At the deadline *answer is as it
 * is. Returns 0 or -errno of a request.
 */
int mftd_agent_settle(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer);

/*
 * Stops the service. With insist, success means that every worker is gone;
 * without, the daemon's word is enough that those left are being killed.
 */
int mftd_agent_stop(
    struct mftd_ocf *ocf, const struct mftd_service *svc, bool insist);

/* What the service is. *answer says more if the code is not 7. */
int mftd_agent_monitor(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer);

/* The code of a monitor that asks no more than the daemon, late in an action:
 * up to 80 % of its time. */
int mftd_agent_ask_again(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer);

/* Level 0 is content with parameters within their bounds; level 10 looks for
 * the program and has it read the configuration. */
int mftd_agent_validate(struct mftd_ocf *ocf);

/* Parameters marked reloadable have changed: the service runs on, and those of
 * the daemon count from its next start on. 7 if it does not run. */
int mftd_agent_reload(struct mftd_ocf *ocf, const struct mftd_service *svc);

/*
 * The code of a request that failed, from the lock: STOPPED gives 7, else 1
 * or 9. Gives the reason: what r means if it is negative, else the answer's.
 */
int mftd_agent_failed(struct mftd_ocf *ocf, const struct mftd_service *svc,
    int r, const struct mftd_service_answer *answer);

#endif
