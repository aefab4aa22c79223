/* Part of mftd; see LICENSE. */
/* ocf:mft:inbound, a clone: takes partners' connections on its node. */
#include "actions.h"

#include <string.h>

#include "ocf/log.h"

static int
on_start(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "inbound");
	struct mftd_service_answer answer;

	return mftd_agent_start(ocf, &svc, &answer);
}

static int
on_stop(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "inbound");

	/* A killed worker that hangs on its storage answers nobody any more,
	 * and its parts stay owned until it is gone. */
	return mftd_agent_stop(ocf, &svc, false);
}

static int
on_monitor(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "inbound");
	struct mftd_service_answer answer;

	return mftd_agent_monitor(ocf, &svc, &answer);
}

/*
 * After a stop the daemon learns whose instances are gone. Pacemaker sends it
 * after fencing, and that is what lets this node take over their uploads
 * (which of them was fenced, the daemon knows from the group). Errors cost
 * time, not safety: they never fail the cluster.
 */
static int
on_notify(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "inbound");
	struct mftd_service_answer answer;
	struct mftd_ocf_notify notify;
	int r;

	mftd_ocf_notify_read(&notify);
	if (strcmp(notify.type, "post") != 0 ||
	    strcmp(notify.operation, "stop") != 0)
		return MFTD_OCF_SUCCESS;
	r = mftd_service_request(&svc, "notify", &notify,
	    mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE), &answer);
	if (r < 0 || !answer.ok)
		mftd_ocf_log(ocf, MFTD_OCF_LOG_WARN,
		    "post-stop of \"%s\" not delivered: %s", notify.stop,
		    r < 0 ? strerror(-r) : answer.reason);
	return MFTD_OCF_SUCCESS;
}

static const struct mftd_ocf_param params[] = { MFTD_AGENT_PARAMS };

static const struct mftd_ocf_action actions[] = {
	{ "start", on_start, .timeout_s = 60 },
	{ "stop", on_stop, .timeout_s = 60 },
	{ "monitor", on_monitor, .timeout_s = 20, .interval_s = 10 },
	{ "notify", on_notify, .timeout_s = 20 },
	{ "validate-all", mftd_agent_validate, .timeout_s = 20 },
	{ "meta-data", .timeout_s = 5 },
};

static const struct mftd_ocf_agent agent = {
	.name = "inbound",
	.version = MFTD_AGENT_VERSION,
	.shortdesc = "Takes file transfers from partners (mftd)",
	.longdesc =
	    "The inbound service of mftd, managed file transfer: partners send "
	    "and fetch files over SFTP. Run it as a clone with notify=true, "
	    "one "
	    "instance on each node. It starts the daemon itself. A degraded "
	    "service (its storage is slow, its catalog away) goes on and is "
	    "shown as degraded.",
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
