/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/objects.h"
#include "mftd/conf/conf.h"
#include "mftd/control/control.h"
#include "mftd/mftctl.h"

#define CALL_MS 10000
#define TAKEN_MS 10000 /* until a node works by what was applied */
#define LOOK_MS 20

static int
fail(const char *what, int err)
{
	fprintf(stderr, "mftctl: %s: %s\n", what, mftd_strerror(err));
	return 1;
}

/* Asks this node's daemon.  0 with *reply, or 1 after a message. */
static int
ask(const struct ctl *ctl, json_t *req, json_t **reply)
{
	char path[512];
	int r;

	snprintf(path, sizeof(path), "%s/control.sock", ctl->conf->run_dir);
	r = mftd_control_call(path, req, mftd_clock_ms() + CALL_MS, reply);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		fprintf(stderr, "mftctl: no daemon is running on this node\n");
		return 1;
	}
	if (r < 0)
		return fail(path, r);
	if (!ctl->json)
		mftctl_make_safe(*reply);
	if (json_is_true(json_object_get(*reply, "ok")))
		return 0;
	fprintf(stderr, "mftctl: %s\n",
	    json_string_value(json_object_get(*reply, "reason")));
	json_decref(*reply);
	return 1;
}

/* ---- status */

static const char *
str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static long long
num(json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static bool
yes(json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static const char *
node_word(json_t *n)
{
	if (yes(n, "member"))
		return "online";
	if (yes(n, "lost"))
		return "LOST";
	return yes(n, "recovered") ? "gone, recovered" : "gone";
}

static void
print_nodes(json_t *st)
{
	json_t *o;
	size_t i;

	printf("%-12s %-16s %-8s %s\n", "NODE", "STATE", "SESSIONS",
	    "INCARNATION");
	json_array_foreach(json_object_get(st, "nodes"), i, o)
		printf("%-12s %-16s %-8lld %s\n", str(o, "node"), node_word(o),
		    num(o, "sessions"), str(o, "incarnation"));
	printf("\n%-12s %-12s %-12s %-10s %s\n", "NODE", "SERVICE", "QUEUE",
	    "ROLE", "EPOCH");
	json_array_foreach(json_object_get(st, "roles"), i, o)
		printf("%-12s %-12s %-12s %-10s %lld\n", str(o, "node"),
		    str(o, "service"), str(o, "queue"), str(o, "role"),
		    num(o, "epoch"));
}

static void
print_sessions(json_t *st)
{
	json_t *o;
	size_t i;

	printf(
	    "\n%-12s %-16s %-24s %s\n", "NODE", "ACCOUNT", "PEER", "SESSION");
	json_array_foreach(json_object_get(st, "sessions"), i, o)
		printf("%-12s %-16s %-24s %s\n", str(o, "node"),
		    str(o, "account"), str(o, "peer"), str(o, "id"));
}

/* Of one that this node has there is more to say. */
static void
print_queue(json_t *o)
{
	const char *node = str(o, "node"), *place = str(o, "place");

	printf("\n%s %s: %s%s", place[0] != '\0' ? "place" : "queue",
	    place[0] != '\0' ? place : str(o, "queue"),
	    node[0] != '\0' ? "on " : "NO NODE HAS IT", node);
	if (json_object_get(o, "queued") != NULL)
		printf(", epoch %lld, %lld%s queued, %lld active, "
		       "%lld in doubt, %lld failed, %lld delivered %s\n",
		    num(o, "epoch"), num(o, "queued"),
		    num(o, "queued") < MFTD_COUNT_MAX ? "" : "+",
		    num(o, "active"), num(o, "in_doubt"), num(o, "failed"),
		    num(o, "delivered"), str(o, "reason"));
	else
		printf(", epoch %lld, %lld%s not finished\n", num(o, "epoch"),
		    num(o, "waiting"), yes(o, "more") ? " or more" : "");
}

static void
print_queues(json_t *st)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(st, "queues"), i, o)
		print_queue(o);
	json_array_foreach(json_object_get(st, "volumes"), i, o)
		printf("\nvolume %s: %s, %lld records in %lld syncs, %.1f "
		       "each; catalog %lld records, %lld s behind %s\n",
		    str(o, "volume"), yes(o, "healthy") ? "healthy" : "ILL",
		    num(o, "records"), num(o, "syncs"),
		    num(o, "syncs") > 0
			? (double)num(o, "records") / (double)num(o, "syncs")
			: 0.0,
		    num(o, "lag_records"), num(o, "lag_us") / 1000000,
		    str(o, "reason"));
}

