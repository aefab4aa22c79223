/* Part of mftd; see LICENSE. */
#include "mftd/catalog/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"

/* What routes of an objects file may say of where their files come from. */

#define ACCOUNTS                                                          \
	"accounts:\n"                                                     \
	"  - {name: a, volume: v, root: a}\n"                             \
	"  - {name: b, volume: v, root: b, folders: [{name: c, path: c, " \
	"read_only: false}]}\n"
#define FROM(folder) "  - {name: r, to_account: a, from_folder: {" folder "}}\n"
#define FOLDER "volume: v, path: x/y"
#define LOOP                                                    \
	".to_account: its files would come back to where they " \
	"came from"

static int
load_with(const char *partners, const char *routes, struct mftd_objects **o,
    char *why, size_t size)
{
	char file[] = "test_routes_XXXXXX", full[512] = "";
	int fd = mkstemp(file), r;

	assert_true(fd >= 0);
	dprintf(fd, "%s%s%s%s", ACCOUNTS, partners, "routes:\n", routes);
	close(fd);
	*o = NULL;
	r = mftd_objects_read(file, NULL, o, full, sizeof(full));
	unlink(file);
	snprintf(why, size, "%s", r < 0 ? full + strlen(file) : "");
	return r;
}

static int
load(const char *routes, struct mftd_objects **o, char *why, size_t size)
{
	return load_with("", routes, o, why, size);
}

static void
folder_is_taken(void **state)
{
	struct mftd_objects *o;
	char why[512];

	(void)state;
	assert_int_equal(load(FROM(FOLDER) "  - {name: s, to_account: a, "
					   "from_folder: {volume: v, path: z, "
					   "every_s: 86400, stable_s: 1}}\n",
			     &o, why, sizeof(why)),
	    0);
	assert_null(o->routes[0].account);
	assert_string_equal(o->routes[0].folder->volume, "v");
	assert_string_equal(o->routes[0].folder->path, "x/y");
	assert_int_equal(o->routes[0].folder->every_s, 10);
	assert_int_equal(o->routes[0].folder->stable_s, 5);
	assert_int_equal(o->routes[0].settle_s, 0);
	assert_int_equal(o->routes[1].folder->every_s, 86400);
	assert_int_equal(o->routes[1].folder->stable_s, 1);
	mftd_objects_free(o);
}

