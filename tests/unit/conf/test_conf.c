/* Part of mftd; see LICENSE. */
#include "mftd/conf/conf.h"

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

#define GOOD                             \
	"mode: standalone\n"             \
	"listen: [\"127.0.0.1:2222\"]\n" \
	"host_keys: [/k]\n"              \
	"catalog: sqlite:/c.db\n"        \
	"volumes:\n  - name: main\n"     \
	"    path: /srv\n"

/* Loads text from a file of its own; why without the file's name. */
static int
load(const char *text, struct mftd_conf **c, char *why, size_t size)
{
	char file[] = "test_conf_XXXXXX", full[512] = "";
	int fd = mkstemp(file), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*c = NULL;
	r = mftd_conf_load(file, c, full, sizeof(full));
	unlink(file);
	if (r < 0) {
		assert_memory_equal(full, file, strlen(file));
		snprintf(why, size, "%s", full + strlen(file));
	}
	return r;
}

static void
refused(const char *text, const char *want)
{
	struct mftd_conf *c;
	char why[512];

	assert_int_equal(load(text, &c, why, sizeof(why)), -MFTD_E_CONF);
	assert_string_equal(why, want);
	assert_null(c);
}

static void
whole_file_is_taken(void **state)
{
	struct mftd_conf *c;
	char why[512];

	assert_int_equal(
	    load("mode: cluster\nnode: n1\nuser: u\n"
		 "listen: [\"0.0.0.0:22\", \"[::1]:65535\"]\n"
		 "host_keys: [/a, /b]\ncatalog: \"postgresql://h/mft\"\n"
		 "volumes:\n  - name: main\n    path: /srv/mft\n"
		 "  - {name: other, path: /srv/other}\n"
		 "queues: [banks, shops]\n"
		 "state_dir: /s\nrun_dir: /r\nlog: syslog\n"
		 "log_level: debug\nlease_ms: 500\n",
		&c, why, sizeof(why)),
	    0);
	assert_true(c->cluster);
	assert_string_equal(c->node, "n1");
	assert_string_equal(c->user, "u");
	assert_int_equal(c->n_listen, 2);
	assert_string_equal(c->listen[1], "[::1]:65535");
	assert_int_equal(c->n_host_keys, 2);
	assert_string_equal(c->host_keys[1], "/b");
	assert_string_equal(c->catalog, "postgresql://h/mft");
	assert_int_equal(c->n_volumes, 2);
	assert_string_equal(mftd_conf_volume(c, "other")->path, "/srv/other");
	assert_null(mftd_conf_volume(c, "none"));
	assert_int_equal(c->n_queues, 2);
	assert_string_equal(c->queues[1], "shops");
	assert_true(mftd_conf_has_queue(c, "banks"));
	assert_false(mftd_conf_has_queue(c, MFTD_DEFAULT_QUEUE));
	assert_string_equal(c->state_dir, "/s");
	assert_string_equal(c->run_dir, "/r");
	assert_string_equal(c->log, "syslog");
	assert_string_equal(c->log_level, "debug");
	assert_int_equal(c->lease_ms, 500);
	mftd_conf_free(c);
}

static void
defaults_fill_the_rest(void **state)
{
	struct mftd_conf *c;
	char why[512], host[256] = "";

	assert_int_equal(load(GOOD, &c, why, sizeof(why)), 0);
	assert_false(c->cluster);
	gethostname(host, sizeof(host) - 1);
	host[strcspn(host, ".")] = '\0';
	assert_string_equal(c->node, host);
	assert_string_equal(c->user, "mft");
	assert_string_equal(c->state_dir, LOCALSTATEDIR "/lib/mft");
	assert_string_equal(c->run_dir, "/run/mft");
	assert_string_equal(c->log, "stderr");
	assert_string_equal(c->log_level, "info");
	assert_int_equal(c->lease_ms, 3000);
	assert_int_equal(c->n_queues, 1);
	assert_true(mftd_conf_has_queue(c, MFTD_DEFAULT_QUEUE));
	mftd_conf_free(c);
}

static void
schema_errors_name_line_and_field(void **state)
{
	refused(GOOD "colour: red\n", ":8: colour: unknown key");
	refused("colour: red\n" GOOD, ":1: colour: unknown key");
	refused(GOOD "    size: 3\n", ":8: volumes[0].size: unknown key");
	refused(GOOD "  - name: b\n", ":8: volumes[1].path: is missing");
	refused("node: a\n", ":1: mode: is missing");
	refused(GOOD "mode: cluster\n", ":8: mode: given twice");
	refused(GOOD "lease_ms: soon\n", ":8: lease_ms: not a number");
	refused(GOOD "log: [a]\n", ":8: log: must be a text");
	refused(GOOD "user:\n", ":8: user: is empty");
	refused("mode: both\n", ":1: mode: no such choice");
	refused("# comment\n\nvolumes: /srv\n", ":3: volumes: must be a list");
	refused("listen: []\n", ":1: listen: too few entries");
	refused("listen: [a,b,c,d,e,\nf,g,h,\ni]\n",
	    ":1: listen: too many entries");
}

