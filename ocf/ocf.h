/* Part of mftd; see LICENSE. */
/*
 * The OCF resource agent API 1.1 for agents written in C: an agent is a table
 * of parameters and a table of actions, and mftd_ocf_main() does the rest.
 * Source: https://github.com/ClusterLabs/OCF-spec, ra/1.1, and Pacemaker
 * Explained, "Agents" (exit codes 8, 9, 190, 191, notify variables).
 */
#ifndef MFTD_OCF_OCF_H
#define MFTD_OCF_OCF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes. They describe the service; mftd_ocf_main() returns no others. */
enum mftd_ocf_code {
	MFTD_OCF_SUCCESS = 0,
	MFTD_OCF_ERR_GENERIC = 1,
	MFTD_OCF_ERR_ARGS = 2, /* parameters do not fit this host */
	MFTD_OCF_ERR_UNIMPLEMENTED = 3,
	MFTD_OCF_ERR_PERM = 4,
	MFTD_OCF_ERR_INSTALLED = 5, /* something is missing on this host */
	MFTD_OCF_ERR_CONFIGURED = 6, /* wrong on every host; stops everywhere */
	MFTD_OCF_NOT_RUNNING = 7,
	MFTD_OCF_RUNNING_PROMOTED = 8,
	MFTD_OCF_FAILED_PROMOTED = 9,
	MFTD_OCF_DEGRADED = 190,
	MFTD_OCF_DEGRADED_PROMOTED = 191,
};

enum {
	MFTD_OCF_PARAMS_MAX = 16, /* parameters of one agent */
	MFTD_OCF_NAME_MAX = 64, /* bytes of a parameter's name */
	MFTD_OCF_TEXT_MAX = 512, /* bytes of one log line or exit reason */
	MFTD_OCF_NODE_MAX = 255, /* bytes of a node name */
	MFTD_OCF_TIMEOUT_MS = 20000, /* when CRM_meta_timeout is not given */
};

enum mftd_ocf_type {
	MFTD_OCF_STRING, /* min, max: length in bytes */
	MFTD_OCF_PATH, /* absolute path; min, max: length in bytes */
	MFTD_OCF_INTEGER, /* min, max: the value, decimal */
	MFTD_OCF_BOOLEAN, /* as ocf_is_true reads it */
};

/* One parameter, OCF_RESKEY_<name>. An empty value counts as not given. */
struct mftd_ocf_param {
	const char *name;
	enum mftd_ocf_type type;
	const char *value; /* default, or NULL: none */
	long min;
	long max;
	const char *allowed; /* characters allowed, or NULL: printable */
	const char *unique_group; /* or NULL */
	bool required;
	bool reloadable; /* a change needs reload-agent, not a restart */
	const char *shortdesc;
	const char *longdesc;
};

struct mftd_ocf;

/*
 * One row of the actions. Several rows may share a name (monitors of the two
 * roles); the first one's handler runs. Without a handler it is meta-data.
 */
struct mftd_ocf_action {
	const char *name;
	int (*run)(struct mftd_ocf *ocf); /* returns an enum mftd_ocf_code */
	int timeout_s;
	int interval_s; /* 0: none */
	const char *role; /* "Promoted", "Unpromoted" or NULL */
};

/* Everything here is borrowed for the life of the process. */
struct mftd_ocf_agent {
	const char *name;
	const char *version;
	const char *shortdesc;
	const char *longdesc;
	const struct mftd_ocf_param *params;
	size_t nparams; /* <= MFTD_OCF_PARAMS_MAX */
	const struct mftd_ocf_action *actions;
	size_t nactions;
};

/* One call of an agent. */
struct mftd_ocf {
	const struct mftd_ocf_agent *agent;
	const char *action;
	const char *instance; /* OCF_RESOURCE_INSTANCE or "" */
	const char *values[MFTD_OCF_PARAMS_MAX];
	int64_t started_ms; /* CLOCK_MONOTONIC */
	int64_t timeout_ms; /* CRM_meta_timeout, what the executor waits */
};

/*
 * Runs the action named by argv[1] and returns the exit code of the process.
 * An unknown action is 3, a parameter out of its bounds 6.
 */
int mftd_ocf_main(
    const struct mftd_ocf_agent *agent, int argc, char *const *argv);

/*
 * Fills *ocf from the environment. Returns MFTD_OCF_SUCCESS, or
 * MFTD_OCF_ERR_CONFIGURED when a parameter is missing or out of bounds (the
 * reason has been given).
 */
int mftd_ocf_init(struct mftd_ocf *ocf, const struct mftd_ocf_agent *agent,
    const char *action);

/* The meta-data document, made from the two tables. */
void mftd_ocf_metadata(const struct mftd_ocf_agent *agent, FILE *out);

/* A parameter's value or default; NULL if it has neither. Borrowed. */
const char *mftd_ocf_param(const struct mftd_ocf *ocf, const char *name);
/* The same of an integer or boolean one; 0 if it has no value. */
long mftd_ocf_param_int(const struct mftd_ocf *ocf, const char *name);

/* Meta attribute OCF_RESKEY_CRM_meta_<name>, "" if not given. Borrowed. */
const char *mftd_ocf_meta(const char *name);

/* A monitor with interval 0: asks what is, expects nothing. */
bool mftd_ocf_is_probe(const struct mftd_ocf *ocf);

/* How thorough the action is to be: OCF_CHECK_LEVEL, or 0. */
long mftd_ocf_check_level(const struct mftd_ocf *ocf);

/* Whether the file can be executed; never in ocf-tester's without-binary
 * run (OCF_TESTER_FAIL_HAVE_BINARY). */
bool mftd_ocf_have_binary(const char *path);

/* Milliseconds until `percent` of the action's timeout are over, >= 0. */
int64_t mftd_ocf_left_ms(const struct mftd_ocf *ocf, int percent);
/* CLOCK_MONOTONIC in milliseconds. */
int64_t mftd_ocf_now_ms(void);

#endif
