/* Part of mftd; see LICENSE. */
#include "mftd/catalog/check_host.h"
#include "mftd/catalog/objects.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/catalog/password.h"

/* An ed25519 public key of 32 zero bytes: the right shape is what counts. */
#define KEY                          \
	"ssh-ed25519 "               \
	"AAAAC3NzaC1lZDI1NTE5AAAAI"  \
	"AAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAA"

#define ACCOUNT       \
	"accounts:\n" \
	"  - name: alice\n    volume: main\n    root: a/b\n"
#define NO_HOST_S ":12: partners[0].source: not an address that a host can have"
#define PARTNER                                                 \
	"partners:\n"                                           \
	"  - name: acme\n    host: acme.example\n    user: u\n" \
	"    key_file: /k\n    host_keys:\n      - " KEY "\n"
#define ROUTE       \
	"routes:\n" \
	"  - name: r\n    account: alice\n    partner: acme\n"

static int
load_on(const char *text, const struct mftd_conf *conf, struct mftd_objects **o,
    char *why, size_t size)
{
	char file[] = "test_objects_XXXXXX", full[512] = "";
	int fd = mkstemp(file), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*o = NULL;
	r = mftd_objects_read(file, conf, o, full, sizeof(full));
	unlink(file);
	if (r < 0)
		snprintf(why, size, "%s", full + strlen(file));
	return r;
}

static int
load(const char *text, struct mftd_objects **o, char *why, size_t size)
{
	return load_on(text, NULL, o, why, size);
}

static void
refused(const char *text, const char *want)
{
	struct mftd_objects *o;
	char why[512] = "";

	assert_int_equal(load(text, &o, why, sizeof(why)), -MFTD_E_CONF);
	assert_string_equal(why, want);
	assert_null(o);
}

static void
whole_file_is_taken(void **state)
{
	struct mftd_objects *o;
	char why[512];

	assert_int_equal(
	    load(ACCOUNT "    keys: [\"" KEY " me@home\"]\n"
			 "    password: geheim\n"
			 "  - {name: bob, volume: main, root: bob}\n" PARTNER
			 "    port: 2222\n"
			 "    other_hosts: [b, \"b:23\", \"::1\", "
			 "\"[::1]\", \"[::1]:24\"]\n"
			 "    source: \"::1\"\n    ciphers: "
			 "aes256-ctr,aes128-gcm@openssh.com\n"
			 "    connections: 2\n" ROUTE "    directory: in box\n"
			 "    queue: fast\n    settle_s: 0\n"
			 "    files: [\"*.csv\", in/a]\n    except: [b]\n"
			 "    name_template: \"{name}.{seq:3}\"\n"
			 "    schedule: 0 6 * * mon-fri\n"
			 "    time_zone: Europe/Berlin\n    calendar: bank\n"
			 "    retry: {tries: 3}\n"
			 "    priority: 0\n    ordered: true\n"
			 "    skip_failed: true\n"
			 "    after: archive\n    archive: \"old/{year}\"\n"
			 "    archive_below: volume\n"
			 "  - {name: s, account: alice, partner: acme}\n"
			 "calendars:\n  - name: bank\n"
			 "    closed: [2027-12-25, 2028-02-29]\n",
		&o, why, sizeof(why)),
	    0);
	assert_int_equal(o->version, 0);
	assert_int_equal(o->n_accounts, 2);
	assert_string_equal(o->accounts[0].root, "a/b");
	assert_string_equal(o->accounts[0].keys[0], KEY " me@home");
	assert_int_equal(
	    mftd_password_verify("geheim", o->accounts[0].password_hash), 0);
	assert_null(o->accounts[1].password_hash);
	assert_int_equal(o->partners[0].port, 2222);
	assert_string_equal(o->partners[0].host_keys[0], KEY);
	assert_int_equal(o->partners[0].n_other_hosts, 5);
	assert_string_equal(o->partners[0].other_hosts[4], "[::1]:24");
	assert_string_equal(o->partners[0].source, "::1");
	assert_string_equal(
	    o->partners[0].ciphers, "aes256-ctr,aes128-gcm@openssh.com");
	assert_null(o->partners[0].macs);
	assert_null(o->partners[0].password);
	assert_int_equal(o->partners[0].connections, 2);
	assert_int_equal(o->partners[0].connect_s, 10);
	assert_int_equal(o->partners[0].request_s, 30);
	assert_int_equal(o->n_routes, 2);
	assert_string_equal(o->routes[0].directory, "in box");
	assert_string_equal(o->routes[0].queue, "fast");
	assert_int_equal(o->routes[0].settle_s, 0);
	assert_string_equal(o->routes[1].directory, "");
	assert_string_equal(o->routes[1].queue, "default");
	assert_int_equal(o->routes[1].settle_s, 5);
	assert_int_equal(o->routes[0].priority, 0);
	assert_int_equal(o->routes[1].priority, 5);
	assert_true(o->routes[0].ordered && o->routes[0].skip_failed);
	assert_false(o->routes[1].ordered || o->routes[1].skip_failed);
	assert_int_equal(o->routes[0].n_files, 2);
	assert_string_equal(o->routes[0].files[1], "in/a");
	assert_int_equal(o->routes[0].n_except, 1);
	assert_string_equal(o->routes[0].name_template, "{name}.{seq:3}");
	assert_int_equal(o->routes[1].n_files, 0);
	assert_null(o->routes[1].name_template);
	assert_string_equal(o->routes[0].after, "archive");
	assert_string_equal(o->routes[0].archive, "old/{year}");
	assert_string_equal(o->routes[0].archive_below, "volume");
	assert_null(o->routes[1].after);
	assert_string_equal(o->routes[0].schedule, "0 6 * * mon-fri");
	assert_string_equal(o->routes[0].calendar, "bank");
	assert_int_equal(o->routes[0].retry.tries, 3);
	assert_int_equal(o->routes[0].retry.hours, 24);
	assert_int_equal(o->routes[1].retry.tries, 100);
	assert_int_equal(o->routes[1].retry.hours, 24);
	assert_int_equal(o->calendars[0].n_closed, 2);
	assert_string_equal(o->calendars[0].closed[0], "2027-12-25");
	mftd_objects_free(o);
}

