/* Part of mftd; see LICENSE. */
/* ocf:mft:storage, a clone: says of its node whether the shared volume is well
 * there, by a node attribute. It mounts nothing and needs no daemon. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ocf/attribute.h"
#include "ocf/log.h"
#include "ocf/memory.h"
#include "probe.h"
#include "verdict.h"

#define RUN "run" /* the memory of a started instance: its verdict */
#define LOCK "probe"
#define DEADLINE 60 /* percent of the action's timeout for a probe */
#define END_MS 2000 /* for a killed probe to be gone */
#define LEVEL_HOST 10

/* CLOCK_BOOTTIME: what is remembered does not outlive the boot. */
static int64_t
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec + 1;
}

/* No two nodes, and no two resources, use the same file. */
static void
file_name(const struct mftd_ocf *ocf, char *name, size_t size)
{
	char host[256] = "";
	const char *node = mftd_ocf_meta("on_node");

	if (*node == '\0' && gethostname(host, sizeof(host) - 1) == 0)
		node = host;
	snprintf(name, size, "%.100s-%.100s", node, ocf->instance);
	for (char *p = name; *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
}

static void
probe_volume(const struct mftd_ocf *ocf, struct mftd_probe *probe)
{
	char name[256], lock[MFTD_OCF_MEMORY_PATH_MAX];
	const struct mftd_probe_plan plan = {
		.directory = mftd_ocf_param(ocf, "directory"),
		.name = name,
		.lock = mftd_ocf_memory_path(ocf, LOCK, lock),
		.mounted = mftd_ocf_param_int(ocf, "mounted") != 0,
		.timeout_ms = mftd_ocf_left_ms(ocf, DEADLINE),
	};

	file_name(ocf, name, sizeof(name));
	mftd_probe_run(&plan, probe);
}

/* What is wrong and what a person does next. */
static void
give_reason(const struct mftd_ocf *ocf, const struct mftd_probe *probe,
    const char *then)
{
	const char *dir = mftd_ocf_param(ocf, "directory");
	const char *step = mftd_probe_step_word(probe->step);

	if (probe->err == ENODEV && probe->step == MFTD_PROBE_MOUNT)
		mftd_ocf_reason(
		    ocf, "%s: nothing is mounted there: mount it%s", dir, then);
	else if (probe->err == ETIMEDOUT && probe->pid > 0)
		mftd_ocf_reason(ocf,
		    "%s: %s hangs, pid %d: see to the volume%s", dir, step,
		    (int)probe->pid, then);
	else
		mftd_ocf_reason(ocf, "%s: %s: %s: see to the volume%s", dir,
		    step, strerror(probe->err), then);
}

static bool
is_well(const struct mftd_probe *probe)
{
	return probe->step == MFTD_PROBE_DONE && probe->err == 0;
}

/* Nothing there to be looked at: this host is not made for it, or not yet. */
static bool
is_absent(const struct mftd_probe *probe)
{
	return probe->err == ENOENT || probe->err == ENOTDIR ||
	    (probe->err == ENODEV && probe->step == MFTD_PROBE_MOUNT);
}

/* Tells the cluster, and remembers, if old is not what is remembered already.
 * The wait for confirmation counts from when the others could know. Returns 0
 * or -errno of the memory. */
static int
publish(const struct mftd_ocf *ocf, struct mftd_verdict *v, const char *old)
{
	char text[MFTD_VERDICT_TEXT_MAX];

	if (mftd_ocf_attribute_set(ocf, mftd_ocf_param(ocf, "attribute"),
		mftd_color_word(v->color)) < 0 &&
	    v->color != MFTD_COLOR_GREEN)
		v->since_s = now_s();
	mftd_verdict_text(v, text);
	if (strcmp(old, text) == 0)
		return 0;
	return mftd_ocf_memory_write(ocf, RUN, text);
}

/* The next verdict after old, what is remembered of the last one, or "". */
static int
judge(struct mftd_ocf *ocf, const char *old, const struct mftd_probe *probe)
{
	struct mftd_verdict verdict, *v = &verdict;
	int r;

	mftd_verdict_parse(v, old);
	mftd_verdict_probe(v, is_well(probe), now_s());
	if (mftd_verdict_asks(v, now_s(), mftd_ocf_param_int(ocf, "confirm")))
		mftd_verdict_others(v,
		    mftd_ocf_attribute_elsewhere(ocf,
			mftd_ocf_param(ocf, "attribute"),
			mftd_color_word(MFTD_COLOR_GREEN)));
	if ((r = publish(ocf, v, old)) < 0) {
		mftd_ocf_reason(ocf,
		    "cannot remember: %s: make room in /run/resource-agents",
		    strerror(-r));
		return MFTD_OCF_ERR_GENERIC;
	}
	if (v->color == MFTD_COLOR_GREEN)
		return MFTD_OCF_SUCCESS;
	give_reason(ocf, probe,
	    v->color == MFTD_COLOR_RED ? "; another node is well" : "");
	return MFTD_OCF_DEGRADED;
}

/* Success is that the volume is watched, not that it is well: a start that
 * fails everywhere would help nobody. */
static int
on_start(struct mftd_ocf *ocf)
{
	char text[MFTD_OCF_MEMORY_MAX];
	struct mftd_probe probe;
	int code;

	mftd_ocf_memory_read(ocf, RUN, text);
	probe_volume(ocf, &probe);
	if (is_absent(&probe)) {
		give_reason(ocf, &probe, " first");
		return MFTD_OCF_ERR_INSTALLED;
	}
	code = judge(ocf, text, &probe);
	return code == MFTD_OCF_DEGRADED ? MFTD_OCF_SUCCESS : code;
}

/* A probe that hangs for good holds nothing but its lock, and writes nothing
 * once it is killed: to fence all nodes for it would be worse than the
 * volume's illness. */
static int
on_stop(struct mftd_ocf *ocf)
{
	char text[MFTD_OCF_MEMORY_MAX], lock[MFTD_OCF_MEMORY_PATH_MAX];
	int r;

	if (mftd_probe_end(mftd_ocf_memory_path(ocf, LOCK, lock), END_MS))
		mftd_ocf_memory_forget(ocf, LOCK);
	else
		mftd_ocf_log(ocf, MFTD_OCF_LOG_WARN,
		    "stop: a killed probe hangs in the kernel still");
	if (mftd_ocf_memory_read(ocf, RUN, text) != -ENOENT)
		mftd_ocf_attribute_delete(
		    ocf, mftd_ocf_param(ocf, "attribute"));
	if ((r = mftd_ocf_memory_forget(ocf, RUN)) == 0)
		return MFTD_OCF_SUCCESS;
	mftd_ocf_reason(
	    ocf, "stop: cannot forget: %s: look into %s", strerror(-r), lock);
	return MFTD_OCF_ERR_GENERIC;
}

/* Success if it was started; else the code, with its reason. */
static int
recall(struct mftd_ocf *ocf, char text[static MFTD_OCF_MEMORY_MAX])
{
	char path[MFTD_OCF_MEMORY_PATH_MAX];
	int r = mftd_ocf_memory_read(ocf, RUN, text);

	if (r == 0)
		return MFTD_OCF_SUCCESS;
	if (r == -ENOENT)
		return MFTD_OCF_NOT_RUNNING;
	mftd_ocf_reason(ocf, "%s: %s: only root's own file counts: remove it",
	    mftd_ocf_memory_path(ocf, RUN, path), strerror(-r));
	return MFTD_OCF_ERR_GENERIC;
}

static int
on_monitor(struct mftd_ocf *ocf)
{
	char text[MFTD_OCF_MEMORY_MAX];
	struct mftd_probe probe;
	int code = recall(ocf, text);

	if (code != MFTD_OCF_SUCCESS)
		return code;
	probe_volume(ocf, &probe);
	return judge(ocf, text, &probe);
}

/* What can be reloaded is read at each monitor. */
static int
on_reload(struct mftd_ocf *ocf)
{
	char text[MFTD_OCF_MEMORY_MAX];

	return recall(ocf, text);
}

static int
on_validate(struct mftd_ocf *ocf)
{
	struct mftd_probe probe;

	if (mftd_ocf_check_level(ocf) < LEVEL_HOST)
		return MFTD_OCF_SUCCESS;
	probe_volume(ocf, &probe);
	if (is_well(&probe))
		return MFTD_OCF_SUCCESS;
	give_reason(ocf, &probe, "");
	return is_absent(&probe) ? MFTD_OCF_ERR_INSTALLED
				 : MFTD_OCF_ERR_GENERIC;
}

static const struct mftd_ocf_param params[] = {
	{ .name = "directory",
	    .type = MFTD_OCF_PATH,
	    .min = 2,
	    .max = 1024,
	    .required = true,
	    .unique_group = "directory",
	    .shortdesc = "directory on the shared volume",
	    .longdesc =
		"Absolute path of the volume, as volumes of the configuration "
		"has it. A small file is made, synced, renamed and removed in "
		"it at each monitor, in its .mft if there is one, by the "
		"directory's owner." },
	{ .name = "attribute",
	    .type = MFTD_OCF_STRING,
	    .min = 1,
	    .max = MFTD_OCF_ATTRIBUTE_MAX,
	    .value = "mft-storage",
	    .allowed = "abcdefghijklmnopqrstuvwxyz"
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.#-",
	    .unique_group = "attribute",
	    .shortdesc = "node attribute",
	    .longdesc =
		"The node attribute that is set: green, the volume is well; "
		"yellow, it is not, or hangs for all nodes; red, it is not, "
		"while another node is green. A rule keeps other resources "
		"from nodes where it is red. With a name that begins with "
		"#health- Pacemaker's node health heeds it." },
	{ .name = "confirm",
	    .type = MFTD_OCF_INTEGER,
	    .min = 1,
	    .max = 3600,
	    .value = "40",
	    .reloadable = true,
	    .shortdesc = "seconds from yellow to red",
	    .longdesc =
		"How long it must have been yellow here before another node "
		"that is green makes it red: so long that each of them has "
		"probed since, its monitor's interval and timeout and a bit." },
	{ .name = "mounted",
	    .type = MFTD_OCF_BOOLEAN,
	    .value = "true",
	    .reloadable = true,
	    .shortdesc = "the directory must be on a mount",
	    .longdesc =
		"Whether a directory on the root file system counts as a "
		"volume that is not there: what is probed without the mount "
		"would be the node's own disk." },
};

static const struct mftd_ocf_action actions[] = {
	{ "start", on_start, .timeout_s = 20 },
	{ "stop", on_stop, .timeout_s = 20 },
	{ "monitor", on_monitor, .timeout_s = 20, .interval_s = 10 },
	{ "reload-agent", on_reload, .timeout_s = 20 },
	{ "validate-all", on_validate, .timeout_s = 20 },
	{ "meta-data", .timeout_s = 5 },
};

static const struct mftd_ocf_agent agent = {
	.name = "storage",
	.version = "1.0",
	.shortdesc = "Watches the shared volume (mftd)",
	.longdesc =
	    "Proves at each monitor that the shared volume of mftd takes files "
	    "on this node, from a process that may hang without the monitor "
	    "hanging, and tells it by a node attribute that other resources "
	    "can be placed by. Run it as a clone, behind what mounts the "
	    "volume, which it does not do. An ill volume never fails the "
	    "resource, and never moves anything unless another node is well.",
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