static void
print_door(json_t *st)
{
	json_t *door = json_object_get(st, "door"), *n;
	const char *why;

	printf("\nconnections: %lld let in, %lld bans; turned away:",
	    num(door, "accepted"), num(door, "bans"));
	json_object_foreach(json_object_get(door, "turned_away"), why, n)
	    printf(" %s %lld", why, (long long)json_integer_value(n));
	printf("\n");
}

static int
cmd_status(const struct ctl *ctl, int argc, char **argv)
{
	json_t *st = NULL, *cat;

	if (ask(ctl, json_pack("{s:s}", "cmd", "status"), &st) != 0)
		return 1;
	if (ctl->json) {
		mftctl_print_json(st, JSON_INDENT(2));
		json_decref(st);
		return 0;
	}
	cat = json_object_get(st, "catalog");
	printf("this node: %s, quorum: %s, catalog: %s (configuration %lld, "
	       "%lld records, %lld s behind)\n\n",
	    str(st, "node"), yes(st, "quorate") ? "yes" : "NO",
	    yes(cat, "reachable") ? "reachable" : "AWAY",
	    num(cat, "config_version"), num(cat, "lag_records"),
	    num(cat, "lag_us") / 1000000);
	if (str(cat, "reason")[0] != '\0')
		printf("catalog: %s\n\n", str(cat, "reason"));
	print_nodes(st);
	print_sessions(st);
	print_queues(st);
	print_door(st);
	json_decref(st);
	return 0;
}

/* ---- apply */

/* Roots and .mft must be one mount and one rename domain: publishing is a
 * rename from one to the other (design section 4).  The volume is known to be
 * one of conf's. */
static int
check_root(const struct mftd_conf *conf, const struct mftd_account *a)
{
	const struct mftd_conf_volume *v = mftd_conf_volume(conf, a->volume);
	char path[4096];
	struct stat vol, root;

	if (stat(v->path, &vol) < 0)
		return fail(v->path, -errno);
	snprintf(path, sizeof(path), "%s/%s", v->path, a->root);
	if (stat(path, &root) < 0)
		return errno == ENOENT ? 0 : fail(path, -errno);
	if (!S_ISDIR(root.st_mode) || root.st_dev != vol.st_dev) {
		fprintf(stderr,
		    "mftctl: account %s: %s is not a directory on the file "
		    "system of volume %s\n",
		    a->name, path, a->volume);
		return 1;
	}
	return 0;
}

/* Before the daemon's first start there is no directory for an SQLite one. */
void
mftctl_catalog_failed(const struct ctl *ctl, struct mftd_catalog *c, int err)
{
	char dir[4096];
	char *slash;

	fprintf(stderr, "mftctl: %s%s%s\n", mftd_strerror(err),
	    mftd_catalog_why(c)[0] != '\0' ? ": " : "", mftd_catalog_why(c));
	if (strncmp(ctl->conf->catalog, "sqlite:", 7) != 0)
		return;
	snprintf(dir, sizeof(dir), "%s", ctl->conf->catalog + 7);
	slash = strrchr(dir, '/');
	if (slash != NULL)
		*slash = '\0';
	if (access(dir, F_OK) < 0 && errno == ENOENT)
		fprintf(stderr,
		    "mftctl: there is no directory %s: mftd makes its "
		    "state_dir when it starts\n",
		    dir);
}

static int
store(const struct ctl *ctl, const struct mftd_objects *o, uint64_t *version)
{
	struct mftd_catalog *c = NULL;
	int r;

	r = mftd_catalog_open(ctl->conf->catalog, "mftctl", &c);
	if (r < 0)
		return fail(ctl->conf->catalog, r);
	r = mftd_catalog_migrate(c);
	if (r == 0)
		r = mftd_catalog_apply(c, o, version);
	if (r < 0)
		mftctl_catalog_failed(ctl, c, r);
	mftd_catalog_close(c);
	return r < 0 ? 1 : 0;
}

/* NULL when there is none.  Takes req. */
static json_t *
ask_daemon(const struct ctl *ctl, json_t *req)
{
	json_t *reply = NULL;
	char path[512];

	snprintf(path, sizeof(path), "%s/control.sock", ctl->conf->run_dir);
	if (mftd_control_call(path, req, mftd_clock_ms() + CALL_MS, &reply) < 0)
		return NULL;
	return reply;
}

/* The daemon finds out by itself, but sooner when it is told. */
static void
tell_daemon(const struct ctl *ctl, uint64_t version)
{
	json_decref(ask_daemon(ctl,
	    json_pack("{s:s, s:I}", "cmd", "config-changed", "version",
		(json_int_t)version)));
}

/* Until this node works by what was applied: what is uploaded then goes by it.
 * The daemon's status, or NULL if it does not answer. */