static void
empty_list_is_no_error(void **state)
{
	struct mftd_objects *o;
	char why[512];

	assert_int_equal(load("accounts: []\n", &o, why, sizeof(why)), 0);
	assert_int_equal(o->n_accounts, 0);
	mftd_objects_free(o);
	refused("partners: []\n", ":1: accounts: is missing");
}

static void
accounts_are_checked(void **state)
{
	refused(ACCOUNT "    shell: x\n", ":5: accounts[0].shell: unknown key");
	refused("accounts:\n  - name: a\n    root: b\n",
	    ":2: accounts[0].volume: is missing");
	refused("accounts:\n  - {name: .a, volume: v, root: b}\n",
	    ":2: accounts[0].name: not a name");
	refused(ACCOUNT "  - name: alice\n    volume: v\n    root: b\n",
	    ":5: accounts[1].name: given twice");
	refused("accounts:\n  - name: a\n    volume: v\n    root: ../b\n",
	    ":4: accounts[0].root: must be a path below the volume, like a/b");
	refused("accounts:\n  - name: a\n    volume: v\n    root: /b\n",
	    ":4: accounts[0].root: must be a path below the volume, like a/b");
	refused("accounts:\n  - name: a\n    volume: v\n    root: .mft/out\n",
	    ":4: accounts[0].root: overlaps .mft");
	refused("accounts:\n  - name: a\n    volume: v\n    root: .\n",
	    ":4: accounts[0].root: overlaps .mft");
}

static void
options_are_taken(void **state)
{
	struct mftd_objects *o;
	struct mftd_account *a;
	char why[512];

	assert_int_equal(
	    load(ACCOUNT "    keys: [" KEY "]\n    password: x\n"
			 "    methods: publickey+password\n"
			 "    certificate_authorities: [" KEY "]\n"
			 "    principals: [a, b]\n"
			 "    sources: [192.0.2.0/24, \"::1\"]\n"
			 "    expires: 2027-01-31\n    disabled: true\n"
			 "    read_only: true\n    symlinks: beneath\n"
			 "    umask: \"027\"\n    group: staff\n"
			 "    quota: {bytes: 5G, files: 1000}\n"
			 "    bandwidth: {in: 64K, out: 1M}\n"
			 "    sessions: 3\n"
			 "    folders:\n      - {name: in, path: common/in}\n"
			 "      - {name: d, path: d, read_only: true}\n"
			 "  - {name: bob, volume: main, root: bob,\n"
			 "     expires: \"2027-01-31T12:00:00Z\"}\n",
		&o, why, sizeof(why)),
	    0);
	a = &o->accounts[0];
	assert_string_equal(a->methods, "publickey+password");
	assert_string_equal(a->authorities[0], KEY);
	assert_string_equal(a->principals[1], "b");
	assert_string_equal(a->sources[1], "::1");
	assert_int_equal(a->expires_s, 1801440000); /* the day's end */
	assert_true(a->disabled && a->read_only && a->symlinks);
	assert_int_equal(a->umask, 027);
	assert_string_equal(a->group, "staff");
	assert_int_equal(a->quota_bytes, 5ULL << 30);
	assert_int_equal(a->quota_files, 1000);
	assert_int_equal(a->in_bytes_s, 65536);
	assert_int_equal(a->out_bytes_s, 1 << 20);
	assert_int_equal(a->sessions_max, 3);
	assert_int_equal(a->n_folders, 2);
	assert_true(a->folders[1].read_only && !a->folders[0].read_only);
	assert_int_equal(a[1].expires_s, 1801396800);
	assert_int_equal(a[1].umask, 022);
	assert_false(a[1].disabled || a[1].read_only || a[1].symlinks);
	mftd_objects_free(o);
}

