/* Part of mftd; see LICENSE. */
#include "ocf.h"

#include <string.h>

#include "log.h"

/*
 * The codes an action may end with. 189 and 192 to 199 are Pacemaker's own
 * or reserved, so an unknown code becomes a plain failure.
 */
static bool
is_code(int code)
{
	return (code >= MFTD_OCF_SUCCESS && code <= MFTD_OCF_FAILED_PROMOTED) ||
	    code == MFTD_OCF_DEGRADED || code == MFTD_OCF_DEGRADED_PROMOTED;
}

static const struct mftd_ocf_action *
find_action(const struct mftd_ocf_agent *agent, const char *name)
{
	for (size_t i = 0; i < agent->nactions; i++)
		if (strcmp(agent->actions[i].name, name) == 0)
			return &agent->actions[i];
	return NULL;
}

static void
usage(const struct mftd_ocf_agent *agent, FILE *out)
{
	fprintf(out, "usage: %s ", agent->name);
	for (size_t i = 0; i < agent->nactions; i++) {
		const char *name = agent->actions[i].name;

		if (find_action(agent, name) != &agent->actions[i])
			continue;
		fprintf(out, "%s%s", i == 0 ? "" : "|", name);
	}
	fprintf(out, "\n%s\nParameters are passed as OCF_RESKEY_<name>.\n",
	    agent->shortdesc);
}

/* Begin and end of these are the service's timeline, in everybody's log; a
 * monitor every few seconds is not. */
static bool
changes_state(const struct mftd_ocf_action *action)
{
	return strcmp(action->name, "monitor") != 0 &&
	    strcmp(action->name, "validate-all") != 0;
}

int
mftd_ocf_main(const struct mftd_ocf_agent *agent, int argc, char *const *argv)
{
	const struct mftd_ocf_action *action;
	enum mftd_ocf_level level;
	struct mftd_ocf ocf;
	int code;

	if (argc < 2) { /* further arguments are to be ignored (OCF 1.1) */
		usage(agent, stderr);
		return MFTD_OCF_ERR_ARGS;
	}
	if (strcmp(argv[1], "usage") == 0 || strcmp(argv[1], "help") == 0) {
		usage(agent, stdout);
		return MFTD_OCF_SUCCESS;
	}
	if ((action = find_action(agent, argv[1])) == NULL) {
		usage(agent, stderr);
		return MFTD_OCF_ERR_UNIMPLEMENTED;
	}
	if (action->run == NULL) {
		mftd_ocf_metadata(agent, stdout);
		return fflush(stdout) == 0 ? MFTD_OCF_SUCCESS
					   : MFTD_OCF_ERR_GENERIC;
	}
	code = mftd_ocf_init(&ocf, agent, action->name);
	if (code != MFTD_OCF_SUCCESS)
		return code;
	level = changes_state(action) ? MFTD_OCF_LOG_INFO : MFTD_OCF_LOG_DEBUG;
	mftd_ocf_log(&ocf, level, "%s: begin", action->name);
	code = action->run(&ocf);
	if (!is_code(code)) {
		mftd_ocf_reason(&ocf, "%s ended with code %d, which is none",
		    action->name, code);
		code = MFTD_OCF_ERR_GENERIC;
	}
	mftd_ocf_log(&ocf, level, "%s: %d after %lld ms", action->name, code,
	    (long long)(mftd_ocf_now_ms() - ocf.started_ms));
	return code;
}