static void
what_makes_no_sense_is_refused(void **state)
{
	static const struct {
		const char *routes, *why;
	} cases[] = {
		{ "  - {name: r, to_account: a}\n",
		    ":5: routes[0].name: a route takes files from an "
		    "account, a folder, or a partner" },
		{ "  - {name: r, account: b, to_account: a, from_folder: "
		  "{" FOLDER "}}\n",
		    ":5: routes[0].from_folder: a route takes files from "
		    "an account, a folder, or a partner" },
		{ "  - {name: r, to_account: a, from_partner: {partner: p, "
		  "volume: v}, from_folder: {" FOLDER "}}\n",
		    ":5: routes[0].from_partner: a route takes files from "
		    "an account, a folder, or a partner" },
		{ "  - {name: r, to_account: a, from_partner: {partner: p, "
		  "volume: v}}\n",
		    ":5: routes[0].from_partner.partner: no such partner" },
		{ "  - {name: r, account: x, to_account: a}\n",
		    ":5: routes[0].account: no such account" },
		{ FROM("volume: v, path: /x"),
		    ":5: routes[0].from_folder.path: must be a path below the "
		    "volume, like a/b" },
		{ FROM("volume: v, path: x/../y"),
		    ":5: routes[0].from_folder.path: must be a path below the "
		    "volume, like a/b" },
		{ FROM("volume: v, path: ."),
		    ":5: routes[0].from_folder.path: overlaps .mft" },
		{ FROM("volume: v, path: .mft/out"),
		    ":5: routes[0].from_folder.path: overlaps .mft" },
		{ FROM("volume: v v, path: x"),
		    ":5: routes[0].from_folder.volume: not a name" },
		{ FROM(FOLDER ", every_s: 0"),
		    ":5: routes[0].from_folder.every_s: must be 1 to 86400" },
		{ FROM(FOLDER ", stable_s: 86401"),
		    ":5: routes[0].from_folder.stable_s: must be 1 to 86400" },
		{ "  - {name: r, to_account: a, settle_s: 0, from_folder: "
		  "{" FOLDER "}}\n",
		    ":5: routes[0].settle_s: is of uploads; of a folder it is "
		    "from_folder.stable_s" },
		{ "  - {name: r, to_account: a, after: archive, archive: x, "
		  "archive_below: account, from_folder: {" FOLDER "}}\n",
		    ":5: routes[0].archive_below: must be folder or volume" },
		/* what an account gets may lie there: in its root or folder */
		{ FROM("volume: v, path: a"), ":5: routes[0]" LOOP ": r" },
		{ FROM("volume: v, path: a/x"), ":5: routes[0]" LOOP ": r" },
		{ FROM("volume: v, path: c/x") "  - {name: s, account: a, "
					       "to_account: b}\n",
		    ":5: routes[0]" LOOP ": s -> r" },
		/* but not below another one, nor on another volume */
		{ FROM("volume: v, path: ab"), NULL },
		{ FROM("volume: w, path: a"), NULL },
		{ FROM("volume: v, path: c/x") "  - {name: s, account: b, "
					       "to_account: a}\n",
		    NULL },
	};
	struct mftd_objects *o;
	char why[512];
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = load(cases[i].routes, &o, why, sizeof(why));
		assert_string_equal(
		    why, cases[i].why != NULL ? cases[i].why : "");
		assert_int_equal(r, cases[i].why != NULL ? -MFTD_E_CONF : 0);
		mftd_objects_free(o);
	}
}

/* ---- circles */

#define KEY                          \
	"ssh-ed25519 "               \
	"AAAAC3NzaC1lZDI1NTE5AAAAI"  \
	"AAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAA"
#define PARTNERS                                                           \
	"partners:\n"                                                      \
	"  - {name: p, host: h, user: u, key_file: /k, host_keys: [\"" KEY \
	"\"]}\n"
#define R(text) "  - {" text "}\n"
#define PULL(more) "from_partner: {partner: p, volume: v" more "}"
#define LOOK(path) "from_folder: {volume: v, path: " path "}"
#define COME "its files would come back to where they came from: "
#define GUESS                                                       \
	" (only the partner knows where a login starts: write its " \
	"folders in one way)"