static void
options_are_checked(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "methods: none",
		    "methods: must be publickey, password or "
		    "publickey+password" },
		{ "methods: publickey",
		    "methods: publickey, but the account has no key" },
		{ "methods: password",
		    "methods: password, but the account has none" },
		{ "sources: [10.0.0.1/8]",
		    "sources[0]: not an address or network, like "
		    "192.0.2.0/24" },
		{ "expires: tomorrow",
		    "expires: must be like 2027-01-31 or "
		    "2027-01-31T12:00:00Z" },
		{ "expires: 2027-02-30",
		    "expires: must be like 2027-01-31 or "
		    "2027-01-31T12:00:00Z" },
		{ "expires: 2027-02-29T00:00:00Z",
		    "expires: must be like 2027-01-31 or "
		    "2027-01-31T12:00:00Z" },
		{ "expires: 2027-02-01T25:00:00Z",
		    "expires: must be like 2027-01-31 or "
		    "2027-01-31T12:00:00Z" },
		{ "umask: \"8\"", "umask: must be octal, \"000\" to \"077\"" },
		{ "umask: \"100\"",
		    "umask: must be octal, \"000\" to \"077\"" },
		{ "group: a/b", "group: not a group" },
		{ "symlinks: yes", "symlinks: must be refuse or beneath" },
		{ "quota: {bytes: 0}", "quota.bytes: must be a number from 1" },
		{ "quota: {bytes: 1X}",
		    "quota.bytes: must be a number from 1" },
		{ "quota: {bytes: 9223372036854775808}",
		    "quota.bytes: must be a number from 1" },
		{ "quota: {bytes: 8388608T}",
		    "quota.bytes: must be a number from 1" },
		{ "quota: {files: 1K}",
		    "quota.files: must be a number from 1" },
		{ "quota: {inodes: 1}", "quota.inodes: unknown key" },
		{ "bandwidth: {in: -1}",
		    "bandwidth.in: must be a number from 1" },
		{ "sessions: 0", "sessions: must be 1 to 65535" },
		{ "folders: [{name: a/b, path: c}]",
		    "folders[0]: its name must be one plain component" },
		{ "folders: [{name: a, path: ../c}]",
		    "folders[0]: must be a path below the volume, like a/b" },
		{ "folders: [{name: a, path: .mft/out}]",
		    "folders[0]: overlaps .mft" },
		{ "folders: [{name: a, path: c}, {name: a, path: d}]",
		    "folders[1]: its name is given twice" },
	};
	char text[1024], why[512];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), ACCOUNT "    %s\n", rows[i].text);
		snprintf(why, sizeof(why), ":5: accounts[0].%s", rows[i].why);
		refused(text, why);
	}
}

static void
volumes_are_this_nodes(void **state)
{
	struct mftd_conf conf = { .n_volumes = 1,
		.volumes = { { .name = "main", .path = "/srv" } } };
	struct mftd_objects *o;
	char why[512] = "";

	assert_int_equal(load_on(ACCOUNT, &conf, &o, why, sizeof(why)), 0);
	mftd_objects_free(o);
	conf.volumes[0].name = "other";
	assert_int_equal(
	    load_on(ACCOUNT, &conf, &o, why, sizeof(why)), -MFTD_E_CONF);
	assert_string_equal(
	    why, ":3: accounts[0].volume: this node has no such volume");
	assert_null(o);
}

/* Nobody would ever send what waits there. */
static void
queue_is_of_the_node(void **state)
{
	struct mftd_conf conf = { .n_volumes = 1,
		.volumes = { { .name = "main", .path = "/srv" } },
		.n_queues = 1,
		.queues = { "banks" } };
	struct mftd_objects *o;
	char why[512] = "";

	assert_int_equal(load_on(ACCOUNT PARTNER ROUTE "    queue: banks\n",
			     &conf, &o, why, sizeof(why)),
	    0);
	mftd_objects_free(o);
	assert_int_equal(load_on(ACCOUNT PARTNER ROUTE "    queue: shops\n",
			     &conf, &o, why, sizeof(why)),
	    -MFTD_E_CONF);
	assert_string_equal(
	    why, ":16: routes[0].queue: no such queue in mftd.yaml");
	/* nor in the one of a route that names none */
	assert_int_equal(
	    load_on(ACCOUNT PARTNER ROUTE, &conf, &o, why, sizeof(why)),
	    -MFTD_E_CONF);
	assert_string_equal(
	    why, ":13: routes[0].queue: no such queue in mftd.yaml");
	assert_null(o);
}

/* Who has the queue "default" tells hooks, and nobody else. */
static void
hooks_need_the_default_queue(void **state)
{
	static const struct {
		const char *lines, *why;
	} rows[] = {
		{ "hooks:\n  - {name: h, on: [late], exec: [/bin/true]}\n",
		    ":18: hooks[0].on: nobody would be told: hooks run beside "
		    "the queue default; add it to queues in mftd.yaml" },
		{ "    expected_by: \"06:00\"\n",
		    ":17: routes[0].expected_by: nobody would be told: hooks "
		    "run beside the queue default; add it to queues in "
		    "mftd.yaml" },
	};
	struct mftd_conf conf = { .n_volumes = 1,
		.volumes = { { .name = "main", .path = "/srv" } } };
	struct mftd_objects *o;
	char text[2048], why[512] = "";
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%s    queue: banks\n%s",
		    ACCOUNT PARTNER ROUTE, rows[i].lines);
		conf.queues[0] = "banks";
		conf.n_queues = 1;
		assert_int_equal(
		    load_on(text, &conf, &o, why, sizeof(why)), -MFTD_E_CONF);
		assert_string_equal(why, rows[i].why);
		conf.queues[1] = "default";
		conf.n_queues = 2;
		assert_int_equal(load_on(text, &conf, &o, why, sizeof(why)), 0);
		mftd_objects_free(o);
	}
}

