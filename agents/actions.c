/* Part of mftd; see LICENSE. */
#include "actions.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "daemon.h"
#include "ocf/log.h"
#include "reason.h"

#define GONE_PERCENT 80 /* for workers that are still dying */
#define KILLED_MS 2000
#define START_TRIES 3
#define SETTLE_POLL_MS 100

struct mftd_service
mftd_agent_service(const struct mftd_ocf *ocf, const char *name)
{
	return (struct mftd_service) { .rundir = mftd_ocf_param(ocf, "rundir"),
		.name = name,
		.queue = mftd_ocf_param(ocf, "queue") };
}

int
mftd_agent_failed(struct mftd_ocf *ocf, const struct mftd_service *svc, int r,
    const struct mftd_service_answer *answer)
{
	enum mftd_service_state state = mftd_service_lock(svc);

	mftd_agent_reason(ocf, r, answer->reason);
	return mftd_service_code(state, MFTD_SERVICE_REFUSED);
}

int
mftd_agent_settle(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer)
{
	int64_t left;
	int r = 0;

	while (r == 0 && answer->ok && answer->health == MFTD_SERVICE_REFUSED) {
		left = mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE);
		if (left <= SETTLE_POLL_MS)
			break;
		poll(NULL, 0, SETTLE_POLL_MS);
		r = mftd_service_request(
		    svc, "monitor", NULL, left - SETTLE_POLL_MS, answer);
	}
	return r;
}

int
mftd_agent_ask(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer)
{
	const struct mftd_service daemon = { .rundir = svc->rundir,
		.name = "mftd" };
	int r;

	for (;;) {
		r = mftd_service_request(svc, ocf->action, NULL,
		    mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE), answer);
		if ((r != -ENOENT && r != -ECONNRESET) ||
		    mftd_service_lock(&daemon) == MFTD_SERVICE_STOPPED ||
		    mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE) <=
			SETTLE_POLL_MS)
			return r;
		poll(NULL, 0, SETTLE_POLL_MS);
	}
}

int
mftd_agent_start(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer)
{
	int code = mftd_daemon_validate(ocf, false), r = -ENOENT;

	if (code == MFTD_OCF_SUCCESS && mftd_ocf_param(ocf, "queue") != NULL)
		code = mftd_daemon_queue(ocf);
	if (code != MFTD_OCF_SUCCESS)
		return code;
	for (int i = 0; i < START_TRIES; i++) {
		r = mftd_service_request(svc, "start", NULL,
		    mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE), answer);
		/* -ECONNRESET: it ended with its last service just now */
		if (r != -ENOENT && r != -ECONNRESET)
			break;
		code = r == -ENOENT ? mftd_daemon_start(ocf, svc) : code;
		if (code != MFTD_OCF_SUCCESS)
			return code;
	}
	if (r == 0)
		r = mftd_agent_settle(ocf, svc, answer);
	if (r == 0 && answer->ok && answer->state != MFTD_SERVICE_STOPPED &&
	    answer->health != MFTD_SERVICE_REFUSED)
		return MFTD_OCF_SUCCESS;
	mftd_agent_reason(ocf, r, answer->reason);
	return MFTD_OCF_ERR_GENERIC;
}

int
mftd_agent_stop(
    struct mftd_ocf *ocf, const struct mftd_service *svc, bool insist)
{
	struct mftd_service_answer answer;
	int64_t left;
	bool stopped;
	int r;

	r = mftd_agent_ask(ocf, svc, &answer);
	stopped = r == 0 &&
	    ((answer.ok && answer.state == MFTD_SERVICE_STOPPED) ||
		(answer.killed && !insist));
	left = mftd_ocf_left_ms(ocf, GONE_PERCENT);
	/* workers being killed are gone in a moment, unless they hang */
	if (stopped && !insist && left > KILLED_MS)
		left = KILLED_MS;
	if (mftd_service_wait_gone(svc, left)) {
		if (!stopped && r != -ENOENT)
			mftd_ocf_log(ocf, MFTD_OCF_LOG_WARN,
			    "stop: %s, but all workers are gone",
			    r < 0 ? mftd_agent_error(r) : answer.reason);
		return MFTD_OCF_SUCCESS;
	}
	if (stopped && !insist)
		return MFTD_OCF_SUCCESS;
	mftd_agent_reason(
	    ocf, stopped ? 0 : r, stopped ? "workers are left" : answer.reason);
	return MFTD_OCF_ERR_GENERIC;
}

int
mftd_agent_monitor(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer)
{
	int r;

	memset(answer, 0, sizeof(*answer));
	if (mftd_service_lock(svc) == MFTD_SERVICE_STOPPED) {
		/* a probe's 5 keeps the resource off a host without mftd */
		if (mftd_ocf_is_probe(ocf) &&
		    !mftd_ocf_have_binary(mftd_ocf_param(ocf, "binfile")))
			return MFTD_OCF_ERR_INSTALLED;
		return MFTD_OCF_NOT_RUNNING;
	}
	r = mftd_service_request(svc, "monitor", NULL,
	    mftd_ocf_left_ms(ocf, MFTD_AGENT_DEADLINE), answer);
	/* "stopped" against the lock: workers are left that must not be */
	if (r < 0 || !answer->ok || answer->state == MFTD_SERVICE_STOPPED)
		return mftd_agent_failed(ocf, svc, r, answer);
	if (answer->health != MFTD_SERVICE_OK)
		mftd_agent_reason(ocf, 0, answer->reason);
	return mftd_service_code(answer->state, answer->health);
}

int
mftd_agent_ask_again(struct mftd_ocf *ocf, const struct mftd_service *svc,
    struct mftd_service_answer *answer)
{
	int r = mftd_service_request(
	    svc, "monitor", NULL, mftd_ocf_left_ms(ocf, GONE_PERCENT), answer);

	if (r < 0 || !answer->ok || answer->state == MFTD_SERVICE_STOPPED)
		return mftd_agent_failed(ocf, svc, r, answer);
	return mftd_service_code(answer->state, answer->health);
}

/* The parameters themselves have been looked at before any action. */
int
mftd_agent_validate(struct mftd_ocf *ocf)
{
	if (mftd_ocf_check_level(ocf) < MFTD_AGENT_LEVEL_HOST)
		return MFTD_OCF_SUCCESS;
	return mftd_daemon_validate(ocf, true);
}

int
mftd_agent_reload(struct mftd_ocf *ocf, const struct mftd_service *svc)
{
	if (mftd_service_lock(svc) == MFTD_SERVICE_STOPPED)
		return MFTD_OCF_NOT_RUNNING;
	return mftd_daemon_validate(ocf, false);
}
