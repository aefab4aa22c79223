/* Part of mftd; see LICENSE. */
#include "mftd/conf/conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cyaml/cyaml.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/conf/door.h"
#include "mftd/conf/yaml.h"

#define FIELD_BYTES 64

#define NEEDED CYAML_FLAG_POINTER
#define MAY (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_strval_t modes[] = {
	{ "standalone", 0 },
	{ "cluster", 1 },
};

static const cyaml_schema_field_t volume_fields[] = {
	CYAML_FIELD_STRING_PTR("name", NEEDED, struct mftd_conf_volume, name, 1,
	    MFTD_NAME_BYTES - 1),
	CYAML_FIELD_STRING_PTR(
	    "path", NEEDED, struct mftd_conf_volume, path, 1, PATH_MAX - 1),
	CYAML_FIELD_END
};

static const cyaml_schema_value_t volume = {
	CYAML_VALUE_MAPPING(
	    CYAML_FLAG_DEFAULT, struct mftd_conf_volume, volume_fields),
};

static const cyaml_schema_value_t address = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, MFTD_ADDR_BYTES - 1),
};

static const cyaml_schema_value_t queue = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, MFTD_QUEUE_BYTES - 1),
};

static const cyaml_schema_value_t path = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, PATH_MAX - 1),
};

#define NUMBER(key, member) \
	CYAML_FIELD_INT(key, CYAML_FLAG_OPTIONAL, struct mftd_conf, member)

/* The numbers, what they are when the file is silent, and their bounds. */
static const struct number {
	const char *name;
	size_t off;
	int silent, min, max;
} numbers[] = {
	{ "lease_ms", offsetof(struct mftd_conf, lease_ms), 3000, 500, 60000 },
	{ "login_grace_s", offsetof(struct mftd_conf, login_grace_s),
	    MFTD_LOGIN_GRACE_S, 1, 3600 },
	{ "login_tries", offsetof(struct mftd_conf, login_tries),
	    MFTD_LOGIN_TRIES_MAX, 1, 100 },
	{ "idle_timeout_s", offsetof(struct mftd_conf, idle_timeout_s), 3600, 0,
	    MFTD_WAIT_S_MAX },
	{ "keepalive_s", offsetof(struct mftd_conf, keepalive_s), 60, 0,
	    MFTD_WAIT_S_MAX },
	{ "keepalive_count", offsetof(struct mftd_conf, keepalive_count), 3, 1,
	    100 },
	{ "worker_timeout_s", offsetof(struct mftd_conf, worker_timeout_s), 120,
	    0, MFTD_WAIT_S_MAX },
	{ "part_expire_s", offsetof(struct mftd_conf, part_expire_s),
	    MFTD_PART_EXPIRE_S, 1, MFTD_PART_EXPIRE_S_MAX },
	{ "journal_keep_days", offsetof(struct mftd_conf, journal_keep_days),
	    MFTD_JOURNAL_KEEP_DAYS, 1, MFTD_JOURNAL_KEEP_DAYS_MAX },
};