/* A place is a queue that mftd.yaml need not name. */
static void
route_runs_on_a_place(void **state)
{
	static const struct {
		const char *lines, *queue;
	} rows[] = {
		{ "    runs_on: promoted\n    queue: banks\n", "banks" },
		{ "    runs_on: controller\n", "@controller" },
		{ "    runs_on: node n1.example\n", "@node:n1.example" },
		{ "    runs_on: node "
		  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\n",
		    "@node:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" },
	};
	struct mftd_conf conf = { .n_volumes = 1,
		.volumes = { { .name = "main", .path = "/srv" } },
		.n_queues = 1,
		.queues = { "banks" } };
	struct mftd_objects *o;
	char text[2048], why[512] = "";
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", ACCOUNT PARTNER ROUTE,
		    rows[i].lines);
		assert_int_equal(load_on(text, &conf, &o, why, sizeof(why)), 0);
		assert_string_equal(o->routes[0].queue, rows[i].queue);
		mftd_objects_free(o);
	}
}

static void
places_are_checked(void **state)
{
	refused(ACCOUNT PARTNER ROUTE "    runs_on: here\n",
	    ":16: routes[0].runs_on: must be promoted, controller, or node "
	    "and its name");
	refused(ACCOUNT PARTNER ROUTE "    runs_on: node\n",
	    ":16: routes[0].runs_on: must be promoted, controller, or node "
	    "and its name");
	refused(ACCOUNT PARTNER ROUTE "    runs_on: node  n1\n",
	    ":16: routes[0].runs_on: no node can have that name");
	refused(ACCOUNT PARTNER ROUTE "    runs_on: node n1 n2\n",
	    ":16: routes[0].runs_on: no node can have that name");
	refused(ACCOUNT PARTNER ROUTE
	    "    runs_on: node "
	    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\n",
	    ":16: routes[0].runs_on: no node can have that name");
	refused(ACCOUNT PARTNER ROUTE "    queue: default\n"
				      "    runs_on: controller\n",
	    ":16: routes[0].queue: means nothing unless it runs_on promoted: "
	    "a place is a queue of its own");
	refused(ACCOUNT PARTNER ROUTE "    queue: \"@controller\"\n",
	    ":16: routes[0].queue: not a name");
}

static void
nul_is_refused(void **state)
{
	refused(ACCOUNT "    password: \"a\\0b\"\n",
	    ":5: accounts[0].password: holds a NUL");
	refused(ACCOUNT "    keys:\n    - \"" KEY "\"\n    - \"" KEY "\\0\"\n",
	    ":7: accounts[0].keys[1]: holds a NUL");
	refused(ACCOUNT "    \"keys\\0x\": []\n",
	    ":5: accounts[0].keys: holds a NUL");
	refused(ACCOUNT PARTNER ROUTE "    directory: \"in\\x00\"\n",
	    ":16: routes[0].directory: holds a NUL");
}

static void
numbers_are_digits(void **state)
{
	static const char *const bad[] = { "22.5", "22.", "2e1", "0x16", "022",
		"22 1", "\"\"", "\"-\"", "--1", "\"22\\n\"" };
	char text[2048];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), ACCOUNT PARTNER "    port: %s\n",
		    bad[i]);
		refused(text, ":12: partners[0].port: not a number");
	}
	refused(ACCOUNT PARTNER ROUTE "    settle_s: 1.5\n",
	    ":16: routes[0].settle_s: not a number");
	refused(ACCOUNT PARTNER ROUTE "    settle_s: -1\n",
	    ":16: routes[0].settle_s: must be 0 to 3600");
}

static void
deep_nesting_is_refused(void **state)
{
	static const char head[] = "# deep\naccounts: ";
	const size_t levels = 100000, n = sizeof(head) - 1;
	char *text = malloc(n + levels + 1);

	assert_non_null(text);
	memcpy(text, head, n);
	memset(text + n, '[', levels);
	text[n + levels] = '\0';
	refused(text, ":2: accounts: nested too deeply");
	free(text);
}

#define HASH(ln, r)                                             \
	"$scrypt$ln=" ln ",r=" r ",p=1$MDEyMzQ1Njc4OWFiY2RlZg$" \
	"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"

static void
secrets_are_checked_and_not_repeated(void **state)
{
	struct mftd_objects *o;
	char text[2048], long_one[1200], why[512];

	refused(ACCOUNT "    password: a\n    password_hash: b\n",
	    ":6: accounts[0].password_hash: beside password: give one of "
	    "them");
	refused(ACCOUNT "    password_hash: geheim\n",
	    ":5: accounts[0].password_hash: not a scrypt hash");
	refused(ACCOUNT "    password_hash: " HASH("16", "8") "\n",
	    ":5: accounts[0].password_hash: must be of ln=17,r=8,p=1, as those "
	    "of mftctl");
	refused(ACCOUNT "    password_hash: " HASH("18", "8") "\n",
	    ":5: accounts[0].password_hash: must be of ln=17,r=8,p=1, as those "
	    "of mftctl");
	refused(ACCOUNT "    password_hash: " HASH("17", "4") "\n",
	    ":5: accounts[0].password_hash: must be of ln=17,r=8,p=1, as those "
	    "of mftctl");
	assert_int_equal(
	    load(ACCOUNT "    password_hash: " HASH("17", "8") "\n", &o, why,
		sizeof(why)),
	    0);
	mftd_objects_free(o);
	refused(ACCOUNT "    password: [x]\n",
	    ":5: accounts[0].password: must be "
	    "a text");
	memset(long_one, 's', sizeof(long_one));
	long_one[sizeof(long_one) - 1] = '\0';
	snprintf(text, sizeof(text), ACCOUNT "    password: %s\n", long_one);
	refused(text, ":5: accounts[0].password: too long");
}