static json_t *
wait_taken(const struct ctl *ctl, uint64_t version)
{
	int64_t until_ms = mftd_clock_ms() + TAKEN_MS;
	json_t *status;

	for (;;) {
		status = ask_daemon(ctl, json_pack("{s:s}", "cmd", "status"));
		if (status == NULL || mftctl_is_taken(status, version))
			return status;
		if (mftd_clock_ms() >= until_ms)
			break;
		json_decref(status);
		poll(NULL, 0, LOOK_MS);
	}
	fprintf(stderr,
	    "mftctl: this node's daemon has not taken configuration %llu "
	    "yet\n",
	    (unsigned long long)version);
	return status;
}

static int
cmd_apply(const struct ctl *ctl, int argc, char **argv)
{
	struct mftd_objects *o = NULL;
	json_t *status;
	uint64_t version = 0;
	char why[512];
	size_t i;
	int r;

	r = mftd_objects_read(argv[1], ctl->conf, &o, why, sizeof(why));
	if (r == -MFTD_E_CONF) {
		fprintf(stderr, "mftctl: %s\n", why);
		return 1;
	}
	if (r < 0)
		return fail(argv[1], r);
	for (i = 0, r = 0; i < o->n_accounts && r == 0; i++)
		r = check_root(ctl->conf, &o->accounts[i]);
	if (r == 0)
		r = store(ctl, o, &version);
	if (r == 0) {
		printf("configuration %llu: %zu accounts, %zu partners, %zu "
		       "routes\n",
		    (unsigned long long)version, o->n_accounts, o->n_partners,
		    o->n_routes);
		tell_daemon(ctl, version);
		status = wait_taken(ctl, version);
		mftctl_warn_places(ctl, o, status);
		json_decref(status);
	}
	mftd_objects_free(o);
	return r;
}

/* ---- node confirm-dead */

static int
cmd_node(const struct ctl *ctl, int argc, char **argv)
{
	json_t *reply = NULL;

	if (strcmp(argv[1], "confirm-dead") != 0 || argc != 3) {
		fprintf(stderr, "mftctl: node: only confirm-dead NODE\n");
		return 2;
	}
	if (ask(ctl,
		json_pack("{s:s, s:s}", "cmd", "confirm-dead", "node", argv[2]),
		&reply) != 0)
		return 1;
	json_decref(reply);
	return 0;
}

/* ---- session list, session end */

static int
cmd_session(const struct ctl *ctl, int argc, char **argv)
{
	json_t *reply = NULL, *o;
	size_t i;

	if ((strcmp(argv[1], "list") != 0 || argc != 2) &&
	    (strcmp(argv[1], "end") != 0 || argc != 3)) {
		fprintf(stderr, "mftctl: session: only list, and end ID\n");
		return 2;
	}
	if (ask(ctl,
		json_pack("{s:s, s:s, s:s*}", "cmd", "session", "action",
		    argv[1], "id", argc == 3 ? argv[2] : NULL),
		&reply) != 0)
		return 1;
	if (ctl->json && argc == 2)
		mftctl_print_json(reply, JSON_INDENT(2));
	else if (argc == 2)
		json_array_foreach(json_object_get(reply, "sessions"), i, o)
			printf("%-28s %-12s %-16s %-24s %s\n", str(o, "id"),
			    str(o, "node"), str(o, "account"), str(o, "peer"),
			    str(o, "end"));
	json_decref(reply);
	return 0;
}

/* ---- ban list, add, remove */

static void
print_bans(json_t *reply)
{
	json_t *o;
	size_t i;

	printf("%-44s %10s  %s\n", "NET", "SECONDS", "WHY");
	json_array_foreach(json_object_get(reply, "bans"), i, o)
		printf("%-44s %10lld  %s\n", str(o, "net"),
		    num(o, "seconds_left"), str(o, "why"));
}

static int
cmd_ban(const struct ctl *ctl, int argc, char **argv)
{
	bool list = strcmp(argv[1], "list") == 0 && argc == 2;
	bool add = strcmp(argv[1], "add") == 0 && argc >= 3;
	bool remove = strcmp(argv[1], "remove") == 0 && argc == 3;
	json_t *req, *reply = NULL;

	if (!list && !add && !remove) {
		fprintf(stderr,
		    "mftctl: ban: only list, add ADDRESS [SECONDS], and remove "
		    "ADDRESS\n");
		return 2;
	}
	req = json_pack("{s:s, s:s}", "cmd", "ban", "action", argv[1]);
	if (argc >= 3)
		json_object_set_new(req, "address", json_string(argv[2]));
	if (argc == 4)
		json_object_set_new(req, "seconds", json_string(argv[3]));
	if (ask(ctl, req, &reply) != 0)
		return 1;
	if (list && ctl->json)
		mftctl_print_json(reply, JSON_INDENT(2));
	else if (list)
		print_bans(reply);
	json_decref(reply);
	return 0;
}

