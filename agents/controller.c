/* Part of mftd; see LICENSE. */
/* ocf:mft:controller, one instance in the cluster: where it runs is the place
 * of the routes that say `runs_on: controller`. */
#include "actions.h"

#include "ocf/log.h"
#include "reason.h"

/* The daemon has the place as a queue (mftd/conf/place.h): its start is start
 * and promotion in one, which raises the place's epoch. */
static struct mftd_service
place(const struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "outbound");

	svc.queue = "@controller";
	return svc;
}

static int
on_start(struct mftd_ocf *ocf)
{
	struct mftd_service svc = place(ocf);
	struct mftd_service_answer answer;
	int code = mftd_agent_start(ocf, &svc, &answer), r;

	if (code != MFTD_OCF_SUCCESS || answer.state == MFTD_SERVICE_PROMOTED)
		return code;
	r = mftd_service_request(&svc, "promote", NULL,
	    mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE), &answer);
	if (r == 0)
		r = mftd_agent_settle(ocf, &svc, &answer);
	/* without the catalog it succeeds, as outbound's promote does */
	if (r == 0 && answer.ok && answer.state == MFTD_SERVICE_PROMOTED &&
	    answer.health != MFTD_SERVICE_REFUSED)
		return MFTD_OCF_SUCCESS;
	mftd_agent_failed(ocf, &svc, r, &answer);
	return MFTD_OCF_ERR_GENERIC;
}

/* Nobody delivers for the place any more, or it has failed and fences. */
static int
on_stop(struct mftd_ocf *ocf)
{
	struct mftd_service svc = place(ocf);

	return mftd_agent_stop(ocf, &svc, true);
}

/* To Pacemaker it has no roles. */
static int
on_monitor(struct mftd_ocf *ocf)
{
	struct mftd_service svc = place(ocf);
	struct mftd_service_answer answer;
	int code;

	/* the daemon began anew, and only Pacemaker gives roles */
	if (mftd_service_lock(&svc) == MFTD_SERVICE_STARTED) {
		mftd_agent_reason(ocf, 0, "nobody serves the place");
		return MFTD_OCF_ERR_GENERIC;
	}
	code = mftd_agent_monitor(ocf, &svc, &answer);
	switch (code) {
	case MFTD_OCF_RUNNING_PROMOTED:
		return MFTD_OCF_SUCCESS;
	case MFTD_OCF_DEGRADED_PROMOTED:
		return MFTD_OCF_DEGRADED;
	case MFTD_OCF_FAILED_PROMOTED:
	case MFTD_OCF_SUCCESS: /* it lost the role just now */
	case MFTD_OCF_DEGRADED:
		return MFTD_OCF_ERR_GENERIC;
	}
	return code;
}

static int
on_reload(struct mftd_ocf *ocf)
{
	struct mftd_service svc = place(ocf);

	return mftd_agent_reload(ocf, &svc);
}

static const struct mftd_ocf_param params[] = { MFTD_AGENT_PARAMS };

static const struct mftd_ocf_action actions[] = {
	{ "start", on_start, .timeout_s = 60 },
	{ "stop", on_stop, .timeout_s = 60 },
	{ "monitor", on_monitor, .timeout_s = 20, .interval_s = 10 },
	{ "reload-agent", on_reload, .timeout_s = 20 },
	{ "validate-all", mftd_agent_validate, .timeout_s = 20 },
	{ "meta-data", .timeout_s = 5 },
};

static const struct mftd_ocf_agent agent = {
	.name = "controller",
	.version = MFTD_AGENT_VERSION,
	.shortdesc = "Runs what has one place in the cluster (mftd)",
	.longdesc =
	    "The controller of mftd, managed file transfer: the one place in "
	    "the cluster where routes with runs_on: controller deliver. Run it "
	    "as a plain resource, not as a clone; there is one. It starts the "
	    "daemon itself. Fencing must work: stop succeeds only when every "
	    "delivery of the place has ended.",
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