/* ssh-keygen -t rsa -b 1024, and -b 2048 */
#define RSA_1024                                                       \
	"ssh-rsa "                                                     \
	"AAAAB3NzaC1yc2EAAAADAQABAAAAgQDGbyWj/4DJLptfmLW3DPNr1nCl7bRj" \
	"vhCKuyJI4XsSqWs3LvM76LHEZ4Bs/uwKSnbeR8naZMZg6p7R4w1Ih0kJMhRs" \
	"+ABYwu2bAvupn2V6ZpAyHtPmaG1lX6M3cRmC5zABCDXIFbNLmTH+PpF1pe6N" \
	"DG9sKHN+D7sdvzyBCjtCNw=="
#define RSA_2048                                                       \
	"ssh-rsa "                                                     \
	"AAAAB3NzaC1yc2EAAAADAQABAAABAQDNw2CpaQTVmXfBYH0QDcxPxol0dqX7" \
	"9DAXcqBMSOq8vK0D7NbO2Qp3nBMwMcI65jfcI52szbTDWtPSl44jm+wOgD+p" \
	"hYCfHRvRPUDMTOTHVlRFIw0HjJOYN2VjOmq2TkCX3YtjtmLLCtQPAJjMeYR2" \
	"jbW9yUk89EzNNXeCLac7Qmr9RURiZhaaRTxlQ+Cv6W7ITFoecKAb5+wLT91O" \
	"yhkxvJ9DaTmhdlMKUQGKzUUXvzDoRwelKeE2m74lijAvupgCqY8rAslrZVpU" \
	"9ObkwUuA/UiEbPqJLLwZYqQ9rBDFmzN1jRGkvsp95iHkOcgyFju6g+AO/w66" \
	"c/Zv7mKU/K8V"

static void
keys_are_checked(void **state)
{
	struct mftd_objects *o;
	char why[512];

	refused(ACCOUNT "    keys: [\"" RSA_1024 "\"]\n",
	    ":5: accounts[0].keys[0]: an RSA key of less than 2048 bits");
	assert_int_equal(load(ACCOUNT "    keys: [\"" RSA_2048 "\"]\n", &o, why,
			     sizeof(why)),
	    0);
	mftd_objects_free(o);
	refused(ACCOUNT "    keys: [\"sk-ssh-ed25519@openssh.com "
			"AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA\"]\n",
	    ":5: accounts[0].keys[0]: keys of this type are not accepted");
	refused(ACCOUNT "    keys:\n    - \"" KEY "\"\n    - ssh-ed25519\n",
	    ":7: accounts[0].keys[1]: must be: type base64 [comment]");
	refused(ACCOUNT "    keys: [\"ssh-ed25519 AA%A\"]\n",
	    ":5: accounts[0].keys[0]: not base64");
	refused(ACCOUNT "    keys: [\"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA\"]\n",
	    ":5: accounts[0].keys[0]: not a key of the type it names");
	refused(ACCOUNT "    keys: [\"ssh-dss AAAAB3NzaC1kc3MAAACB\"]\n",
	    ":5: accounts[0].keys[0]: keys of this type are not accepted");
}