static void
circles_are_refused(void **state)
{
	static const struct {
		const char *routes, *why;
	} cases[] = {
		/* fetched, and brought there again by way of an account */
		{ R("name: r, to_account: a, " PULL(", directory: in"))
			R("name: s, account: a, partner: p, directory: ./in/"),
		    ":7: routes[0].to_account: " COME "s -> r" },
		{ R("name: r, to_account: a, " PULL(""))
			R("name: s, account: a, partner: p, directory: in"),
		    NULL },
		{ R("name: r, to_account: a, " PULL(""))
			R("name: s, " LOOK("a/x") ", to_account: b")
			    R("name: t, account: b, partner: p"),
		    ":7: routes[0].to_account: " COME "s -> t -> r" },
		/* fetched while it is sent */
		{ R("name: r, to_account: a, " PULL(", directory: tmp"))
			R("name: s, account: a, partner: p, "
			  "temp_directory: tmp"),
		    ":7: routes[0].to_account: " COME "s -> r" },
		/* an absolute path may be a relative one that it ends with */
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, "
			  "directory: /home/u/in/c/"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(", directory: /srv/in/c"))
			R("name: s, account: a, partner: p, "
			  "directory: ../in/c"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, "
			  "directory: /home/u/xin/c"),
		    NULL },
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, "
			  "directory: ../in/d"),
		    NULL },
		/* so may one that begins further up: the login's place may
		 * have these names, or be the root */
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, "
			  "directory: ../home~/in/c"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(
		      ", directory: x/../../in/c"))
			R("name: s, account: a, partner: p, directory: in/c"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(""))
			R("name: s, account: a, partner: p, "
			  "directory: ../../home/u"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(", directory: ../in"))
			R("name: s, account: a, partner: p, "
			  "directory: ../../home/in"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, "
			  "directory: ../home/u/in/c"),
		    NULL },
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, "
			  "directory: ../xin/c"),
		    NULL },
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, directory: ../c"),
		    NULL },
		/* where the login starts any may be */
		{ R("name: r, to_account: a, " PULL(""))
			R("name: s, account: a, partner: p, directory: /in"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(", directory: /"))
			R("name: s, account: a, partner: p, directory: /in"),
		    NULL },
		/* two that a third one may be are not one for that: two
		 * relative ones, and two absolute ones */
		{ R("name: r, to_account: a, " PULL(", directory: in/c"))
			R("name: s, account: a, partner: p, directory: c")
			    R("name: t, account: b, partner: p, "
			      "directory: /in/c"),
		    NULL },
		{ R("name: r, to_account: a, " PULL(", directory: /x"))
			R("name: s, account: a, partner: p, directory: /y")
			    R("name: t, account: b, partner: p"),
		    NULL },
		{ R("name: r, to_account: a, " PULL(", directory: /y"))
			R("name: s, account: a, partner: p, directory: /x")
			    R("name: t, to_account: b, " PULL("")),
		    NULL },
		/* each that one may be is gone on from */
		{ R("name: r, to_account: a, " PULL(", directory: /x/in"))
			R("name: s, account: a, partner: p, directory: in")
			    R("name: t, account: b, partner: p, "
			      "directory: /y/in"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(", directory: /y/in"))
			R("name: s, account: a, partner: p, directory: in")
			    R("name: t, account: b, partner: p, "
			      "directory: /x/in"),
		    ":7: routes[0].to_account: " COME "s -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(", directory: /x")) R(
		      "name: s, account: a, partner: p, directory: c")
			R("name: t, to_account: b, " PULL(", directory: /y/c"))
			    R("name: u, account: b, partner: p, "
			      "directory: x"),
		    ":7: routes[0].to_account: " COME
		    "s -> t -> u -> r" GUESS },
		{ R("name: r, to_account: a, " PULL(
		      ", directory: in, fetched: move, move_to: /u/in")),
		    ":7: routes[0].from_partner.move_to: " COME "r" GUESS },
		/* moved to where another one fetches */
		{ R("name: r, to_account: a, " PULL(
		      ", directory: in, fetched: move, move_to: out"))
			R("name: s, partner: p, directory: in, " PULL(
			    ", directory: out")),
		    ":8: routes[1].directory: " COME "r -> s" },
		/* archived where a route looks */
		{ R("name: r, account: a, to_account: b, after: archive, "
		    "archive: old, archive_below: volume")
			R("name: s, " LOOK("old") ", to_account: a"),
		    ":8: routes[1].to_account: " COME "r -> s" },
		{ R("name: r, account: a, to_account: b, after: archive, "
		    "archive: \"{year}/x{day}\", archive_below: volume")
			R("name: s, " LOOK("2027/x01") ", to_account: a"),
		    ":8: routes[1].to_account: " COME "r -> s" },
		{ R("name: r, account: a, to_account: b, after: archive, "
		    "archive: \"{year}/x{day}\", archive_below: volume")
			R("name: s, " LOOK("2027/y01") ", to_account: a"),
		    NULL },
		{ R("name: r, account: a, to_account: b, after: archive, "
		    "archive: old, archive_below: volume")
			R("name: s, " LOOK("old/below") ", to_account: a"),
		    NULL },
		{ R("name: r, " LOOK("x") ", to_account: b, after: archive, "
					  "archive: x, archive_below: volume"),
		    ":7: routes[0].archive: " COME "r" },
		{ R("name: r, " LOOK("x") ", to_account: b, after: archive, "
					  "archive: y")
			R("name: s, " LOOK("x/y") ", to_account: b, "
						  "after: archive, archive: x, "
						  "archive_below: volume"),
		    ":8: routes[1].archive: " COME "r -> s" },
		/* the account's own; nobody looks there */
		{ R("name: r, account: a, to_account: b, after: archive, "
		    "archive: old")
			R("name: s, " LOOK("old") ", to_account: a"),
		    NULL },
	};
	struct mftd_objects *o;
	char why[512];
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = load_with(PARTNERS, cases[i].routes, &o, why, sizeof(why));
		assert_string_equal(
		    why, cases[i].why != NULL ? cases[i].why : "");
		assert_int_equal(r, cases[i].why != NULL ? -MFTD_E_CONF : 0);
		mftd_objects_free(o);
	}
}

