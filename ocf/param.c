/* Part of mftd; see LICENSE. */
#include "ocf.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

int64_t
mftd_ocf_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
mftd_ocf_left_ms(const struct mftd_ocf *ocf, int percent)
{
	int64_t end = ocf->started_ms + ocf->timeout_ms * percent / 100;
	int64_t left = end - mftd_ocf_now_ms();

	return left > 0 ? left : 0;
}

static bool
is_true(const char *value)
{
	static const char *const words[] = { "1", "yes", "true", "on", "ja",
		"y" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

static bool
is_false(const char *value)
{
	static const char *const words[] = { "0", "no", "false", "off", "nein",
		"n" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

/* Decimal, whole string; false if it is anything else. */
static bool
parse_long(const char *value, long *out)
{
	char *end;

	if (!isdigit((unsigned char)*value) && *value != '-')
		return false;
	errno = 0;
	*out = strtol(value, &end, 10);
	return errno == 0 && *end == '\0';
}

static const char *
complaint_text(const struct mftd_ocf_param *p, const char *value)
{
	size_t len = strlen(value);

	if (p->type == MFTD_OCF_PATH && *value != '/')
		return "is not an absolute path";
	if (len < (size_t)p->min)
		return "is too short";
	if (len > (size_t)p->max)
		return "is too long";
	for (const char *c = value; *c != '\0'; c++) {
		if (!isprint((unsigned char)*c))
			return "holds a character that is not printable";
		if (p->allowed != NULL && strchr(p->allowed, *c) == NULL)
			return "holds a character that is not allowed";
	}
	return NULL;
}

/* What is wrong with the value, or NULL. */
static const char *
complaint(const struct mftd_ocf_param *p, const char *value)
{
	long n;

	switch (p->type) {
	case MFTD_OCF_STRING:
	case MFTD_OCF_PATH:
		return complaint_text(p, value);
	case MFTD_OCF_BOOLEAN:
		return is_true(value) || is_false(value) ? NULL
							 : "is no boolean";
	case MFTD_OCF_INTEGER:
		if (!parse_long(value, &n))
			return "is no integer";
		return n < p->min || n > p->max ? "is out of bounds" : NULL;
	}
	return "is of no known type";
}

static const char *
given(const char *prefix, const char *name)
{
	char var[MFTD_OCF_NAME_MAX + 32];
	const char *value;

	snprintf(var, sizeof(var), "%s%s", prefix, name);
	value = getenv(var);
	return value != NULL && *value != '\0' ? value : NULL;
}

const char *
mftd_ocf_meta(const char *name)
{
	const char *value = given("OCF_RESKEY_CRM_meta_", name);

	return value != NULL ? value : "";
}

int
mftd_ocf_init(struct mftd_ocf *ocf, const struct mftd_ocf_agent *agent,
    const char *action)
{
	const char *instance = getenv("OCF_RESOURCE_INSTANCE");
	long timeout;

	/* ignored, as it may be inherited, nobody could wait for a child */
	signal(SIGCHLD, SIG_DFL);
	memset(ocf, 0, sizeof(*ocf));
	ocf->agent = agent;
	ocf->action = action;
	ocf->instance = instance != NULL ? instance : "";
	ocf->started_ms = mftd_ocf_now_ms();
	ocf->timeout_ms = MFTD_OCF_TIMEOUT_MS;
	if (parse_long(mftd_ocf_meta("timeout"), &timeout) && timeout > 0 &&
	    timeout <= 24L * 3600 * 1000)
		ocf->timeout_ms = timeout;
	for (size_t i = 0; i < agent->nparams; i++) {
		const struct mftd_ocf_param *p = &agent->params[i];
		const char *value = given("OCF_RESKEY_", p->name), *wrong;

		if (value == NULL && (value = p->value) == NULL) {
			if (!p->required)
				continue;
			mftd_ocf_reason(
			    ocf, "parameter %s is required", p->name);
			return MFTD_OCF_ERR_CONFIGURED;
		}
		if ((wrong = complaint(p, value)) != NULL) {
			mftd_ocf_reason(ocf, "parameter %s %s", p->name, wrong);
			return MFTD_OCF_ERR_CONFIGURED;
		}
		ocf->values[i] = value;
	}
	return MFTD_OCF_SUCCESS;
}

const char *
mftd_ocf_param(const struct mftd_ocf *ocf, const char *name)
{
	for (size_t i = 0; i < ocf->agent->nparams; i++)
		if (strcmp(ocf->agent->params[i].name, name) == 0)
			return ocf->values[i];
	return NULL;
}

long
mftd_ocf_param_int(const struct mftd_ocf *ocf, const char *name)
{
	const char *value = mftd_ocf_param(ocf, name);
	long n;

	if (value == NULL)
		return 0;
	return parse_long(value, &n) ? n : is_true(value);
}

bool
mftd_ocf_is_probe(const struct mftd_ocf *ocf)
{
	return strcmp(ocf->action, "monitor") == 0 &&
	    strcmp(mftd_ocf_meta("interval"), "0") == 0;
}

long
mftd_ocf_check_level(const struct mftd_ocf *ocf)
{
	const char *value = getenv("OCF_CHECK_LEVEL");
	long level;

	(void)ocf;
	if (value == NULL || !parse_long(value, &level) || level < 0)
		return 0;
	return level;
}

bool
mftd_ocf_have_binary(const char *path)
{
	const char *fail = getenv("OCF_TESTER_FAIL_HAVE_BINARY");

	return (fail == NULL || *fail == '\0') && access(path, X_OK) == 0;
}
