/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <sqlite3.h>

#include "mftd/base/err.h"

static char *alice_keys[] = { "ssh-ed25519 AAAA one", "ssh-rsa BBBB two" };
static char *carol_keys[] = { "ssh-ed25519 CCCC" };
static char *host_keys[] = { "ssh-ed25519 DDDD" };
static char *authorities[] = { "ssh-ed25519 EEEE" };
static char *principals[] = { "p1", "p2" };
static char *sources[] = { "192.0.2.0/24", "::1" };
static struct mftd_account_folder folders[] = { { "in", "common/in", false },
	{ "docs", "common/docs", true }, { "x", "x", false } };
static struct mftd_account accounts[] = {
	{ .name = "alice",
	    .volume = "main",
	    .root = "a/b",
	    .password_hash = "$scrypt$x",
	    .keys = alice_keys,
	    .n_keys = 2 },
	{ .name = "bob",
	    .volume = "main",
	    .root = "bob",
	    .methods = "publickey+password",
	    .authorities = authorities,
	    .n_authorities = 1,
	    .principals = principals,
	    .n_principals = 2,
	    .sources = sources,
	    .n_sources = 2,
	    .expires_s = 1800000000,
	    .disabled = true,
	    .read_only = true,
	    .symlinks = true,
	    .umask = 027,
	    .group = "staff",
	    .quota_bytes = 1ULL << 40,
	    .quota_files = 7,
	    .in_bytes_s = 8,
	    .out_bytes_s = 9,
	    .sessions_max = 10,
	    .folders = folders,
	    .n_folders = 3 },
	{ .name = "carol",
	    .volume = "other",
	    .root = "c",
	    .keys = carol_keys,
	    .n_keys = 1 },
};
static char *other_hosts[] = { "c", "[::1]:23" };
static struct mftd_partner partners[] = {
	{ .name = "acme",
	    .host = "h",
	    .port = 2222,
	    .user = "u",
	    .key_file = "/k",
	    .host_keys = host_keys,
	    .n_host_keys = 1,
	    .connections = 4,
	    .connect_s = 10,
	    .request_s = 30 },
	{ .name = "best",
	    .host = "b",
	    .port = 22,
	    .other_hosts = other_hosts,
	    .n_other_hosts = 2,
	    .user = "u",
	    .password = "$aes256gcm$x",
	    .host_keys = host_keys,
	    .n_host_keys = 1,
	    .source = "::1",
	    .key_exchanges = "kex",
	    .ciphers = "c",
	    .macs = "m",
	    .connections = 1,
	    .connect_s = 2,
	    .bandwidth = 5ULL << 30,
	    .request_s = 3 },
};
static char *files[] = { "*.csv", "in/*" }, *except[] = { "x*" };
static struct mftd_route routes[] = {
	{ .name = "r",
	    .account = "carol",
	    .partner = "acme",
	    .directory = "in",
	    .queue = "q",
	    .settle_s = 7,
	    .files = files,
	    .n_files = 2,
	    .except = except,
	    .n_except = 1,
	    .name_template = "{name}.{seq}",
	    .schedule = "0 6 * * *",
	    .time_zone = "Europe/Berlin",
	    .calendar = "bank",
	    .at = { .if_exists = MFTD_IF_EXISTS_NUMBER,
		.resume = 1,
		.preserve = 1,
		.mode = 0640,
		.temp_suffix = ".part",
		.temp_directory = "tmp",
		.trigger = "{name}.ok",
		.trigger_line = "x" },
	    .priority = 9,
	    .ordered = true,
	    .skip_failed = true },
	{ .name = "s",
	    .account = "carol",
	    .partner = "acme",
	    .directory = "",
	    .queue = "q",
	    .ordered = true },
};
static char *closed[] = { "2027-12-25", "2028-01-01" };
static struct mftd_calendar calendars[] = {
	{ .name = "bank", .closed = closed, .n_closed = 2 },
	{ .name = "empty" },
};
static const struct mftd_objects all = { .version = 9,
	.accounts = accounts,
	.n_accounts = 3,
	.partners = partners,
	.n_partners = 2,
	.routes = routes,
	.n_routes = 2,
	.calendars = calendars,
	.n_calendars = 2 };

