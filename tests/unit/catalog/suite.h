/* Part of mftd; see LICENSE. */
#ifndef TESTS_CATALOG_SUITE_H
#define TESTS_CATALOG_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/person.h"
#include "mftd/journal/record.h"

/*
 * One suite for both backends: SQLite, or the PostgreSQL database of the
 * environment's MFTD_TEST_CATALOG, which each test finds empty.
 */
struct db {
	char uri[256];
	char dir[64]; /* of SQLite's file */
	bool postgres;
	struct mftd_catalog *c;
};

/* A fresh database with the schema, *state a struct db. */
int db_setup(void **state);
/* The same with the schema of the first migration. */
int db_setup_oldest(void **state);
/* … with that of the last one in which names had no keys. */
int db_setup_keyless(void **state);
int db_teardown(void **state);

/* Another handle on the same database. */
struct mftd_catalog *db_open(struct db *db, const char *application);

/* Runs a statement of the test's own, beside the catalog. */
void db_execute(struct db *db, const char *sql);

/* A stream that writes records, each 1 s after the one before. */
struct stream {
	const char *name;
	uint64_t seq;
	int64_t time_us;
	bool unlinked; /* its node knows of no route */
};

int say_receipt(struct db *db, struct stream *s, const char *id,
    const char *path, uint64_t inode);
/* The same of other bytes, which are all `content`. */
int say_content(struct db *db, struct stream *s, const char *id,
    const char *path, uint64_t inode, uint8_t content);
int say_outcome(struct db *db, struct stream *s, const char *id, uint32_t type);
int say_name(struct db *db, struct stream *s, uint32_t type, uint64_t inode,
    const char *to);

/* Applies account alice with n routes r0, r1, … of queue q to partner acme;
 * settle_s 0. */
void apply_routes(struct db *db, int n);

/* The same with one, r0, that takes and names files as `like` does. */
void apply_route(struct db *db, const struct mftd_route *like);

/* The same with n of them, r0, r1, … */
void apply_several(struct db *db, struct mftd_route *routes, int n);
void apply_calendar(struct db *db, const struct mftd_route *like,
    struct mftd_calendar *calendar);

/* Files f0 to n - 1 published, each a delivery of route r0 and queue q that is
 * due. */
void publish_some(struct db *db, int n);
/* The same of a route like this one. */
void publish_in_route(struct db *db, const struct mftd_route *like, int n);

/* The only delivery of that receipt; false when there is none or more. */
bool find_delivery(struct db *db, const char *receipt, struct mftd_delivery *d);

void tests_objects(const struct CMUnitTest **t, size_t *n);
void tests_forward(const struct CMUnitTest **t, size_t *n);
void tests_queue(const struct CMUnitTest **t, size_t *n);
void tests_queues(const struct CMUnitTest **t, size_t *n);
void tests_source(const struct CMUnitTest **t, size_t *n);
void tests_person(const struct CMUnitTest **t, size_t *n);
void tests_partner_events(const struct CMUnitTest **t, size_t *n);
void tests_failure(const struct CMUnitTest **t, size_t *n);
void tests_due(const struct CMUnitTest **t, size_t *n);
void tests_scale(const struct CMUnitTest **t, size_t *n);
void tests_versions(const struct CMUnitTest **t, size_t *n);
void tests_stale(const struct CMUnitTest **t, size_t *n);
void tests_hooks(const struct CMUnitTest **t, size_t *n);
void tests_postgres(const struct CMUnitTest **t, size_t *n);
void tests_statements(const struct CMUnitTest **t, size_t *n);
/* PostgreSQL's */
void tests_plans(const struct CMUnitTest **t, size_t *n);
void tests_found(const struct CMUnitTest **t, size_t *n);
void tests_pull(const struct CMUnitTest **t, size_t *n);
void tests_source_found(const struct CMUnitTest **t, size_t *n);
void tests_sources(const struct CMUnitTest **t, size_t *n);
void tests_order(const struct CMUnitTest **t, size_t *n);
void tests_paths(const struct CMUnitTest **t, size_t *n);

#define DB_TEST(f) cmocka_unit_test_setup_teardown(f, db_setup, db_teardown)

#endif