static const struct command {
	const char *word;
	int argc_min, argc_max; /* the word counts */
	int (*fn)(const struct ctl *ctl, int argc, char **argv);
	const char *usage;
	bool bare; /* works without a configuration, too */
} commands[] = {
	{ "status", 1, 1, cmd_status,
	    "status                    nodes, quorum, roles, sessions", false },
	{ "apply", 2, 2, cmd_apply,
	    "apply FILE                replace accounts, partners, routes",
	    false },
	{ "delivery", 2, 4096, mftctl_delivery,
	    "delivery list [-a ACCOUNT] [-n COUNT] [-p PARTNER] [-r ROUTE]\n"
	    "           [-s STATE,...] [-t SINCE]\n"
	    "  delivery show|hold|release|retry|cancel ID ...\n"
	    "  delivery resolve ID delivered|resend\n"
	    "                            what goes out: look at it, steer it",
	    false },
	{ "partner", 2, 3, mftctl_partner,
	    "partner list | show NAME  whether anything is sent to them\n"
	    "  partner resume NAME       send to it again, now\n"
	    "  partner scan NAME|HOST:PORT\n"
	    "                            the host keys it offers, to confirm\n"
	    "  partner test NAME         whether a delivery to it would work",
	    false },
	{ "hook", 2, 4096, mftctl_hook,
	    "hook list | show NAME|ID ... | test NAME | retry ID ...\n"
	    "                            who is told of what, and how it came "
	    "out",
	    false },
	{ "node", 2, 3, cmd_node,
	    "node confirm-dead NODE    it is certainly off: take over", false },
	{ "session", 2, 3, cmd_session,
	    "session list|end ID       sessions of all nodes; end one", false },
	{ "ban", 2, 4, cmd_ban,
	    "ban list|add ADDRESS [SECONDS]|remove ADDRESS\n"
	    "                            whom all nodes keep out",
	    false },
	{ "journal", 2, 64, mftctl_journal,
	    "journal verify [-k KEYS] | show | tail [-f] [-n N]  [PATH ...]\n"
	    "                            journals as they lie on disk",
	    true },
};

static void
usage(FILE *f)
{
	size_t i;

	fprintf(f, "usage: mftctl [-hjV] [-f FILE] COMMAND\n");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(f, "  %s\n", commands[i].usage);
	fprintf(f,
	    "  -f FILE   the node's configuration (" SYSCONFDIR
	    "/mft/mftd.yaml)\n"
	    "  -h        print this\n"
	    "  -j        print JSON\n"
	    "  -V        print the version\n"
	    "See mftctl(8).\n");
}

/* The command of that word with so many arguments, or NULL after a message. */
static const struct command *
find_command(int argc, char **argv)
{
	const struct command *c = commands;

	for (; c < commands + sizeof(commands) / sizeof(commands[0]); c++) {
		if (strcmp(argv[0], c->word) != 0)
			continue;
		if (argc >= c->argc_min && argc <= c->argc_max)
			return c;
		fprintf(stderr, "usage: mftctl %s\n", c->usage);
		return NULL;
	}
	fprintf(stderr, "mftctl: there is no command %s\n", argv[0]);
	usage(stderr);
	return NULL;
}

int
main(int argc, char **argv)
{
	const char *file = SYSCONFDIR "/mft/mftd.yaml";
	struct mftd_conf *conf = NULL;
	const struct command *command;
	struct ctl ctl = { 0 };
	char why[512] = "";
	int c, r;

	while ((c = getopt(argc, argv, "+f:hjV")) != -1)
		switch (c) {
		case 'f':
			file = optarg;
			break;
		case 'j':
			ctl.json = true;
			break;
		case 'V':
			puts("mftctl " MFTD_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	if (optind == argc) {
		usage(stderr);
		return 2;
	}
	command = find_command(argc - optind, argv + optind);
	if (command == NULL)
		return 2;
	r = mftd_conf_load(file, &conf, why, sizeof(why));
	if (r == -ENOENT && command->bare)
		r = 0;
	if (r < 0) {
		fprintf(stderr, "mftctl: %s%s%s\n",
		    r == -MFTD_E_CONF ? "" : file,
		    r == -MFTD_E_CONF ? "" : ": ",
		    r == -MFTD_E_CONF ? why : mftd_strerror(r));
		return 1;
	}
	mftd_log_process("mftctl");
	ctl.conf = conf;
	r = command->fn(&ctl, argc - optind, argv + optind);
	mftd_conf_free(conf);
	return r;
}
