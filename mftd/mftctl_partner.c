/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/text.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/check_host.h"
#include "mftd/mftctl.h"
#include "mftd/outbound/call.h"
#include "mftd/outbound/probe.h"

/*
 * Looks at a partner from this node.  Each connection is a child's, which does
 * it as the daemon's user, prints what it finds, and says by its exit status
 * how it came out.
 */

#define OTHER 1 /* a child's end that has no other number */
#define NOT_OFFERED 9

static volatile sig_atomic_t ended; /* somebody does not want to wait */

static void
on_signal(int sig)
{
	ended = 1;
}

static void
on_end(void (*handler)(int sig))
{
	const struct sigaction act = { .sa_handler = handler,
		.sa_flags = SA_RESTART };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
}

/* What the daemon may not read, it could not use. */
static int
become_daemon(const struct ctl *ctl)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam(ctl->conf->user);
	if (pw == NULL || initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0) {
		fprintf(stderr, "mftctl: cannot become %s\n", ctl->conf->user);
		return -EPERM;
	}
	return 0;
}

int
mftctl_in_child(const struct ctl *ctl,
    int (*fn)(const struct ctl *ctl, void *data), void *data)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int r = become_daemon(ctl) == 0 ? fn(ctl, data) : OTHER;

		fflush(NULL);
		_exit(r);
	}
	if (pid < 0) {
		fprintf(stderr, "mftctl: %s\n", strerror(errno));
		return OTHER;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "mftctl: %s\n",
	    WTERMSIG(status) == SIGALRM ? "no answer for two minutes"
					: strsignal(WTERMSIG(status)));
	return OTHER;
}

static void
print_object(json_t *o)
{
	mftctl_print_json(o, JSON_COMPACT);
	json_decref(o);
}

/* ---- scan */

struct scan {
	const char *host;
	int port;
	const char *algorithm;
	const struct mftd_partner *partner; /* NULL: none is configured */
};

/* Whether that "type base64" is among the partner's lines. */
static bool
is_pinned(const struct mftd_partner *p, const char *line)
{
	size_t i, len = strlen(line);

	for (i = 0; p != NULL && i < p->n_host_keys; i++)
		if (strncmp(p->host_keys[i], line, len) == 0 &&
		    (p->host_keys[i][len] == '\0' ||
			p->host_keys[i][len] == ' '))
			return true;
	return false;
}

static void
print_key(const struct ctl *ctl, const struct scan *s, const char *line,
    const char *print)
{
	bool pinned = is_pinned(s->partner, line);
	json_t *o;

	if (!ctl->json) {
		printf("# %s%s\n%s\n", print, pinned ? " (pinned)" : "", line);
		return;
	}
	o = json_object();
	mftctl_put(o, "key", line);
	mftctl_put(o, "fingerprint", print);
	json_object_set_new(o, "pinned", json_boolean(pinned));
	print_object(o);
}

static int
scan_one(const struct ctl *ctl, void *data)
{
	const struct scan *s = data;
	char line[MFTD_KEY_BYTES], print[MFTD_REASON_BYTES];
	char why[MFTD_REASON_BYTES] = "";
	char safe[MFTD_TEXT_GROWS * MFTD_REASON_BYTES];
	int r = mftd_probe_host_key(
	    s->host, s->port, s->algorithm, line, print, why);

	if (r == 0) {
		print_key(ctl, s, line, print);
		return 0;
	}
	if (r == -ENOENT)
		return NOT_OFFERED;
	fprintf(stderr, "mftctl: %s port %d: %s\n", s->host, s->port,
	    mftd_text_safe(why, safe, sizeof(safe)));
	return OTHER;
}

/* Every host key there is; 0 when there is one. */
static int
scan_all(const struct ctl *ctl, struct scan *s)
{
	size_t i;
	int r, keys = 0;

	for (i = 0; (s->algorithm = mftd_probe_algorithm(i)) != NULL; i++) {
		r = mftctl_in_child(ctl, scan_one, s);
		if (r != 0 && r != NOT_OFFERED)
			return 1; /* the next would not do better */
		keys += r == 0;
	}
	if (keys == 0)
		fprintf(stderr,
		    "mftctl: %s port %d: it offers no host key of a type that "
		    "can be used\n",
		    s->host, s->port);
	return keys > 0 ? 0 : 1;
}

/* ---- test */

/* One host of a partner. */
struct place {
	const struct ctl *ctl;
	const char *host; /* with its port; NULL: there is just one */
};

static void
print_finding(
    void *data, enum mftd_finding f, const char *step, const char *text)
{
	static const char *const words[] = { "ok", "note", "FAIL" };
	const struct place *at = data;
	char safe[MFTD_TEXT_GROWS * MFTD_REASON_BYTES];
	json_t *o;

	if (at->ctl->json) {
		o = json_object();
		mftctl_put(o, "result", words[f]);
		if (at->host != NULL)
			mftctl_put(o, "host", at->host);
		mftctl_put(o, "step", step);
		mftctl_put(o, "text", text);
		print_object(o);
	} else {
		mftd_text_safe(text, safe, sizeof(safe));
		printf("%-5s %s%s%s%s%s\n", words[f],
		    at->host != NULL ? at->host : "",
		    at->host != NULL ? ": " : "", step,
		    safe[0] != '\0' ? ": " : "", safe);
	}
	fflush(stdout);
}