static void
check_options(const struct mftd_account *a)
{
	assert_string_equal(a->methods, "publickey+password");
	assert_int_equal(a->n_authorities, 1);
	assert_string_equal(a->authorities[0], authorities[0]);
	assert_int_equal(a->n_principals, 2);
	assert_string_equal(a->principals[1], "p2");
	assert_int_equal(a->n_sources, 2);
	assert_string_equal(a->sources[1], "::1");
	assert_int_equal(a->expires_s, 1800000000);
	assert_true(a->disabled && a->read_only && a->symlinks);
	assert_int_equal(a->umask, 027);
	assert_string_equal(a->group, "staff");
	assert_int_equal(a->quota_bytes, 1ULL << 40);
	assert_int_equal(a->quota_files, 7);
	assert_int_equal(a->in_bytes_s, 8);
	assert_int_equal(a->out_bytes_s, 9);
	assert_int_equal(a->sessions_max, 10);
	assert_int_equal(a->n_folders, 3);
	assert_string_equal(a->folders[1].name, "docs");
	assert_string_equal(a->folders[1].path, "common/docs");
	assert_true(a->folders[1].read_only);
	assert_false(a->folders[2].read_only);
}

static void
check_best(const struct mftd_partner *p)
{
	assert_int_equal(p->n_other_hosts, 2);
	assert_string_equal(p->other_hosts[1], "[::1]:23");
	assert_null(p->key_file);
	assert_string_equal(p->password, "$aes256gcm$x");
	assert_int_equal(p->n_host_keys, 1);
	assert_string_equal(p->source, "::1");
	assert_string_equal(p->key_exchanges, "kex");
	assert_string_equal(p->ciphers, "c");
	assert_string_equal(p->macs, "m");
	assert_int_equal(p->connections, 1);
	assert_int_equal(p->connect_s, 2);
	assert_true(p->bandwidth == 5ULL << 30);
	assert_int_equal(p->request_s, 3);
}

static void
check_all(const struct mftd_objects *o, uint64_t version)
{
	assert_int_equal(o->version, version);
	assert_int_equal(o->n_accounts, 3);
	assert_string_equal(o->accounts[0].name, "alice");
	assert_string_equal(o->accounts[0].password_hash, "$scrypt$x");
	assert_int_equal(o->accounts[0].n_keys, 2);
	assert_string_equal(o->accounts[0].keys[1], alice_keys[1]);
	assert_null(o->accounts[0].methods);
	assert_int_equal(o->accounts[0].expires_s, 0);
	assert_false(o->accounts[0].disabled);
	check_options(&o->accounts[1]);
	assert_null(o->accounts[1].password_hash);
	assert_int_equal(o->accounts[1].n_keys, 0);
	assert_string_equal(o->accounts[2].volume, "other");
	assert_string_equal(o->accounts[2].root, "c");
	assert_string_equal(o->accounts[2].keys[0], carol_keys[0]);
	assert_int_equal(o->n_partners, 2);
	assert_string_equal(o->partners[0].host, "h");
	assert_int_equal(o->partners[0].port, 2222);
	assert_string_equal(o->partners[0].user, "u");
	assert_string_equal(o->partners[0].key_file, "/k");
	assert_int_equal(o->partners[0].n_host_keys, 1);
	assert_string_equal(o->partners[0].host_keys[0], host_keys[0]);
	assert_null(o->partners[0].password);
	assert_int_equal(o->partners[0].n_other_hosts, 0);
	assert_null(o->partners[0].source);
	assert_int_equal(o->partners[0].connections, 4);
	check_best(&o->partners[1]);
	assert_int_equal(o->n_routes, 2);
	assert_string_equal(o->routes[0].directory, "in");
	assert_string_equal(o->routes[0].queue, "q");
	assert_int_equal(o->routes[0].settle_s, 7);
	assert_int_equal(o->routes[0].n_files, 2);
	assert_string_equal(o->routes[0].files[0], "*.csv");
	assert_string_equal(o->routes[0].files[1], "in/*");
	assert_int_equal(o->routes[0].n_except, 1);
	assert_string_equal(o->routes[0].except[0], "x*");
	assert_string_equal(o->routes[0].name_template, "{name}.{seq}");
	assert_string_equal(o->routes[0].schedule, "0 6 * * *");
	assert_string_equal(o->routes[0].time_zone, "Europe/Berlin");
	assert_string_equal(o->routes[0].calendar, "bank");
	assert_memory_equal(
	    &o->routes[0].at, &routes[0].at, sizeof(routes[0].at));
	assert_memory_equal(
	    &o->routes[1].at, &routes[1].at, sizeof(routes[1].at));
	assert_int_equal(o->routes[0].priority, 9);
	assert_true(o->routes[0].ordered && o->routes[0].skip_failed);
	assert_int_equal(o->n_calendars, 2);
	assert_int_equal(o->calendars[0].n_closed, 2);
	assert_string_equal(o->calendars[0].closed[1], "2028-01-01");
	assert_int_equal(o->calendars[1].n_closed, 0);
	assert_null(o->routes[1].schedule);
	assert_null(o->routes[1].time_zone);
	assert_null(o->routes[1].calendar);
	assert_int_equal(o->routes[1].n_files, 0);
	assert_int_equal(o->routes[1].n_except, 0);
	assert_null(o->routes[1].name_template);
	assert_int_equal(o->routes[1].priority, 0);
	assert_true(o->routes[1].ordered);
	assert_false(o->routes[1].skip_failed);
}

