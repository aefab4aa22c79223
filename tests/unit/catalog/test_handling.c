/* Part of mftd; see LICENSE. */
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

/* An ed25519 public key of 32 zero bytes: the right shape is what counts. */
#define KEY                          \
	"ssh-ed25519 "               \
	"AAAAC3NzaC1lZDI1NTE5AAAAI"  \
	"AAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAA"

#define ACCOUNT       \
	"accounts:\n" \
	"  - name: alice\n    volume: main\n    root: a/b\n"
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
	char file[] = "test_handling_XXXXXX", full[512] = "";
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

/* How files are handled at the partner. */
static void
route_says_how(void **state)
{
	struct mftd_objects *o;
	struct mftd_handling *at;
	char why[512];

	assert_int_equal(load(ACCOUNT PARTNER ROUTE
			     "    if_exists: overwrite\n    resume: verify\n"
			     "    mtime: preserve\n    mode: \"0640\"\n"
			     "    temp_suffix: .up\n    temp_directory: tmp\n"
			     "    trigger: .done\n"
			     "    trigger_line: \"{name} is there\"\n"
			     "  - {name: s, account: alice, partner: acme, "
			     "trigger: \"{stem}.ok\"}\n",
			     &o, why, sizeof(why)),
	    0);
	at = &o->routes[0].at;
	assert_int_equal(at->if_exists, MFTD_IF_EXISTS_OVERWRITE);
	assert_int_equal(at->resume, 1);
	assert_int_equal(at->preserve, 1);
	assert_int_equal(at->mode, 0640);
	assert_string_equal(at->temp_suffix, ".up");
	assert_string_equal(at->temp_directory, "tmp");
	assert_string_equal(at->trigger, "{name}.done");
	assert_string_equal(at->trigger_line, "{name} is there");
	at = &o->routes[1].at;
	assert_int_equal(at->if_exists, MFTD_IF_EXISTS_FAIL);
	assert_int_equal(at->resume, 0);
	assert_int_equal(at->preserve, 0);
	assert_int_equal(at->mode, 0);
	assert_string_equal(at->temp_suffix, "");
	assert_string_equal(at->trigger, "{stem}.ok");
	mftd_objects_free(o);
}

static void
route_says_how_wrongly(void **state)
{
	static const struct {
		const char *line, *why;
	} bad[] = {
		{ "if_exists: keep",
		    "if_exists: must be fail, number, overwrite or skip" },
		{ "resume: \"yes\"", "resume: must be restart or verify" },
		{ "mtime: keep", "mtime: must be unique or preserve" },
		{ "mode: \"0\"", "mode: must be octal, \"001\" to \"777\"" },
		{ "mode: \"1777\"", "mode: must be octal, \"001\" to \"777\"" },
		{ "mode: \"68\"", "mode: must be octal, \"001\" to \"777\"" },
		{ "mode: rw", "mode: must be octal, \"001\" to \"777\"" },
		{ "temp_suffix: /x",
		    "temp_suffix: holds a slash or a control character" },
		{ "temp_directory: \"a\\n\"",
		    "temp_directory: holds a control character" },
		{ "trigger: a/b", "trigger: holds a slash" },
		{ "trigger: \"{name}\"", "trigger: is the file's own name" },
		{ "trigger: .up\n    temp_suffix: .up",
		    "trigger: ends as the temporary names do (temp_suffix)" },
		{ "trigger: \"{stem}.a.up\"\n    temp_suffix: .up",
		    "trigger: ends as the temporary names do (temp_suffix)" },
		{ "trigger: \"{stem}{suffix}\"",
		    "trigger: is the file's own name" },
		{ "temp_directory: a/../b", "temp_directory: holds a \"..\"" },
		{ "trigger: \"{name}{seq}\"",
		    "trigger: may have {name}, {stem} and {suffix}, no "
		    "others" },
		{ "trigger: \"{date}\"",
		    "trigger: may have {name}, {stem} and {suffix}, no "
		    "others" },
		{ "trigger_line: x",
		    "trigger_line: means nothing without a trigger" },
	};
	char text[2048], why[512];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), ACCOUNT PARTNER ROUTE "    %s\n",
		    bad[i].line);
		snprintf(why, sizeof(why), ":16: routes[0].%s", bad[i].why);
		refused(text, why);
	}
	refused(ACCOUNT PARTNER ROUTE
	    "    directory: in\n    temp_directory: in\n",
	    ":17: routes[0].temp_directory: is the directory itself, and "
	    "there is no temp_suffix");
	refused(ACCOUNT PARTNER ROUTE
	    "    directory: in/box\n    temp_directory: ./in//box/.\n",
	    ":17: routes[0].temp_directory: is the directory itself, and "
	    "there is no temp_suffix");
	refused(ACCOUNT PARTNER ROUTE "    temp_directory: ./\n",
	    ":16: routes[0].temp_directory: is the directory itself, and "
	    "there is no temp_suffix");
	/* of others too: what is sent there would be in one's way */
	refused(ACCOUNT PARTNER ROUTE
	    "    directory: in/a\n"
	    "  - {name: s, account: alice, partner: acme, "
	    "temp_directory: in//a}\n",
	    ":17: routes[1].temp_directory: is the directory of route r");
	refused(ACCOUNT PARTNER ROUTE
	    "    temp_directory: in/a\n"
	    "  - {name: s, account: alice, partner: acme, "
	    "directory: ./in/a}\n",
	    ":17: routes[1].directory: is the temp_directory of route r");
	/* where its login starts only the partner knows */
	refused(ACCOUNT PARTNER ROUTE
	    "    directory: in\n    temp_directory: /home/p/in/a\n"
	    "  - {name: s, account: alice, partner: acme, "
	    "directory: ./in/a}\n",
	    ":18: routes[1].directory: may be the temp_directory of route r "
	    "(only the partner knows where a login starts: write its folders "
	    "in "
	    "one way)");
	refused(ACCOUNT PARTNER ROUTE
	    "    directory: /home/p/in/a\n"
	    "  - {name: s, account: alice, partner: acme, "
	    "temp_directory: in//a}\n",
	    ":17: routes[1].temp_directory: may be the directory of route r "
	    "(only the partner knows where a login starts: write its folders "
	    "in "
	    "one way)");
	refused(ACCOUNT PARTNER ROUTE
	    "    directory: ../p/in/a\n"
	    "  - {name: s, account: alice, partner: acme, "
	    "temp_directory: in/a}\n",
	    ":17: routes[1].temp_directory: may be the directory of route r "
	    "(only the partner knows where a login starts: write its folders "
	    "in "
	    "one way)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(route_says_how),
		cmocka_unit_test(route_says_how_wrongly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