static bool
is_ended(void *data)
{
	return ended != 0;
}

static int
test_one(const struct ctl *ctl, void *data)
{
	return (int)mftd_probe(data);
}

/* 0, or 1 when a delivery would not work there. */
static int
test_host(struct place *at, struct mftd_probe *probe)
{
	const struct mftd_partner *p = probe->partner;
	struct scan scan = { p->host, p->port, NULL, p };
	int r;

	probe->data = at;
	r = mftctl_in_child(at->ctl, test_one, probe);
	if (r == MFTD_PROBED_HOST_KEY && !at->ctl->json && !ended) {
		printf("it offers:\n");
		scan_all(at->ctl, &scan);
	}
	return r == MFTD_PROBED_WORKS ? 0 : 1;
}

/* Each host by itself, in their order: what one refuses the others would hide.
 * 0, or 1 when a delivery would not work at one of them. */
static int
test_hosts(const struct ctl *ctl, struct mftd_probe *probe)
{
	const struct mftd_partner *p = probe->partner;
	struct mftd_call_place one;
	struct place at = { .ctl = ctl };
	int r = 0;
	size_t i;

	for (i = 0; i <= p->n_other_hosts && !ended; i++) {
		mftd_call_place(p, i, &one);
		if (p->n_other_hosts > 0)
			at.host = one.name;
		probe->partner = &one.partner;
		r |= test_host(&at, probe);
	}
	probe->partner = p;
	return ended ? 1 : r;
}

static int
test(const struct ctl *ctl, const struct mftd_objects *o,
    const struct mftd_partner *p)
{
	struct mftd_probe probe = { .partner = p,
		.secret_key = ctl->conf->secret_key,
		.routes = o->routes,
		.n_routes = o->n_routes,
		.found = print_finding,
		.ended = is_ended };
	int r;

	/* the child tidies up first */
	on_end(on_signal);
	r = test_hosts(ctl, &probe);
	on_end(SIG_DFL);
	return r;
}

/* ---- which */

static const struct mftd_partner *
find_partner(const struct mftd_objects *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n_partners; i++)
		if (strcmp(o->partners[i].name, name) == 0)
			return &o->partners[i];
	fprintf(stderr, "mftctl: there is no partner %s\n", name);
	return NULL;
}

/* Splits "HOST:PORT" or "[V6]:PORT" in place.  The port, or -EINVAL. */
static int
split(char *text, char **host)
{
	char *colon = strrchr(text, ':');
	bool in_brackets = text[0] == '[' && colon > text && colon[-1] == ']';

	if (colon == NULL || !mftd_check_host_port(text) ||
	    (strchr(text, ':') != colon && !in_brackets))
		return -EINVAL;
	colon[in_brackets ? -1 : 0] = '\0';
	*host = text + in_brackets;
	return (int)strtol(colon + 1, NULL, 10);
}

static int
load(const struct ctl *ctl, struct mftd_objects **out)
{
	struct mftd_catalog *c = NULL;
	int r = mftd_catalog_open(ctl->conf->catalog, "mftctl", &c);

	if (r < 0) {
		fprintf(stderr, "mftctl: %s: %s\n", ctl->conf->catalog,
		    mftd_strerror(r));
		return r;
	}
	r = mftd_catalog_load(c, out);
	if (r < 0)
		mftctl_catalog_failed(ctl, c, r);
	mftd_catalog_close(c);
	return r;
}

int
mftctl_partner(const struct ctl *ctl, int argc, char **argv)
{
	bool is_scan = strcmp(argv[1], "scan") == 0;
	const struct mftd_partner *p;
	struct mftd_objects *o = NULL;
	struct scan s = { .host = NULL };
	char *host = NULL;
	int r = 1;

	if (!is_scan && strcmp(argv[1], "test") != 0)
		return mftctl_partner_state(ctl, argc - 1, argv + 1);
	if (argc != 3) {
		fprintf(stderr, "usage: mftctl partner %s NAME\n", argv[1]);
		return 2;
	}
	if (is_scan && strchr(argv[2], ':') != NULL) {
		s.port = split(argv[2], &host);
		s.host = host;
		if (s.port > 0)
			return scan_all(ctl, &s);
		fprintf(stderr, "mftctl: %s: neither HOST:PORT nor [V6]:PORT\n",
		    argv[2]);
		return 2;
	}
	if (load(ctl, &o) < 0)
		return 1;
	p = find_partner(o, argv[2]);
	if (p != NULL) {
		s = (struct scan) { p->host, p->port, NULL, p };
		r = is_scan ? scan_all(ctl, &s) : test(ctl, o, p);
	}
	mftd_objects_free(o);
	return r;
}
