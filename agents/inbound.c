/* Part of mftd; see LICENSE. */
/* ocf:mft:inbound, a clone: takes partners' connections on its node. */
#include "actions.h"

#include <string.h>

#include "check.h"
#include "ocf/log.h"

#define NAME_CHARACTERS              \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

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

/* What to do about what a check found. */
static const char *
check_advice(enum mftd_check check)
{
	switch (check) {
	case MFTD_CHECK_WELL:
		break;
	case MFTD_CHECK_UNSET:
		return "level 10 wants check_user and check_key: set them";
	case MFTD_CHECK_REFUSED:
		return "see to the account check_user and its key";
	case MFTD_CHECK_HANGS:
		return "a login or a file hangs: see mftctl status";
	case MFTD_CHECK_FAILED:
		return "no client gets in: see check_port and the logfile";
	}
	return "";
}

/* The daemon's word first: what it knows to be degraded is not tried, since
 * that would hang or fail on all nodes alike. */
static int
on_monitor(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "inbound");
	struct mftd_service_answer answer;
	char text[MFTD_CHECK_TEXT_MAX];
	enum mftd_check check;
	int code = mftd_agent_monitor(ocf, &svc, &answer);

	if (code != MFTD_OCF_SUCCESS || mftd_ocf_is_probe(ocf) ||
	    mftd_ocf_check_level(ocf) < MFTD_AGENT_LEVEL_HOST)
		return code;
	check = mftd_check_run(
	    ocf, mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE), text);
	if (check == MFTD_CHECK_WELL)
		return MFTD_OCF_SUCCESS;
	if (check == MFTD_CHECK_HANGS || check == MFTD_CHECK_FAILED) {
		/* it may know more by now, or have been stopped meanwhile */
		code = mftd_agent_ask_again(ocf, &svc, &answer);
		if (code != MFTD_OCF_SUCCESS && code != MFTD_OCF_DEGRADED)
			return code;
	}
	mftd_ocf_reason(ocf, "monitor: %s%s%s", check_advice(check),
	    *text != '\0' ? ": " : "", text);
	return mftd_check_code(check, code == MFTD_OCF_DEGRADED);
}

/* Two parameters that mean nothing one without the other. */
static int
on_validate(struct mftd_ocf *ocf)
{
	if ((mftd_ocf_param(ocf, "check_user") == NULL) !=
	    (mftd_ocf_param(ocf, "check_key") == NULL)) {
		mftd_ocf_reason(
		    ocf, "check_user and check_key: set both, or none");
		return MFTD_OCF_ERR_CONFIGURED;
	}
	return mftd_agent_validate(ocf);
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

static int
on_reload(struct mftd_ocf *ocf)
{
	struct mftd_service svc = mftd_agent_service(ocf, "inbound");

	return mftd_agent_reload(ocf, &svc);
}

static const struct mftd_ocf_param params[] = {
	MFTD_AGENT_PARAMS,
	{ .name = "check_user",
	    .type = MFTD_OCF_STRING,
	    .min = 1,
	    .max = 64,
	    .allowed = NAME_CHARACTERS,
	    .reloadable = true,
	    .shortdesc = "account of the thorough monitor",
	    .longdesc =
		"The account as which a monitor with OCF_CHECK_LEVEL=10 "
		"logs in. Make one for that, with check_key as its key and "
		"without routes." },
	{ .name = "check_key",
	    .type = MFTD_OCF_PATH,
	    .min = 2,
	    .max = 1024,
	    .reloadable = true,
	    .shortdesc = "private key of the thorough monitor",
	    .longdesc =
		"Absolute path of the private key file that check_user logs "
		"in with, on each node. It has no passphrase; root alone may "
		"read it." },
	{ .name = "check_address",
	    .type = MFTD_OCF_STRING,
	    .min = 1,
	    .max = 64,
	    .value = "127.0.0.1",
	    .allowed = NAME_CHARACTERS ":",
	    .reloadable = true,
	    .shortdesc = "address of the thorough monitor",
	    .longdesc =
		"The address of this host to which check_user connects: "
		"loopback, or one that listen of the configuration has." },
	{ .name = "check_port",
	    .type = MFTD_OCF_INTEGER,
	    .min = 1,
	    .max = 65535,
	    .value = "22",
	    .reloadable = true,
	    .shortdesc = "port of the thorough monitor",
	    .longdesc = "The port to which check_user connects." },
};

static const struct mftd_ocf_action actions[] = {
	{ "start", on_start, .timeout_s = 60 },
	{ "stop", on_stop, .timeout_s = 60 },
	{ "monitor", on_monitor, .timeout_s = 20, .interval_s = 10 },
	{ "notify", on_notify, .timeout_s = 20 },
	{ "reload-agent", on_reload, .timeout_s = 20 },
	{ "validate-all", on_validate, .timeout_s = 20 },
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