static void
partners_are_checked(void **state)
{
	refused(ACCOUNT PARTNER "    port: 65536\n",
	    ":12: partners[0].port: must be 1 to 65535");
	refused(ACCOUNT PARTNER "    port: 0\n",
	    ":12: partners[0].port: must be 1 to 65535");
	refused(ACCOUNT "partners:\n  - name: a\n    host: \"a b\"\n"
			"    user: u\n    key_file: /k\n    host_keys: [\"" KEY
			"\"]\n",
	    ":7: partners[0].host: not a host name or address");
	refused(ACCOUNT "partners:\n  - name: a\n    host: h\n"
			"    user: u\n    key_file: k\n    host_keys: [\"" KEY
			"\"]\n",
	    ":9: partners[0].key_file: must be an absolute path");
	refused(ACCOUNT "partners:\n  - name: a\n    host: \"h:22\"\n"
			"    user: u\n    key_file: /k\n    host_keys: [\"" KEY
			"\"]\n",
	    ":7: partners[0].host: not a host name or address");
	refused(ACCOUNT "partners:\n  - name: a\n    host: h\n"
			"    user: u\n    host_keys: [\"" KEY "\"]\n",
	    ":6: partners[0].key_file: is missing, and so is a password");
	refused(ACCOUNT "partners:\n  - name: a\n    host: h\n"
			"    user: u\n    host_keys: [\"" KEY "\"]\n"
			"    password: x\n",
	    ":10: partners[0].password: cannot be kept: mftd.yaml names no "
	    "secret_key");
	refused(ACCOUNT PARTNER "    other_hosts: [a, \"b:0\"]\n",
	    ":12: partners[0].other_hosts[1]: must be HOST, HOST:PORT or "
	    "[V6]:PORT");
	refused(ACCOUNT PARTNER "    other_hosts: [\"[::1]:65536\"]\n",
	    ":12: partners[0].other_hosts[0]: must be HOST, HOST:PORT or "
	    "[V6]:PORT");
	refused(ACCOUNT PARTNER "    source: here\n",
	    ":12: partners[0].source: not an address, numeric");
	refused(ACCOUNT PARTNER "    source: 224.0.0.1\n", NO_HOST_S);
	refused(ACCOUNT PARTNER "    source: 255.255.255.255\n", NO_HOST_S);
	refused(ACCOUNT PARTNER "    source: 0.0.0.0\n", NO_HOST_S);
	refused(ACCOUNT PARTNER "    source: \"::\"\n", NO_HOST_S);
	refused(ACCOUNT PARTNER "    source: \"ff02::1\"\n", NO_HOST_S);
	refused(
	    ACCOUNT PARTNER "    source: \"::ffff:192.0.2.1\"\n", NO_HOST_S);
	refused(ACCOUNT PARTNER "    ciphers: a b\n",
	    ":12: partners[0].ciphers: knows no a b");
	refused(ACCOUNT PARTNER "    ciphers: \"aes256-ctr,\"\n",
	    ":12: partners[0].ciphers: must be names with commas between");
	refused(ACCOUNT PARTNER "    macs: hmac-sha2-256,foo\n",
	    ":12: partners[0].macs: knows no foo");
	refused(ACCOUNT PARTNER "    key_exchanges: aes256-ctr\n",
	    ":12: partners[0].key_exchanges: knows no aes256-ctr");
	refused(ACCOUNT PARTNER "    connections: 9\n",
	    ":12: partners[0].connections: must be 1 to 8");
	refused(ACCOUNT PARTNER "    bandwidth: 0\n",
	    ":12: partners[0].bandwidth: must be a number from 1");
	refused(ACCOUNT PARTNER "    bandwidth: 10X\n",
	    ":12: partners[0].bandwidth: must be a number from 1");
	refused(ACCOUNT PARTNER "    connect_s: 0\n",
	    ":12: partners[0].connect_s: must be 1 to 120");
	refused(ACCOUNT PARTNER "    request_s: 601\n",
	    ":12: partners[0].request_s: must be 1 to 600");
	refused(ACCOUNT "partners:\n  - name: a\n    host: h\n"
			"    user: u\n    key_file: /k\n    host_keys: []\n",
	    ":10: partners[0].host_keys: too few entries");
	refused(ACCOUNT "partners:\n  - name: a\n    host: h\n"
			"    user: u\n    key_file: /k\n",
	    ":6: partners[0].host_keys: is missing");
}