static void
objects_come_back_as_they_were(void **state)
{
	struct db *db = *state;
	struct mftd_objects *o;
	uint64_t version = 99;

	assert_int_equal(mftd_catalog_version(db->c, &version), 0);
	assert_int_equal(version, 0);
	assert_int_equal(mftd_catalog_apply(db->c, &all, &version), 0);
	assert_int_equal(version, 1);
	assert_int_equal(mftd_catalog_apply(db->c, &all, &version), 0);
	assert_int_equal(version, 2);
	assert_int_equal(mftd_catalog_version(db->c, &version), 0);
	assert_int_equal(version, 2);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	check_all(o, 2);
	mftd_objects_free(o);
}

static void
failed_apply_changes_nothing(void **state)
{
	struct db *db = *state;
	struct mftd_route lost = routes[0];
	struct mftd_objects bad = all, *o;
	uint64_t version = 0;

	assert_int_equal(mftd_catalog_apply(db->c, &all, &version), 0);
	lost.account = "nobody";
	bad.routes = &lost;
	assert_int_equal(
	    mftd_catalog_apply(db->c, &bad, &version), -MFTD_E_CATALOG);
	assert_string_not_equal(mftd_catalog_why(db->c), "");
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	check_all(o, 1);
	mftd_objects_free(o);
}

static void
snapshot_holds_all_in_one_file(void **state)
{
	struct db *db = *state;
	struct mftd_objects less = all, *o;
	struct mftd_catalog *c;
	char path[128], uri[160], beside[160];

	snprintf(path, sizeof(path), "%s/s.db", db->dir);
	snprintf(uri, sizeof(uri), "sqlite:%s", path);
	assert_int_equal(mftd_catalog_snapshot(&all, path), 0);
	assert_int_equal(mftd_catalog_open(uri, "", &c), 0);
	assert_int_equal(mftd_catalog_load(c, &o), 0);
	check_all(o, 9);
	mftd_objects_free(o);
	/* a reader makes no files beside it: the next one replaces only it */
	snprintf(beside, sizeof(beside), "%s-wal", path);
	assert_int_equal(access(beside, F_OK), -1);
	less.version = 10;
	less.n_routes = 0;
	assert_int_equal(mftd_catalog_snapshot(&less, path), 0);
	mftd_catalog_close(c);
	assert_int_equal(mftd_catalog_open(uri, "", &c), 0);
	assert_int_equal(mftd_catalog_load(c, &o), 0);
	assert_int_equal(o->version, 10);
	assert_int_equal(o->n_routes, 0);
	mftd_objects_free(o);
	mftd_catalog_close(c);
	/* teardown finds no file beside it */
}