#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static const cyaml_schema_field_t ban_fields[] = {
	CYAML_FIELD_INT(
	    "failures", CYAML_FLAG_OPTIONAL, struct mftd_conf_ban, failures),
	CYAML_FIELD_INT(
	    "window_s", CYAML_FLAG_OPTIONAL, struct mftd_conf_ban, window_s),
	CYAML_FIELD_INT(
	    "time_s", CYAML_FLAG_OPTIONAL, struct mftd_conf_ban, time_s),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_ENUM(
	    "mode", CYAML_FLAG_STRICT, struct mftd_conf, cluster, modes, 2),
	CYAML_FIELD_STRING_PTR(
	    "node", MAY, struct mftd_conf, node, 1, MFTD_NAME_BYTES - 1),
	CYAML_FIELD_STRING_PTR(
	    "user", MAY, struct mftd_conf, user, 1, MFTD_NAME_BYTES - 1),
	CYAML_FIELD_STRING_PTR(
	    "catalog", NEEDED, struct mftd_conf, catalog, 1, PATH_MAX - 1),
	CYAML_FIELD_STRING_PTR(
	    "secret_key", MAY, struct mftd_conf, secret_key, 1, PATH_MAX - 1),
	CYAML_FIELD_STRING_PTR(
	    "state_dir", MAY, struct mftd_conf, state_dir, 1, PATH_MAX - 1),
	CYAML_FIELD_STRING_PTR(
	    "run_dir", MAY, struct mftd_conf, run_dir, 1, PATH_MAX - 1),
	CYAML_FIELD_STRING_PTR("log", MAY, struct mftd_conf, log, 1, 16),
	CYAML_FIELD_STRING_PTR(
	    "log_level", MAY, struct mftd_conf, log_level, 1, 16),
	NUMBER("lease_ms", lease_ms), NUMBER("login_grace_s", login_grace_s),
	NUMBER("login_tries", login_tries),
	NUMBER("idle_timeout_s", idle_timeout_s),
	NUMBER("keepalive_s", keepalive_s),
	NUMBER("keepalive_count", keepalive_count),
	NUMBER("worker_timeout_s", worker_timeout_s),
	NUMBER("part_expire_s", part_expire_s),
	NUMBER("journal_keep_days", journal_keep_days),
	CYAML_FIELD_SEQUENCE_COUNT("listen", CYAML_FLAG_DEFAULT,
	    struct mftd_conf, listen, n_listen, &address, 1, MFTD_LISTEN_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("host_keys", CYAML_FLAG_DEFAULT,
	    struct mftd_conf, host_keys, n_host_keys, &path, 1,
	    MFTD_HOST_KEYS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("next_host_keys", MAY, struct mftd_conf,
	    next_host_keys, n_next_host_keys, &path, 0, MFTD_HOST_KEYS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("volumes", CYAML_FLAG_DEFAULT,
	    struct mftd_conf, volumes, n_volumes, &volume, 1, MFTD_VOLUMES_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("queues", CYAML_FLAG_OPTIONAL,
	    struct mftd_conf, queues, n_queues, &queue, 1, MFTD_QUEUES_MAX),
	CYAML_FIELD_STRING_PTR(
	    "max_startups", MAY, struct mftd_conf, max_startups, 1, 32),
	CYAML_FIELD_INT("max_startups_per_source", CYAML_FLAG_OPTIONAL,
	    struct mftd_conf, max_startups_per_source),
	CYAML_FIELD_SEQUENCE_COUNT("proxy_from", CYAML_FLAG_OPTIONAL,
	    struct mftd_conf, proxy_from.text, proxy_from.n, &address, 0,
	    MFTD_NETS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("ban_exempt", CYAML_FLAG_OPTIONAL,
	    struct mftd_conf, ban_exempt.text, ban_exempt.n, &address, 0,
	    MFTD_NETS_MAX),
	CYAML_FIELD_MAPPING(
	    "ban", CYAML_FLAG_OPTIONAL, struct mftd_conf, ban, ban_fields),
	CYAML_FIELD_END
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct mftd_conf, fields),
};

/* Fills in a text that the file left away. */
static int
set_default(char **at, const char *text)
{
	if (*at == NULL)
		*at = strdup(text);
	return *at != NULL ? 0 : -ENOMEM;
}

static int
set_node(struct mftd_conf *c)
{
	char host[256] = "";

	if (c->node != NULL)
		return 0;
	if (gethostname(host, sizeof(host) - 1) < 0)
		return -errno;
	host[strcspn(host, ".")] = '\0';
	return set_default(&c->node, host);
}

/* A file that names no queues has the one of routes that name none. */
static int
set_queues(struct mftd_conf *c)
{
	int r;

	if (c->n_queues > 0)
		return 0;
	r = set_default(&c->queues[0], MFTD_DEFAULT_QUEUE);
	c->n_queues = r == 0;
	return r;
}

static int
set_defaults(struct mftd_conf *c)
{
	int r;

	if ((r = set_node(c)) < 0 || (r = set_queues(c)) < 0 ||
	    (r = set_default(&c->user, "mft")) < 0 ||
	    (r = set_default(&c->state_dir, LOCALSTATEDIR "/lib/mft")) < 0 ||
	    (r = set_default(&c->run_dir, "/run/mft")) < 0 ||
	    (r = set_default(&c->log, "stderr")) < 0)
		return r;
	return set_default(&c->log_level, "info");
}

/* Whether text is ADDR:PORT or [V6]:PORT, numeric. */
static bool
is_address(const char *text)
{
	char host[MFTD_ADDR_BYTES];
	const char *colon = strrchr(text, ':');
	struct in6_addr a;
	size_t len;
	bool v6;

	if (colon == NULL || strspn(colon + 1, "0123456789") < 1 ||
	    strspn(colon + 1, "0123456789") > 5 ||
	    colon[1 + strspn(colon + 1, "0123456789")] != '\0' ||
	    atoi(colon + 1) < 1 || atoi(colon + 1) > 65535)
		return false;
	len = (size_t)(colon - text);
	v6 = len > 2 && text[0] == '[' && colon[-1] == ']';
	if (len >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(v6 ? len - 2 : len),
	    v6 ? text + 1 : text);
	return inet_pton(v6 ? AF_INET6 : AF_INET, host, &a) == 1;
}

static bool
is_one_of(const char *text, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(text, *list) == 0)
			return true;
	return false;
}

/* Whether b is a, or lies below it. */
static bool
is_within(const char *a, const char *b)
{
	size_t len = strlen(a);

	while (len > 1 && a[len - 1] == '/')
		len--;
	return strncmp(a, b, len) == 0 &&
	    (len == 1 || b[len] == '/' || b[len] == '\0');
}

/* Whether one lies in the other, also by symbolic links as they are now. */
static bool
overlap(const char *a, const char *b)
{
	char real_a[PATH_MAX], real_b[PATH_MAX];

	if (is_within(a, b) || is_within(b, a))
		return true;
	return realpath(a, real_a) != NULL && realpath(b, real_b) != NULL &&
	    (is_within(real_a, real_b) || is_within(real_b, real_a));
}

static int
check_volumes(const struct mftd_conf *c, const struct mftd_yaml *y)
{
	const struct mftd_conf_volume *v, *o;
	char name[FIELD_BYTES], at[FIELD_BYTES];

	for (v = c->volumes; v < c->volumes + c->n_volumes; v++) {
		snprintf(name, sizeof(name), "volumes[%zu].name",
		    (size_t)(v - c->volumes));
		snprintf(at, sizeof(at), "volumes[%zu].path",
		    (size_t)(v - c->volumes));
		if (!mftd_id_valid(v->name))
			return mftd_yaml_refuse(
			    y, name, "not a name: letters, digits, _ . - only");
		if (v->path[0] != '/')
			return mftd_yaml_refuse(
			    y, at, "must be an absolute path");
		for (o = c->volumes; o < v; o++) {
			if (strcmp(o->name, v->name) == 0)
				return mftd_yaml_refuse(y, name, "given twice");
			if (overlap(o->path, v->path))
				return mftd_yaml_refuse(
				    y, at, "overlaps the volume %s", o->name);
		}
	}
	return 0;
}

static int
check_catalog(const struct mftd_conf *c, const struct mftd_yaml *y)
{
	if (strncmp(c->catalog, "sqlite:/", 8) == 0) {
		if (c->cluster)
			return mftd_yaml_refuse(y, "catalog",
			    "a cluster needs one database for all nodes: "
			    "postgresql://");
		return 0;
	}
	if (strncmp(c->catalog, "postgresql://", 13) != 0)
		return mftd_yaml_refuse(y, "catalog",
		    "must be sqlite:/PATH or a postgresql:// URI");
	return 0;
}

static int
check_lists(const struct mftd_conf *c, const struct mftd_yaml *y)
{
	char field[FIELD_BYTES];
	const char *file;
	size_t i, k;
	bool next;

	for (i = 0; i < c->n_listen; i++) {
		snprintf(field, sizeof(field), "listen[%zu]", i);
		if (!is_address(c->listen[i]))
			return mftd_yaml_refuse(y, field,
			    "must be ADDRESS:PORT or [V6]:PORT, numeric");
	}
	for (i = 0; i < c->n_host_keys + c->n_next_host_keys; i++) {
		next = i >= c->n_host_keys;
		k = next ? i - c->n_host_keys : i;
		file = next ? c->next_host_keys[k] : c->host_keys[k];
		snprintf(field, sizeof(field), "%shost_keys[%zu]",
		    next ? "next_" : "", k);
		if (file[0] != '/')
			return mftd_yaml_refuse(
			    y, field, "must be an absolute path");
	}
	return 0;
}

static int
check_queues(const struct mftd_conf *c, const struct mftd_yaml *y)
{
	char field[FIELD_BYTES];
	size_t i, k;

	for (i = 0; i < c->n_queues; i++) {
		snprintf(field, sizeof(field), "queues[%zu]", i);
		if (!mftd_id_valid(c->queues[i]))
			return mftd_yaml_refuse(y, field,
			    "not a name: letters, digits, _ . - only");
		for (k = 0; k < i; k++)
			if (strcmp(c->queues[k], c->queues[i]) == 0)
				return mftd_yaml_refuse(
				    y, field, "given twice");
	}
	return 0;
}

/* What the file does not say came from the host name. */
static int
check_node(const struct mftd_conf *c, const struct mftd_yaml *y)
{
	const char *hint = mftd_yaml_has(y, "node")
	    ? ""
	    : " (the host name; give another name here)";

	if (!mftd_id_valid(c->node))
		return mftd_yaml_refuse(y, "node",
		    "not a name: letters, digits, _ . - only%s", hint);
	if (strlen(c->node) > MFTD_NODE_LEN_MAX)
		return mftd_yaml_refuse(y, "node",
		    "longer than %d characters%s", MFTD_NODE_LEN_MAX, hint);
	return 0;
}

static int
check_numbers(const struct mftd_conf *c, const struct mftd_yaml *y)
{
	const struct number *n;
	int v;

	for (n = numbers; n < numbers + N_NUMBERS; n++) {
		v = *(const int *)((const char *)c + n->off);
		if (v < n->min || v > n->max)
			return mftd_yaml_refuse(
			    y, n->name, "must be %d to %d", n->min, n->max);
	}
	return 0;
}

/* What the schema cannot say. */
static int
check(struct mftd_conf *c, const struct mftd_yaml *y)
{
	static const char *const logs[] = { "stderr", "syslog", NULL };
	static const char *const levels[] = { "error", "warn", "info", "debug",
		NULL };
	int r;

	if ((r = check_node(c, y)) < 0)
		return r;
	if (c->state_dir[0] != '/')
		return mftd_yaml_refuse(
		    y, "state_dir", "must be an absolute path");
	if (c->secret_key != NULL && c->secret_key[0] != '/')
		return mftd_yaml_refuse(
		    y, "secret_key", "must be an absolute path");
	if (c->run_dir[0] != '/')
		return mftd_yaml_refuse(
		    y, "run_dir", "must be an absolute path");
	if (!is_one_of(c->log, logs))
		return mftd_yaml_refuse(y, "log", "must be stderr or syslog");
	if (!is_one_of(c->log_level, levels))
		return mftd_yaml_refuse(
		    y, "log_level", "must be error, warn, info or debug");
	if ((r = check_numbers(c, y)) < 0)
		return r;
	if ((r = check_catalog(c, y)) < 0 || (r = check_lists(c, y)) < 0 ||
	    (r = check_queues(c, y)) < 0 ||
	    (r = mftd_conf_door_check(c, y)) < 0)
		return r;
	return check_volumes(c, y);
}

/* libcyaml leaves 0 where a number is not given. */
static void
set_numbers(struct mftd_conf *c, const struct mftd_yaml *y)
{
	const struct number *n;

	for (n = numbers; n < numbers + N_NUMBERS; n++)
		if (!mftd_yaml_has(y, n->name))
			*(int *)((char *)c + n->off) = n->silent;
}

int
mftd_conf_load(
    const char *file, struct mftd_conf **conf, char *why, size_t size)
{
	struct mftd_yaml *y = NULL;
	void *data = NULL;
	int r;

	r = mftd_yaml_load(file, &schema, &data, &y, why, size);
	if (r < 0)
		return r;
	set_numbers(data, y);
	mftd_conf_door_defaults(data, y);
	r = set_defaults(data);
	if (r == 0)
		r = check(data, y);
	if (r == 0)
		*conf = data;
	else
		mftd_conf_free(data);
	mftd_yaml_free(y);
	return r;
}

void
mftd_conf_free(struct mftd_conf *conf)
{
	mftd_yaml_data_free(&schema, conf);
}

const struct mftd_conf_volume *
mftd_conf_volume(const struct mftd_conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->n_volumes; i++)
		if (strcmp(conf->volumes[i].name, name) == 0)
			return &conf->volumes[i];
	return NULL;
}

bool
mftd_conf_has_queue(const struct mftd_conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->n_queues; i++)
		if (strcmp(conf->queues[i], name) == 0)
			return true;
	return false;
}
