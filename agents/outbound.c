/* Part of mftd; see LICENSE. */
/* ocf:mft:outbound, promotable: the promoted node delivers one queue. */
#include "actions.h"

#include "ocf/attribute.h"
#include "ocf/log.h"
#include "reason.h"

/* Promoted outscores standby, else a node that returns takes the role; a
 * degraded standby is the last choice. */
enum { SCORE_PROMOTED = 10, SCORE_STANDBY = 5, SCORE_DEGRADED = 1 };

static void
set_score(const struct mftd_ocf *ocf, const struct mftd_service_answer *answer)
{
	int score = SCORE_DEGRADED;

	if (answer->state == MFTD_SERVICE_PROMOTED)
		score = SCORE_PROMOTED;
	else if (answer->health == MFTD_SERVICE_OK)
		score = SCORE_STANDBY;
	mftd_ocf_promotion_set(ocf, score, answer->life);
}

static int
on_start(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "outbound");
	struct mftd_service_answer answer;
	int code = mftd_agent_start(ocf, &svc, &answer);

	if (code == MFTD_OCF_SUCCESS)
		set_score(ocf, &answer);
	return code;
}

static int
on_stop(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "outbound");
	int code = mftd_agent_stop(ocf, &svc, true);

	if (code == MFTD_OCF_SUCCESS)
		mftd_ocf_promotion_delete(ocf);
	return code;
}

static int
on_monitor(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "outbound");
	struct mftd_service_answer answer;
	int code = mftd_agent_monitor(ocf, &svc, &answer);

	switch (code) {
	case MFTD_OCF_SUCCESS:
	case MFTD_OCF_RUNNING_PROMOTED:
	case MFTD_OCF_DEGRADED:
	case MFTD_OCF_DEGRADED_PROMOTED:
		set_score(ocf, &answer);
	}
	return code;
}

/*
 * Asks for a role; the service must be running. Returns 0 when it is there,
 * proven by the word in the lock file; 1 when not; else -errno.
 */
static int
change_role(struct mftd_ocf *ocf, const struct mftd_service *svc,
    enum mftd_service_state wanted, struct mftd_service_answer *answer)
{
	int r;

	r = mftd_agent_ask(ocf, svc, answer);
	if (r == 0 && wanted == MFTD_SERVICE_PROMOTED)
		r = mftd_agent_settle(ocf, svc, answer);
	if (r < 0)
		return r;
	if (!answer->ok || answer->state != wanted ||
	    mftd_service_lock(svc) != wanted)
		return 1;
	if (wanted == MFTD_SERVICE_PROMOTED &&
	    answer->health == MFTD_SERVICE_REFUSED)
		return 1;
	set_score(ocf, answer);
	return 0;
}

/* Without the catalog it succeeds: fencing made the role safe, and the
 * monitor says degraded until deliveries can be claimed. */
static int
on_promote(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "outbound");
	struct mftd_service_answer answer;
	int r;

	if (mftd_service_lock(&svc) == MFTD_SERVICE_STOPPED) {
		mftd_agent_reason(ocf, 0, "the service is not started");
		return MFTD_OCF_NOT_RUNNING;
	}
	r = change_role(ocf, &svc, MFTD_SERVICE_PROMOTED, &answer);
	return r == 0 ? MFTD_OCF_SUCCESS
		      : mftd_agent_failed(ocf, &svc, r, &answer);
}

/*
 * Success means that nobody delivers here any more, and a free lock proves
 * it. So a service that is gone is demoted: Pacemaker 2.1 demotes after a
 * monitor's 7 too, and with on-fail=fence any other code would power off a
 * node for no more than a crash of the daemon.
 */
static int
on_demote(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "outbound");
	struct mftd_service_answer answer;
	int r;

	if (mftd_service_lock(&svc) == MFTD_SERVICE_STOPPED)
		return MFTD_OCF_SUCCESS;
	r = change_role(ocf, &svc, MFTD_SERVICE_STARTED, &answer);
	if (r == 0)
		return MFTD_OCF_SUCCESS;
	/* a daemon that died takes its workers along, maybe right now */
	if ((r < 0 || answer.state == MFTD_SERVICE_STOPPED) &&
	    mftd_service_wait_gone(&svc, mftd_ocf_left_ms(ocf, 80))) {
		mftd_ocf_log(ocf, MFTD_OCF_LOG_WARN,
		    "demote: the whole service is gone");
		return MFTD_OCF_SUCCESS;
	}
	return mftd_agent_failed(ocf, &svc, r, &answer);
}

static int
on_reload(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "outbound");

	return mftd_agent_reload(ocf, &svc);
}

static const struct mftd_ocf_param params[] = {
	MFTD_AGENT_PARAMS,
	{ .name = "queue",
	    .type = MFTD_OCF_STRING,
	    .min = 1,
	    .max = MFTD_SERVICE_QUEUE_MAX,
	    .value = "default",
	    .allowed = "abcdefghijklmnopqrstuvwxyz"
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-",
	    .unique_group = "queue",
	    .shortdesc = "delivery queue",
	    .longdesc = "The queue of routes that this resource delivers. "
			"Each queue has one resource, and the configuration of "
			"each node where it may run names it." },
};

static const struct mftd_ocf_action actions[] = {
	{ "start", on_start, .timeout_s = 60 },
	{ "stop", on_stop, .timeout_s = 60 },
	{ "promote", on_promote, .timeout_s = 60 },
	{ "demote", on_demote, .timeout_s = 60 },
	{ "monitor", on_monitor, .timeout_s = 20, .interval_s = 10,
	    .role = "Promoted" },
	{ "monitor", on_monitor, .timeout_s = 20, .interval_s = 11,
	    .role = "Unpromoted" },
	{ "reload-agent", on_reload, .timeout_s = 20 },
	{ "validate-all", mftd_agent_validate, .timeout_s = 20 },
	{ "meta-data", .timeout_s = 5 },
};

static const struct mftd_ocf_agent agent = {
	.name = "outbound",
	.version = MFTD_AGENT_VERSION,
	.shortdesc = "Delivers files to partners (mftd)",
	.longdesc =
	    "The outbound service of mftd, managed file transfer: routes send "
	    "received files on to partners. Run it as a promotable clone; the "
	    "promoted instance delivers, the others stand by. It starts the "
	    "daemon itself. Fencing must work: demote and stop succeed only "
	    "when every delivery of this node has ended.",
	.params = params,
	.nparams = sizeof(params) / sizeof(*params),
	.actions = actions,
	.nactions = sizeof(actions) / sizeof(*actions),
};

int
main(int argc, char **argv)
{
	return mftd_ocf_main(&agent, argc, argv);
}