/* What one takes away the other would not get. */
static void
fetched_files_are_of_one_route(void **state)
{
#define ALONE ":8: routes[1].from_partner.directory: another route "
#define TAKES                                                                \
	"takes from it, and one of both would take its files away from the " \
	"other"
#define MAY_TAKE                                                              \
	"may take from it, and one would take its files away from the other " \
	"(only the partner knows where a login starts: write its folders in " \
	"one way)"
	static const struct {
		const char *routes, *why;
	} cases[] = {
		{ R("name: r, to_account: a, " PULL(
		      ", directory: in, fetched: delete"))
			R("name: s, to_account: b, " PULL(
			    ", directory: ./in/")),
		    ALONE TAKES },
		{ R("name: r, to_account: a, " PULL(", directory: /u/in"))
			R("name: s, to_account: b, " PULL(
			    ", directory: in, fetched: delete")),
		    ALONE MAY_TAKE },
		{ R("name: r, to_account: a, " PULL(", directory: //u/in"))
			R("name: s, to_account: b, " PULL(
			    ", directory: /u/in, fetched: delete")),
		    ALONE TAKES },
		{ R("name: r, to_account: a, " PULL(
		      ", directory: in, fetched: move, move_to: old"))
			R("name: s, to_account: b, " PULL(
			    ", directory: ../u/in")),
		    ALONE MAY_TAKE },
		{ R("name: r, to_account: a, " PULL(", directory: /u/in"))
			R("name: s, to_account: b, " PULL(", directory: in")),
		    NULL },
		{ R("name: r, to_account: a, " PULL(
		      ", directory: /u/in, fetched: delete"))
			R("name: s, to_account: b, " PULL(
			    ", directory: /in, fetched: delete")),
		    NULL },
	};
	struct mftd_objects *o;
	char why[512];
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r = load_with(PARTNERS, cases[i].routes, &o, why, sizeof(why));
		assert_string_equal(
		    why, cases[i].why != NULL ? cases[i].why : "");
		assert_int_equal(r, cases[i].why != NULL ? -MFTD_E_CONF : 0);
		mftd_objects_free(o);
	}
}

/* Uploads that another route takes would lose their names. */
static void
uploads_are_kept(void **state)
{
	struct mftd_objects *o;
	char why[512];

	(void)state;
	assert_int_equal(load(R("name: r, " LOOK("c/x") ", to_account: a, "
							"after: delete"),
			     &o, why, sizeof(why)),
	    0);
	mftd_objects_free(o);
	assert_int_equal(load(R("name: r, " LOOK("c/x") ", to_account: a, "
							"after: delete")
				  R("name: s, account: b, to_account: a"),
			     &o, why, sizeof(why)),
	    -MFTD_E_CONF);
	assert_string_equal(why,
	    ":5: routes[0].after: account b has this folder, and route s takes "
	    "its uploads: they can only be kept");
	mftd_objects_free(o);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folder_is_taken),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(circles_are_refused),
		cmocka_unit_test(fetched_files_are_of_one_route),
		cmocka_unit_test(uploads_are_kept),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
