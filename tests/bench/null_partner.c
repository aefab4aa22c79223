/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/claim.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/steps.h"

/*
 * What outbound does to the catalog's rows, for a partner who takes files in no
 * time:
 *
 *	null_partner URI QUEUE COUNT	claims and completes so many; prints
 *					how many there were, the seconds, and
 *					those of CPU: its own, and the server's
 *					for its session
 *	null_partner URI QUEUE plan	prints how the database claims
 */
#define BATCH MFTD_DELIVER_BATCH_MAX
#define SQL_BYTES 16384
#define NS_PER_S 1e9

struct bench {
	struct mftd_catalog *c;
	struct mftd_role_row role;
	struct mftd_delivery d[MFTD_STEPS_MAX];
};

/* The rows that outbound writes of one that goes its way. */
static const enum mftd_delivery_state way[] = { MFTD_DELIVERY_SENDING,
	MFTD_DELIVERY_PUBLISHING, MFTD_DELIVERY_DONE };

static int
deliver(struct bench *b, struct mftd_delivery *d, size_t n)
{
	struct mftd_row_step steps[BATCH];
	size_t i, k;
	int r = 0;

	for (k = 0; r == 0 && k < sizeof(way) / sizeof(way[0]); k++) {
		for (i = 0; i < n; i++) {
			steps[i] = (struct mftd_row_step) { .d = &d[i],
				.from = d[i].state };
			d[i].state = way[k];
			d[i].tries = 1;
			d[i].mtime = 1;
		}
		r = mftd_catalog_steps(b->c, &b->role, steps, n);
		for (i = 0; r == 0 && i < n; i++)
			r = steps[i].result;
	}
	return r;
}

/* The process of PostgreSQL that serves this session; 0: there is none. */
static int
find_server(struct mftd_catalog *c, void *data)
{
	return c->db->ops == &mftd_db_postgres
	    ? mftd_db_run(
		  c, "SELECT pg_backend_pid()", NULL, 0, mftd_db_take_int, data)
	    : 0;
}

/* CPU seconds that it has used by now; 0 of none. */
static double
cpu_of(pid_t pid)
{
	struct timespec t = { 0 };
	clockid_t clock;

	if (pid != 0 &&
	    (clock_getcpuclockid(pid, &clock) != 0 ||
		clock_gettime(clock, &t) < 0))
		fprintf(stderr, "null_partner: no clock of %d\n", (int)pid);
	return (double)t.tv_sec + (double)t.tv_nsec / NS_PER_S;
}

static int
work_off(struct bench *b, uint64_t count)
{
	int64_t began = mftd_clock_us(), server = 0;
	double own, theirs;
	uint64_t done = 0;
	int r = 1, at, n;

	if (mftd_db_transaction(b->c, MFTD_DB_READ, find_server, &server) < 0)
		return -MFTD_E_CATALOG;
	own = cpu_of(getpid());
	theirs = cpu_of((pid_t)server);
	while (r > 0 && done < count) {
		r = mftd_catalog_claim(b->c, &b->role, mftd_clock_wall_us(), "",
		    b->d, MFTD_STEPS_MAX);
		for (at = 0; at < r; at += n) {
			n = r - at < BATCH ? r - at : BATCH;
			if (deliver(b, b->d + at, (size_t)n) < 0)
				return -MFTD_E_CATALOG;
		}
		done += r > 0 ? (uint64_t)r : 0;
	}
	printf("%llu %.6f %.6f %.6f\n", (unsigned long long)done,
	    (double)(mftd_clock_us() - began) / 1e6, cpu_of(getpid()) - own,
	    cpu_of((pid_t)server) - theirs);
	return r;
}

static int
print_row(void *data, const struct mftd_db_value *row, int n)
{
	const struct mftd_db_value *last = &row[n - 1];

	printf("%.*s\n", (int)last->len, (const char *)last->p);
	return 0;
}

/* Nothing is claimed by it. */
static int
explain(struct mftd_catalog *c, void *data)
{
	static const char postgres[] = "EXPLAIN (ANALYZE, BUFFERS) ";
	static const char sqlite[] = "EXPLAIN QUERY PLAN ";
	struct bench *b = data;
	bool is_postgres = c->db->ops == &mftd_db_postgres;
	const struct mftd_db_value v[] = { DB_TEXT(b->role.queue),
		DB_INT(b->role.epoch), DB_TEXT(b->role.owner),
		DB_INT(mftd_clock_wall_us()), DB_INT(MFTD_STEPS_MAX),
		DB_INT(MFTD_CLAIM_PARTNER_MAX), DB_TEXT("") };
	char sql[SQL_BYTES];
	int r;

	snprintf(sql, sizeof(sql), "%s%s", is_postgres ? postgres : sqlite,
	    is_postgres ? mftd_claim_postgres : mftd_claim_sqlite);
	r = mftd_db_run(c, sql, v, 7, print_row, NULL);
	return r < 0 ? r : -ECANCELED;
}

int
main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof(*b));
	int r = -EINVAL;

	if (b != NULL && argc == 4)
		r = mftd_catalog_open(argv[1], "mftd-bench", &b->c);
	if (r == 0)
		r = mftd_catalog_migrate(b->c);
	if (r == 0)
		r = mftd_catalog_raise(b->c, argv[2], "bench", &b->role);
	if (r == 0 && strcmp(argv[3], "plan") == 0) {
		r = mftd_db_transaction(b->c, MFTD_DB_WRITE, explain, b);
		r = r == -ECANCELED ? 0 : r;
	} else if (r == 0) {
		r = work_off(b, strtoull(argv[3], NULL, 10));
	}
	if (r < 0)
		fprintf(stderr, "null_partner: %s: %s\n", mftd_strerror(r),
		    b != NULL && b->c != NULL ? mftd_catalog_why(b->c) : "");
	if (b != NULL)
		mftd_catalog_close(b->c);
	free(b);
	return r < 0;
}
