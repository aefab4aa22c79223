/* Part of mftd; see LICENSE. */
#include "attribute.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "listener.h"
#include "log.h"
#include "memory.h"

#define TOLD "told" /* the memory of what was said */
#define ATTRD "attrd" /* what the attribute daemon listens on */
#define NOT_FOUND 105 /* CRM_EX_NOSUCH */

static long long
boottime_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec;
}

/* Only a monitor that comes again soon may rely on what was said before. */
static bool
may_rely(const struct mftd_ocf *ocf)
{
	return strcmp(ocf->action, "monitor") == 0 && !mftd_ocf_is_probe(ocf);
}

/* What was said, in the one form in which it is compared. */
static void
told_text(char *out, size_t size, const char *name, const char *value,
    const char *life)
{
	snprintf(out, size, "%.64s %.32s %.64s %lu", name, value,
	    *life != '\0' ? life : "-",
	    (unsigned long)mftd_ocf_listener(ATTRD));
}

static bool
was_told(const struct mftd_ocf *ocf, const char *what)
{
	char text[MFTD_OCF_MEMORY_MAX], *last;
	long long age;

	if (!may_rely(ocf) || mftd_ocf_memory_read(ocf, TOLD, text) < 0 ||
	    (last = strrchr(text, ' ')) == NULL)
		return false;
	*last++ = '\0';
	age = boottime_s() - atoll(last);
	return strcmp(text, what) == 0 && age >= 0 && age < MFTD_OCF_TOLD_S;
}

static void
remember(const struct mftd_ocf *ocf, const char *what)
{
	char text[MFTD_OCF_MEMORY_MAX];

	snprintf(text, sizeof(text), "%s %lld", what, boottime_s());
	/* if it cannot, it is said each time: dearer, and as true */
	mftd_ocf_memory_write(ocf, TOLD, text);
}

static int
run(const struct mftd_ocf *ocf, char *const *argv)
{
	char out[256];
	int r =
	    mftd_ocf_command(argv, mftd_ocf_left_ms(ocf, 80), out, sizeof(out));

	if (r != 0)
		mftd_ocf_log(ocf, MFTD_OCF_LOG_INFO, "%s %s not set (%d): %s",
		    argv[1][1] == '-' ? "promotion" : "attribute",
		    argv[1][1] == '-' ? "score" : argv[2], r, out);
	return r > 0 ? -EIO : r;
}

static int
tell(const struct mftd_ocf *ocf, char *const *argv, const char *name,
    const char *value, const char *life)
{
	char what[MFTD_OCF_MEMORY_MAX];
	int r;

	told_text(what, sizeof(what), name, value, life);
	if (was_told(ocf, what))
		return 0;
	/* whoever dies in between has said nothing */
	mftd_ocf_memory_forget(ocf, TOLD);
	if ((r = run(ocf, argv)) == 0)
		remember(ocf, what);
	return r;
}

void
mftd_ocf_promotion_set(const struct mftd_ocf *ocf, int score, const char *life)
{
	char value[16];
	char *argv[] = { "crm_attribute", "--promotion", "-l", "reboot", "-v",
		value, NULL };

	/* crm_attribute derives the attribute's name from the instance */
	if (*ocf->instance == '\0')
		return;
	snprintf(value, sizeof(value), "%d", score);
	tell(ocf, argv, "promotion", value, life);
}

void
mftd_ocf_promotion_delete(const struct mftd_ocf *ocf)
{
	char *argv[] = { "crm_attribute", "--promotion", "-l", "reboot", "-D",
		NULL };

	if (*ocf->instance == '\0')
		return;
	mftd_ocf_memory_forget(ocf, TOLD);
	run(ocf, argv);
}

int
mftd_ocf_attribute_set(
    const struct mftd_ocf *ocf, const char *name, const char *value)
{
	char *argv[] = { "crm_attribute", "-n", (char *)name, "-l", "reboot",
		"-v", (char *)value, NULL };

	return tell(ocf, argv, name, value, "");
}

void
mftd_ocf_attribute_delete(const struct mftd_ocf *ocf, const char *name)
{
	char *argv[] = { "crm_attribute", "-n", (char *)name, "-l", "reboot",
		"-D", NULL };

	mftd_ocf_memory_forget(ocf, TOLD);
	run(ocf, argv);
}

int
mftd_ocf_attribute_elsewhere(
    const struct mftd_ocf *ocf, const char *name, const char *value)
{
	const char *node = mftd_ocf_meta("on_node");
	char path[1024], host[256] = "", out[4096];
	char *argv[] = { "cibadmin", "--query", "--xpath", path, NULL };
	int r;

	if (*node == '\0' && gethostname(host, sizeof(host) - 1) == 0)
		node = host;
	if (*node == '\0' || strlen(node) > MFTD_OCF_NODE_MAX ||
	    strpbrk(node, "'\"") != NULL)
		return -EINVAL;
	/* a node that left has none of these any more */
	snprintf(path, sizeof(path),
	    "//node_state[@uname!='%s'][@in_ccm!='false']"
	    "/transient_attributes//nvpair[@name='%s'][@value='%s']",
	    node, name, value);
	r = mftd_ocf_command(argv, mftd_ocf_left_ms(ocf, 80), out, sizeof(out));
	if (r == 0 || r == NOT_FOUND)
		return r == 0;
	mftd_ocf_log(ocf, MFTD_OCF_LOG_INFO,
	    "%s of other nodes not known (%d): %s", name, r, out);
	return r > 0 ? -EIO : r;
}