static void
scalars_are_strict(void **state)
{
	refused(GOOD "user: \"a\\0b\"\n", ":8: user: holds a NUL");
	refused(GOOD "\"user\\0\": a\n", ":8: user: holds a NUL");
	refused(GOOD "  - name: b\n    path: \"/b\\0\"\n",
	    ":9: volumes[1].path: holds a NUL");
	refused(GOOD "lease_ms: 1000.5\n", ":8: lease_ms: not a number");
	refused(GOOD "lease_ms: 01000\n", ":8: lease_ms: not a number");
	refused("a: [[[[[[[[[\n[[[[[[[\n", ":2: a: nested too deeply");
}

static void
meaning_errors_name_line_and_field(void **state)
{
	refused(GOOD "lease_ms: 499\n", ":8: lease_ms: must be 500 to 60000");
	refused(GOOD "lease_ms: 0\n", ":8: lease_ms: must be 500 to 60000");
	refused(GOOD "node: a b\n",
	    ":8: node: not a name: letters, digits, _ . - only");
	refused(GOOD "log: file\n", ":8: log: must be stderr or syslog");
	refused(GOOD "log_level: loud\n",
	    ":8: log_level: must be error, warn, info or debug");
	refused(GOOD "run_dir: run\n", ":8: run_dir: must be an absolute path");
	refused(
	    GOOD "state_dir: x\n", ":8: state_dir: must be an absolute path");
	refused(GOOD "  - name: b\n    path: srv2\n",
	    ":9: volumes[1].path: must be an absolute path");
	refused(GOOD "  - name: main\n    path: /b\n",
	    ":8: volumes[1].name: given twice");
	refused(GOOD "  - name: b\n    path: /srv/b\n",
	    ":9: volumes[1].path: overlaps the volume main");
}

static void
queues_are_names(void **state)
{
	refused(GOOD "queues: []\n", ":8: queues: too few entries");
	refused(GOOD "queues: [a, b/c]\n",
	    ":8: queues[1]: not a name: letters, digits, _ . - only");
	refused(GOOD "queues: [a, b, a]\n", ":8: queues[2]: given twice");
	/* 58 bytes */
	refused(GOOD "queues: [qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"
		     "qqqqqqqqqq]\n",
	    ":8: queues[0]: too long");
}

/* Two volumes would be one journal. */
static void
volumes_overlap_by_a_link(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256], link[512], text[2048];

	snprintf(dir, sizeof(dir), "%s/test_conf_XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(link, sizeof(link), "%s/v", dir);
	assert_int_equal(symlink("/srv", link), 0);
	snprintf(text, sizeof(text), GOOD "  - name: b\n    path: %s\n", link);
	refused(text, ":9: volumes[1].path: overlaps the volume main");
	unlink(link);
	snprintf(text, sizeof(text), GOOD "  - name: b\n    path: %s\n", dir);
	{
		struct mftd_conf *c;
		char why[512];

		assert_int_equal(load(text, &c, why, sizeof(why)), 0);
		mftd_conf_free(c);
	}
	rmdir(dir);
}

static void
node_names_leave_room_for_ids(void **state)
{
	struct mftd_conf *c;
	char why[512];

	refused(GOOD "node: a234567890b234567890c234567890d234567890e2345\n",
	    ":8: node: longer than 44 characters");
	assert_int_equal(
	    load(GOOD "node: a234567890b234567890c234567890d234567890e234\n",
		&c, why, sizeof(why)),
	    0);
	mftd_conf_free(c);
}