/* As another program would. */
static void
execute(struct db *db, const char *sql)
{
	sqlite3 *h;
	PGconn *conn;
	PGresult *res;

	if (!db->postgres) {
		assert_int_equal(sqlite3_open(db->uri + 7, &h), SQLITE_OK);
		assert_int_equal(
		    sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(h);
		return;
	}
	conn = PQconnectdb(db->uri);
	res = PQexec(conn, sql);
	assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
	PQclear(res);
	PQfinish(conn);
}

static void
migration_is_repeatable_and_refuses_newer(void **state)
{
	struct db *db = *state;

	assert_int_equal(mftd_catalog_migrate(db->c), 0);
	execute(db, "INSERT INTO schema_version VALUES (1000)");
	assert_int_equal(mftd_catalog_migrate(db->c), -MFTD_E_CATALOG);
	assert_non_null(strstr(mftd_catalog_why(db->c), "1000"));
}

/* What an older program left is taken over with all its rows. */
static void
older_schema_is_brought_up(void **state)
{
	struct db *db = *state;
	struct mftd_objects *o;

	execute(db,
	    "INSERT INTO account (name, volume, root, password_hash) "
	    "VALUES ('old', 'main', 'o', '$scrypt$y')");
	execute(db, "INSERT INTO account_key VALUES ('old', 0, 'ssh-rsa BB')");
	execute(db, "INSERT INTO partner VALUES ('acme', 'h', 22, 'u', '/k')");
	execute(
	    db, "INSERT INTO route VALUES ('r', 'old', 'acme', 'in', 'q', 5)");
	assert_int_equal(mftd_catalog_migrate(db->c), 0);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_int_equal(o->n_accounts, 1);
	assert_string_equal(o->accounts[0].password_hash, "$scrypt$y");
	assert_string_equal(o->accounts[0].keys[0], "ssh-rsa BB");
	assert_int_equal(o->accounts[0].umask, MFTD_ACCOUNT_UMASK);
	assert_null(o->accounts[0].methods);
	assert_int_equal(o->accounts[0].n_folders, 0);
	assert_string_equal(o->routes[0].directory, "in");
	assert_int_equal(o->routes[0].n_files, 0);
	assert_null(o->routes[0].name_template);
	mftd_objects_free(o);
}

static void
absent_database_is_away(void **state)
{
	struct db *db = *state;
	struct mftd_catalog *c;
	uint64_t version;
	char uri[160];

	assert_int_equal(mftd_catalog_open("mysql://x", "", &c), -EINVAL);
	if (db->postgres)
		snprintf(uri, sizeof(uri), "postgresql:///x?host=/no/such");
	else
		snprintf(uri, sizeof(uri), "sqlite:%s/none.db", db->dir);
	assert_int_equal(mftd_catalog_open(uri, "", &c), 0);
	assert_int_equal(
	    mftd_catalog_version(c, &version), -MFTD_E_CATALOG_AWAY);
	assert_string_not_equal(mftd_catalog_why(c), "");
	assert_int_equal(
	    mftd_catalog_version(c, &version), -MFTD_E_CATALOG_AWAY);
	mftd_catalog_close(c);
	/* teardown finds that no file was made */
}

void
tests_objects(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(objects_come_back_as_they_were),
		DB_TEST(failed_apply_changes_nothing),
		DB_TEST(snapshot_holds_all_in_one_file),
		DB_TEST(migration_is_repeatable_and_refuses_newer),
		cmocka_unit_test_setup_teardown(
		    older_schema_is_brought_up, db_setup_oldest, db_teardown),
		DB_TEST(absent_database_is_away),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
