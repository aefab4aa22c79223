/* Part of mftd; see LICENSE. */
#include "reason.h"

#include <errno.h>
#include <string.h>

#include "ocf/log.h"

/* Pacemaker shows 128 bytes of it all. */
static const struct {
	const char *phrase;
	const char *advice;
} advices[] = {
	{ "the daemon does not run", "see the end of its logfile" },
	{ "the daemon did not answer in time",
	    "look for a stopped process of it, then for slow storage" },
	{ "the daemon hung up", "see the end of its logfile" },
	{ "the daemon's answer makes no sense",
	    "install mftd and the agents of one version" },
	{ "the daemon's socket is not ours", "run the agent as root" },
	{ "no quorum", "bring nodes back; corosync-quorumtool -s says which" },
	{ "stale epoch", "nothing: it is started anew here" },
	{ "the catalog is away", "see to the database; mftctl status" },
	{ "the epoch is not raised yet", "see to the database; mftctl status" },
	{ "the storage does not answer",
	    "see to the shared volume; mftctl status" },
	{ "workers are left", "see what they wait for: ps -eo pid,stat,args" },
	{ "not started within its deadline",
	    "see what it waits for: mftctl status" },
	{ "not promoted within its deadline",
	    "see what it waits for: mftctl status" },
	{ "workers of an earlier start",
	    "see what they wait for: ps -eo pid,stat,args" },
	{ "nobody serves the place", "nothing: it is started anew here" },
	{ "the service is not started", "nothing: it is started first" },
};

const char *
mftd_agent_error(int r)
{
	switch (r) {
	case -ENOENT:
		return "the daemon does not run";
	case -ETIMEDOUT:
		return "the daemon did not answer in time";
	case -ECONNRESET:
		return "the daemon hung up";
	case -EPROTO:
		return "the daemon's answer makes no sense";
	case -EACCES:
	case -EPERM:
		return "the daemon's socket is not ours";
	}
	return strerror(-r);
}

const char *
mftd_agent_advice(const char *what)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++)
		if (strncmp(what, advices[i].phrase,
			strlen(advices[i].phrase)) == 0)
			return advices[i].advice;
	return NULL;
}

void
mftd_agent_reason(const struct mftd_ocf *ocf, int r, const char *what)
{
	const char *advice;

	if (r < 0)
		what = mftd_agent_error(r);
	advice = mftd_agent_advice(what);
	mftd_ocf_reason(ocf, "%s: %s%s%s", ocf->action, what,
	    advice != NULL ? ": " : "", advice != NULL ? advice : "");
}