/* Every number at its edges, and one beyond them. */
static void
numbers_have_edges(void **state)
{
	static const struct {
		const char *name;
		long min, max;
	} rows[] = {
		{ "lease_ms", 500, 60000 },
		{ "login_grace_s", 1, 3600 },
		{ "login_tries", 1, 100 },
		{ "idle_timeout_s", 0, 86400 },
		{ "keepalive_s", 0, 86400 },
		{ "keepalive_count", 1, 100 },
		{ "worker_timeout_s", 0, 86400 },
		{ "part_expire_s", 1, 31536000 },
		{ "journal_keep_days", 1, 36500 },
		{ "max_startups_per_source", 1, 4096 },
		{ "ban.failures", 0, 10000 },
		{ "ban.window_s", 1, 31536000 },
		{ "ban.time_s", 1, 31536000 },
	};
	struct mftd_conf *c;
	char text[1024], why[512], want[256];
	const char *name;
	size_t i;
	long v;
	int k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		name = strchr(rows[i].name, '.');
		for (k = 0; k < 4; k++) {
			v = k < 2 ? rows[i].min - k : rows[i].max + (k - 2);
			snprintf(text, sizeof(text),
			    name != NULL ? GOOD "ban: {%s: %ld}\n"
					 : GOOD "%s: %ld\n",
			    name != NULL ? name + 1 : rows[i].name, v);
			if (k % 2 == 0) {
				if (load(text, &c, why, sizeof(why)) != 0)
					fail_msg("%s", why);
				mftd_conf_free(c);
				continue;
			}
			snprintf(want, sizeof(want),
			    ":8: %s: must be %ld to %ld", rows[i].name,
			    rows[i].min, rows[i].max);
			refused(text, want);
		}
	}
}

static void
startups_are_checked(void **state)
{
	static const char *const good[] = { "1:1:1", "10:100:4096" };
	static const char *const bad[] = { "0:30:10", "10:0:20", "10:101:20",
		"21:30:20", "10:30:4097", "10:30", "10:30:20x", "a:b:c" };
	struct mftd_conf *c;
	char text[1024], why[512];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(
		    text, sizeof(text), GOOD "max_startups: \"%s\"\n", good[i]);
		assert_int_equal(load(text, &c, why, sizeof(why)), 0);
		mftd_conf_free(c);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(
		    text, sizeof(text), GOOD "max_startups: \"%s\"\n", bad[i]);
		refused(text,
		    ":8: max_startups: must be START:RATE:FULL, with RATE of 1 "
		    "to 100 and START not above FULL, which is at most 4096");
	}
}

static void
catalog_and_addresses_are_checked(void **state)
{
	static const char tail[] = "host_keys: [/k]\nvolumes:\n"
				   "  - name: main\n    path: /srv\n";
	static const char *const bad[] = { "1.2.3.4", "1.2.3.4:0",
		"1.2.3.4:65536", "1.2.3.4:22x", "host:22", "::1:22", "[::1]",
		"[1.2.3.4]:22", ":22", "1.2.3.4:+22" };
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
		    "mode: standalone\ncatalog: sqlite:/c\n"
		    "listen:\n  - 0.0.0.0:22\n  - \"%s\"\n%s",
		    bad[i], tail);
		refused(text,
		    ":5: listen[1]: must be ADDRESS:PORT or [V6]:PORT, "
		    "numeric");
	}
	snprintf(text, sizeof(text),
	    "mode: cluster\ncatalog: sqlite:/c\nlisten: [\"0.0.0.0:22\"]\n%s",
	    tail);
	refused(text,
	    ":2: catalog: a cluster needs one database for all nodes: "
	    "postgresql://");
	snprintf(text, sizeof(text),
	    "mode: cluster\ncatalog: mysql:/c\nlisten: [\"0.0.0.0:22\"]\n%s",
	    tail);
	refused(
	    text, ":2: catalog: must be sqlite:/PATH or a postgresql:// URI");
}

static void
no_yaml_is_told_with_its_line(void **state)
{
	struct mftd_conf *c = NULL;
	char why[512];

	refused("", ":1: nothing in it");
	refused("# only words\n", ":1: nothing in it");
	refused(GOOD "---\nmode: cluster\n", ":8: a second document");
	refused("- a\n", ":1: must be a mapping");
	assert_int_equal(
	    load("mode: a\nb: [c\nd: e\n", &c, why, sizeof(why)), -MFTD_E_CONF);
	assert_memory_equal(why, ":3: ", 4);
	refused(GOOD "user: &a /x\nrun_dir: *a\n",
	    ":9: run_dir: YAML alias unsupported");
	refused(GOOD "  - {}\n", ":8: volumes[1].name: is missing");
	assert_int_equal(
	    mftd_conf_load("no/such/file", &c, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "no/such/file"));
	assert_int_equal(mftd_conf_load("no/such/file", &c, NULL, 0), -ENOENT);
	assert_null(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_file_is_taken),
		cmocka_unit_test(defaults_fill_the_rest),
		cmocka_unit_test(schema_errors_name_line_and_field),
		cmocka_unit_test(scalars_are_strict),
		cmocka_unit_test(meaning_errors_name_line_and_field),
		cmocka_unit_test(queues_are_names),
		cmocka_unit_test(volumes_overlap_by_a_link),
		cmocka_unit_test(node_names_leave_room_for_ids),
		cmocka_unit_test(numbers_have_edges),
		cmocka_unit_test(startups_are_checked),
		cmocka_unit_test(catalog_and_addresses_are_checked),
		cmocka_unit_test(no_yaml_is_told_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