/* What is no name or address is none of a host, wherever one stands. */
static void
hosts_are_checked(void **state)
{
	static const char *const good[] = { "h", "h-1.example", "a_b.c",
		"xn--mller-kva.example", "192.0.2.1", "::1", "2001:db8::1",
		"fe80::1%eth0", "1.example", "h." };
	static const char *const bad[] = { "", " ", "a b", " a", "a ", "-a",
		"-oProxyCommand=x", ".a", "a..b", "a.-b", "a\tb", "a\nb",
		"a\x7f", "a/b", "u@h", "[::1]", "a,b", "a;b", "$(x)",
		"m\xc3\xbcller.example", "\xff", "1.2", "256.1.1.1", "10",
		"::g", "fe80::1%", "fe80::1%a b", "h:22" };
	char text[64];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(mftd_check_host(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (mftd_check_host(bad[i]))
			fail_msg("taken for a host: %s", bad[i]);
		snprintf(text, sizeof(text), "%s:22", bad[i]);
		if (strcmp(bad[i], "[::1]") != 0)
			assert_false(mftd_check_host_port(text));
	}
	assert_true(mftd_check_host_port("h:22"));
	assert_true(mftd_check_host_port("[::1]:22"));
	assert_false(mftd_check_host_port("[h:22"));
	assert_false(mftd_check_host_port("h:+22"));
	assert_false(mftd_check_host_port("h:22x"));
}

static void
routes_are_checked(void **state)
{
	refused(ACCOUNT PARTNER "routes:\n  - {name: r, account: eve, "
				"partner: acme}\n",
	    ":13: routes[0].account: no such account");
	refused(ACCOUNT PARTNER "routes:\n  - {name: r, account: alice, "
				"partner: eve}\n",
	    ":13: routes[0].partner: no such partner");
	refused(ACCOUNT PARTNER ROUTE "    queue: a/b\n",
	    ":16: routes[0].queue: not a name");
	refused(ACCOUNT PARTNER ROUTE "    settle_s: 3601\n",
	    ":16: routes[0].settle_s: must be 0 to 3600");
	refused(ACCOUNT PARTNER ROUTE "    priority: 10\n",
	    ":16: routes[0].priority: must be 0 to 9");
	refused(ACCOUNT PARTNER ROUTE "    ordered: flase\n",
	    ":16: routes[0].ordered: neither true nor false");
	refused(ACCOUNT PARTNER ROUTE "    skip_failed: true\n",
	    ":16: routes[0].skip_failed: means nothing without ordered");
	refused(ACCOUNT PARTNER ROUTE "    directory: \"a\\tb\"\n",
	    ":16: routes[0].directory: holds a control character");
	refused(ACCOUNT PARTNER ROUTE "    retry: {tries: 0}\n",
	    ":16: routes[0].retry.tries: must be 1 to 10000");
	refused(ACCOUNT PARTNER ROUTE "    retry: {hours: 8761}\n",
	    ":16: routes[0].retry.hours: must be 1 to 8760");
	refused(ACCOUNT PARTNER ROUTE "    schedule: 0 24 * * *\n",
	    ":16: routes[0].schedule: its hour is none of 0 to 23");
	refused(ACCOUNT PARTNER ROUTE "    time_zone: UTC\n",
	    ":16: routes[0].time_zone: means nothing without a schedule or "
	    "expected_by");
	refused(ACCOUNT PARTNER ROUTE "    calendar: bank\n",
	    ":16: routes[0].calendar: means nothing without a schedule or "
	    "expected_by");
	refused(ACCOUNT PARTNER ROUTE "    schedule: 0 6 * * *\n"
				      "    time_zone: Nowhere\n",
	    ":17: routes[0].time_zone: no such time zone");
	refused(ACCOUNT PARTNER ROUTE "    schedule: 0 6 * * *\n"
				      "    calendar: bank\n",
	    ":17: routes[0].calendar: no such calendar");
	refused(ACCOUNT "calendars:\n  - name: bank\n"
			"    closed: [2027-12-25, 2027-02-29]\n",
	    ":7: calendars[0].closed[1]: must be a day, like 2027-12-25");
	refused(ACCOUNT "calendars:\n  - {name: a, closed: []}\n"
			"  - {name: a, closed: []}\n",
	    ":7: calendars[1].name: given twice");
	refused(ACCOUNT PARTNER ROUTE "    files: []\n",
	    ":16: routes[0].files: too few entries");
	refused(ACCOUNT PARTNER ROUTE "    files: [a, /b]\n",
	    ":16: routes[0].files[1]: begins or ends with a slash");
	refused(ACCOUNT PARTNER ROUTE "    except: [\"\"]\n",
	    ":16: routes[0].except[0]: is empty");
	refused(ACCOUNT PARTNER ROUTE "    name_template: a/b\n",
	    ":16: routes[0].name_template: holds a slash");
	refused(ACCOUNT PARTNER ROUTE "    name_template: \"{nam}\"\n",
	    ":16: routes[0].name_template: must be text with {name}, "
	    "{stem}, {suffix}, {date}, {time}, {year}, {month}, {day}, {seq} "
	    "or {seq:1} to {seq:18}");
	refused(ACCOUNT PARTNER ROUTE "    name_template: \"{suffix}\"\n",
	    ":16: routes[0].name_template: may make a name that no file can "
	    "have: empty, \".\", \"..\" or longer than 255 bytes");
	refused(ACCOUNT PARTNER ROUTE "    schedule: 0 0 31 2 *\n",
	    ":16: routes[0].schedule: comes in none of the next ten years");
	refused(ACCOUNT PARTNER ROUTE "    expected_by: 0 0 31 apr,jun *\n",
	    ":16: routes[0].expected_by: comes in none of the next ten years");
	refused(ACCOUNT PARTNER ROUTE "    files: [\"a\\\\\"]\n",
	    ":16: routes[0].files[0]: ends with a backslash");
}

/* A schedule that hits nothing but closed days. */
static void
closed_days_count(void **state)
{
	char text[2048];
	size_t n;
	int year;

	n = (size_t)snprintf(text, sizeof(text),
	    ACCOUNT PARTNER ROUTE "    schedule: 0 0 25 12 *\n"
				  "    calendar: bank\n"
				  "calendars:\n  - name: bank\n"
				  "    closed: [");
	for (year = 2020; year < 2080; year++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d-12-25",
		    year > 2020 ? ", " : "", year);
	snprintf(text + n, sizeof(text) - n, "]\n");
	refused(text,
	    ":16: routes[0].schedule: comes in none of the next ten years");
}

/* What becomes of a source. */
static void
wishes_of_routes_are_checked(void **state)
{
	(void)state;
	refused(ACCOUNT PARTNER ROUTE "    after: move\n",
	    ":16: routes[0].after: must be keep, archive or delete");
	refused(ACCOUNT PARTNER ROUTE "    after: archive\n",
	    ":16: routes[0].after: needs an archive, a folder's path");
	refused(ACCOUNT PARTNER ROUTE "    archive: old\n",
	    ":16: routes[0].archive: means nothing without after: archive");
	refused(ACCOUNT PARTNER ROUTE "    archive_below: volume\n",
	    ":16: routes[0].archive_below: means nothing without an archive");
	refused(ACCOUNT PARTNER ROUTE "    after: delete\n    archive: old\n",
	    ":17: routes[0].archive: means nothing without after: archive");
	refused(ACCOUNT PARTNER ROUTE
	    "    after: archive\n    archive: ../old\n",
	    ":17: routes[0].archive: must be a path like old/{year}: without "
	    "\".\", \"..\", an empty part or a slash at its end");
	refused(ACCOUNT PARTNER ROUTE "    after: archive\n    archive: /old\n",
	    ":17: routes[0].archive: must be a path below the account's root "
	    "or the volume, without a slash before it");
	refused(ACCOUNT PARTNER ROUTE
	    "    after: archive\n    archive: .mft/out\n",
	    ":17: routes[0].archive: lies in .mft, which is mftd's own");
	refused(ACCOUNT PARTNER ROUTE
	    "    after: archive\n    archive: \"{name}\"\n",
	    ":17: routes[0].archive: is a folder for many files: no {name}, "
	    "{stem}, {suffix} or {seq}");
	refused(ACCOUNT PARTNER ROUTE
	    "    after: archive\n    archive: \"{yaer}\"\n",
	    ":17: routes[0].archive: has words in braces that are none of "
	    "{year}, {month}, {day}, {date} and {time}");
	refused(ACCOUNT PARTNER ROUTE "    after: archive\n"
				      "    archive: old\n"
				      "    archive_below: root\n",
	    ":18: routes[0].archive_below: must be account or volume");
}

#define TWO_ACCOUNTS ACCOUNT "  - {name: bob, volume: main, root: bob}\n"

static void
targets_are_checked(void **state)
{
	struct mftd_objects *o;
	char why[512];

	(void)state;
	assert_int_equal(load(TWO_ACCOUNTS "routes:\n"
					   "  - {name: r, account: alice, "
					   "to_account: bob, "
					   "to_directory: in/box}\n"
					   "  - {name: s, account: alice, "
					   "to_account: bob}\n",
			     &o, why, sizeof(why)),
	    0);
	assert_null(o->routes[0].partner);
	assert_string_equal(o->routes[0].to_account, "bob");
	assert_string_equal(o->routes[0].directory, "in/box");
	assert_string_equal(o->routes[1].directory, "");
	mftd_objects_free(o);
	refused(ACCOUNT "routes:\n  - {name: r, account: alice}\n",
	    ":6: routes[0].name: a route leads to either a partner or an "
	    "account");
	refused(ACCOUNT PARTNER ROUTE "    to_account: alice\n",
	    ":16: routes[0].to_account: a route leads to either a partner or "
	    "an account");
	refused(ACCOUNT PARTNER ROUTE "    to_directory: x\n",
	    ":16: routes[0].to_directory: is an account's; a partner's is "
	    "directory");
	refused(TWO_ACCOUNTS "routes:\n  - name: r\n    account: alice\n"
			     "    to_account: eve\n",
	    ":9: routes[0].to_account: no such account");
	refused(TWO_ACCOUNTS "routes:\n  - name: r\n    account: alice\n"
			     "    to_account: bob\n    directory: x\n",
	    ":10: routes[0].directory: is a partner's; an account's is "
	    "to_directory");
	refused(TWO_ACCOUNTS "routes:\n  - name: r\n    account: alice\n"
			     "    to_account: bob\n    trigger: x\n",
	    ":10: routes[0].trigger: is for routes to a partner");
	refused(TWO_ACCOUNTS "routes:\n  - name: r\n    account: alice\n"
			     "    to_account: bob\n    to_directory: /x\n",
	    ":10: routes[0].to_directory: must be a plain path below the "
	    "account's root");
	refused(TWO_ACCOUNTS "routes:\n  - name: r\n    account: alice\n"
			     "    to_account: bob\n    to_directory: ../x\n",
	    ":10: routes[0].to_directory: must be a plain path below the "
	    "account's root");
}

#define FROM_TO(n, from, to) \
	"  - {name: " n ", account: " from ", to_account: " to "}\n"
#define LOOPS                                             \
	": its files would come back to where they came " \
	"from"

static void
loops_are_refused(void **state)
{
	static const char accounts[] = "accounts:\n"
				       "  - {name: a, volume: v, root: a}\n"
				       "  - {name: b, volume: v, root: b}\n"
				       "  - {name: c, volume: v, root: c}\n"
				       "  - {name: d, volume: v, root: d}\n"
				       "routes:\n";
	static const struct {
		const char *routes, *why;
	} cases[] = {
		{ FROM_TO("r", "a", "a"),
		    ":7: routes[0].to_account" LOOPS ": r" },
		{ FROM_TO("r", "b", "a") FROM_TO("s", "a", "b"),
		    ":7: routes[0].to_account" LOOPS ": s -> r" },
		{ FROM_TO("r", "d", "a") FROM_TO("s", "b", "c")
			FROM_TO("t", "a", "b") FROM_TO("u", "c", "b"),
		    ":10: routes[3].to_account" LOOPS ": s -> u" },
		/* two ways to one place are none */
		{ FROM_TO("r", "a", "b") FROM_TO("s", "a", "c") FROM_TO("t",
		      "b", "d") FROM_TO("u", "c", "d") FROM_TO("v", "a", "d"),
		    NULL },
	};
	struct mftd_objects *o;
	char text[2048], why[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", accounts, cases[i].routes);
		if (cases[i].why != NULL) {
			refused(text, cases[i].why);
			continue;
		}
		assert_int_equal(load(text, &o, why, sizeof(why)), 0);
		mftd_objects_free(o);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file_is_taken),
		cmocka_unit_test(empty_list_is_no_error),
		cmocka_unit_test(accounts_are_checked),
		cmocka_unit_test(options_are_taken),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(volumes_are_this_nodes),
		cmocka_unit_test(queue_is_of_the_node),
		cmocka_unit_test(hooks_need_the_default_queue),
		cmocka_unit_test(route_runs_on_a_place),
		cmocka_unit_test(places_are_checked),
		cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(numbers_are_digits),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(secrets_are_checked_and_not_repeated),
		cmocka_unit_test(keys_are_checked),
		cmocka_unit_test(partners_are_checked),
		cmocka_unit_test(wishes_of_routes_are_checked),
		cmocka_unit_test(hosts_are_checked),
		cmocka_unit_test(routes_are_checked),
		cmocka_unit_test(closed_days_count),
		cmocka_unit_test(targets_are_checked),
		cmocka_unit_test(loops_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
