/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_DB_H
#define MFTD_CATALOG_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * A database as the rest of this folder sees it: parameterised statements,
 * transactions, and the few things that SQLite and PostgreSQL do differently.
 * SQL texts are common to both; parameters stand in them as $1, $2, …
 * Every call connects by itself when it has to (not inside a transaction) and
 * is bounded in time.  Errors as in catalog.h; db->why has the words.
 */
enum mftd_db_type { MFTD_DB_NULL, MFTD_DB_INT, MFTD_DB_TEXT, MFTD_DB_BLOB };

struct mftd_db_value {
	enum mftd_db_type type;
	int64_t i;
	const void *p; /* TEXT (NUL-terminated), BLOB */
	size_t len; /* of both, without the NUL */
};

#define DB_INT(v) \
	((struct mftd_db_value) { .type = MFTD_DB_INT, .i = (int64_t)(v) })
#define DB_TEXT(s) mftd_db_text(s)
#define DB_BLOB(data, n)          \
	((struct mftd_db_value) { \
	    .type = MFTD_DB_BLOB, .p = (data), .len = (n) })
#define DB_NULL ((struct mftd_db_value) { .type = MFTD_DB_NULL })

/* s may be NULL: SQL's NULL. */
struct mftd_db_value mftd_db_text(const char *s);

/* Words of a partner's server may be any bytes, the database takes UTF-8: text
 * into out, what is not printable ASCII as "?". */
struct mftd_db_value mftd_db_ascii(char *out, size_t size, const char *text);

/* Takes a row; its values are valid during the call, in which db must not be
 * used.  A negative return ends the statement and is returned. */
typedef int (*mftd_db_row_fn)(
    void *data, const struct mftd_db_value *row, int n);

struct mftd_db;

/* Statements that begin with the role row (design section 7: epoch).  Their
 * first three parameters are queue, epoch, owner. */
#define MFTD_DB_ROLE_VALUES 3
enum mftd_db_guarded {
	MFTD_DB_CLAIM, /* $4 now_us, $5 most, $6 most of one partner, $7 " a b "
			  partners to be left out; rows: what was claimed */
	MFTD_DB_INHERITED, /* $4 most; rows: deliveries */
	MFTD_DB_STEPS, /* for each delivery the values below; rows: the ids of
			  those that were moved */
	MFTD_DB_PARTNER, /* $4 partner, $5 the state it is in, then what becomes
			    of state, fault, since_us, reason, probes, probe_us;
			    $12 now_us; rows: the partner, if it was moved */
	/* of hooks: mftd_db_common_sql */
	MFTD_DB_EVENTS_TAKE, /* $4 most */
	MFTD_DB_RUNS_MAKE, /* $4 now_us */
	MFTD_DB_EVENTS_SPREAD,
	MFTD_DB_RUNS_INHERIT, /* $4 now_us, $5 " EVENT@HOOK " in hand */
	MFTD_DB_RUNS_ABANDON, /* $4 now_us */
	MFTD_DB_RUNS_CLAIM, /* $4 hook, $5 now_us, $6 most; rows: runs */
	MFTD_DB_RUN_END, /* $4 event, $5 hook, $6 state, $7 due_us,
			    $8 ended_us, $9 error */
	MFTD_DB_RUNS_EXPIRE, /* $4 before_us, $5 most */
	MFTD_DB_EVENTS_EXPIRE, /* the same */
	MFTD_DB_DEADLINE_LOOK, /* $4 route, $5 now_us; row: looked_us */
	MFTD_DB_DEADLINE_LATE, /* $4 event, $5 route, $6 since_us, $7 until_us,
				  $8 DONE, too, $9 first id, $10 now_us */
	MFTD_DB_DEADLINE_PASS, /* $4 route, $5 looked_us */
	MFTD_DB_VERSIONS_GO, /* of those behind a delivery of which the id is
				> $4 and <= $5 the ones that need not wait */
	MFTD_DB_AWAY_BACK, /* $4 volume, $5 now_us, $6 most; rows: those that
			      are due now */
	MFTD_DB_DUE, /* $4 partner, $5 route, $6 1: tried, $7 due_us, $8 most;
			rows: those that are due then, and not later */
	/* of found files: found.h */
	MFTD_DB_FOUND, /* $4 version of the objects, $5 route, $6 path, $7 size,
			  $8 mtime_ns, $9 inode, $10 ctime_ns, $11 receipt,
			  $12 origin, $13 volume, $14 shown, $15 sha256,
			  $16 now_us, $17 the route's number (0: it gives none),
			  $18 delivery, $19 name, $20 due_us, $21 state,
			  $22 error, $23 seq, $24 name_key;
			  row: the delivery */
	MFTD_DB_FOUND_ABANDON, /* $4 receipt, $5 now_us; row: its outcome */
	MFTD_DB_FOUND_FORGET, /* $4 route, $5 path */
	/* of fetched files: pull.h */
	MFTD_DB_PULL_WANT, /* $4 receipt, $5 route, $6 partner, $7 directory,
			      $8 name, $9 size, $10 mtime, $11 sha256,
			      $12 fetched, $13 move_to, $14 verified */
	MFTD_DB_PULL_STEP, /* $4 receipt, $5 state (NULL: as it is), $6 target
			      (likewise), $7 due_us, $8 text */
	MFTD_DB_PULL_FORGET, /* $4 receipt */
	MFTD_DB_GUARDED_COUNT
};

/* Those that read the same in both databases, NULL for the others: each changes
 * rows only if r, the role row, is there, and returns a row for each that it
 * changed, with no NULL in the first column. */
extern const char *const mftd_db_common_sql[MFTD_DB_GUARDED_COUNT];

/* Of a step: id, the state it is in, then what becomes of state, tries, host,
 * mtime, due_us, sha256, error, temp_try, number, verified, skipped, first_us;
 * then of its try slot (NULL: it has none), begin_us, end_us, host, bytes,
 * outcome. */
#define MFTD_DB_STEP_OWN_VALUES 14
#define MFTD_DB_STEP_VALUES (MFTD_DB_STEP_OWN_VALUES + 6)

/* What a transaction locks out: others of the same kind, whole-catalog wide. */
enum mftd_db_lock {
	MFTD_DB_READ, /* nothing: one consistent view, no writes */
	MFTD_DB_WRITE, /* nothing beyond its rows */
	MFTD_DB_FORWARD, /* other forwards */
	MFTD_DB_MIGRATE /* other migrations; may create the database */
};

struct mftd_db_ops {
	const char *scheme; /* what its URIs begin with */
	/* SQL of its server's clock, microseconds since the epoch; "0": it has
	 * none but this node's */
	const char *now_sql;
	struct mftd_db *(*create)(const char *uri, const char *application);
	void (*destroy)(struct mftd_db *db);
	/* One more session of the same name; NULL: no memory.  NULL itself:
	 * statements wait for one another anyhow. */
	struct mftd_db *(*beside)(const struct mftd_db *db);
	/* Runs one statement.  Returns how many rows row was called for, or
	 * with row NULL how many were changed. */
	int (*run)(struct mftd_db *db, const char *sql,
	    const struct mftd_db_value *v, int n, mftd_db_row_fn row,
	    void *data);
	/* Runs several statements without parameters. */
	int (*script)(struct mftd_db *db, const char *sql);
	int (*begin)(struct mftd_db *db, enum mftd_db_lock lock);
	int (*commit)(struct mftd_db *db);
	void (*rollback)(struct mftd_db *db);
	/* Runs a guarded statement in one step: -MFTD_E_STALE_EPOCH and
	 * nothing is touched when the role row is not current. */
	int (*guarded)(struct mftd_db *db, enum mftd_db_guarded which,
	    const struct mftd_db_value *v, int n, mftd_db_row_fn row,
	    void *data);
	/* The same in two parts, of MFTD_DB_STEPS and MFTD_DB_CLAIM: send does
	 * not wait for the answer, take has it: -EAGAIN while it is not there,
	 * but with wait.  What else is asked of db waits for its end.  NULL: it
	 * has just guarded. */
	int (*send)(struct mftd_db *db, enum mftd_db_guarded which,
	    const struct mftd_db_value *v, int n);
	int (*take)(
	    struct mftd_db *db, bool wait, mftd_db_row_fn row, void *data);
	/* What can be read when there may be something to take; -1: nothing. */
	int (*fd)(const struct mftd_db *db);
	/* 0 when what it commits is kept, else -MFTD_E_CATALOG. */
	int (*keeps)(struct mftd_db *db);
	/* Ends the other sessions whose application begins with prefix, and
	 * waits for their end as long as it is bounded. */
	int (*end_sessions)(struct mftd_db *db, const char *prefix);
	/* What the server shows as this session's name, from now on. */
	int (*name_session)(struct mftd_db *db, const char *application);
};

/* The head of a backend's own struct. */
struct mftd_db {
	const struct mftd_db_ops *ops;
	char why[256];
	bool no_hooks; /* the objects last loaded had none: no events then */
};

extern const struct mftd_db_ops mftd_db_sqlite;
extern const struct mftd_db_ops mftd_db_postgres;

struct mftd_catalog {
	struct mftd_db *db;
	const struct mftd_catalog *of; /* mftd_catalog_beside; else NULL */
	char ended[MFTD_ID_BYTES]; /* as far as links that may go were
				    * looked for; "": from the first */
	bool versions; /* a claim has found some that wait for others */
	/* mftd_catalog_here; "" before that */
	char node[MFTD_ID_BYTES], incarnation[MFTD_ID_BYTES];
	char clock[MFTD_REASON_BYTES]; /* mftd_catalog_clock */
	int64_t skew_us; /* how far this node's was ahead of the database's
			    when they were last compared; 0: they agree */
};

/* The ops of c's database, for short. */
static inline int
mftd_db_run(struct mftd_catalog *c, const char *sql,
    const struct mftd_db_value *v, int n, mftd_db_row_fn row, void *data)
{
	return c->db->ops->run(c->db, sql, v, n, row, data);
}

/* Runs fn inside a transaction: committed when it returns 0 or more, else
 * rolled back.  Returns what fn did, or the error of begin or commit. */
int mftd_db_transaction(struct mftd_catalog *c, enum mftd_db_lock lock,
    int (*fn)(struct mftd_catalog *c, void *data), void *data);

/* A row_fn that takes one number into the int64_t at data. */
int mftd_db_take_int(void *data, const struct mftd_db_value *row, int n);

/* The columns of a delivery, in the order that queue.c takes
 * them. */
#define MFTD_DB_DELIVERY_COLUMNS                                        \
	"d.id, d.receipt, d.route, d.partner, d.volume, d.directory, "  \
	"d.name, d.state, d.tries, d.size, d.sha256, d.host, d.mtime, " \
	"d.due_us, d.error, " MFTD_DB_DELIVERY_MORE                     \
	", " MFTD_DB_MAY_BE_THERE("d.id")
/* Those that no other table has. */
#define MFTD_DB_DELIVERY_MORE                                            \
	MFTD_DB_HANDLING_COLUMNS                                         \
	", retry_tries, retry_hours, tries_before, first_us, priority, " \
	"ordered"
/* Whether a try has perhaps published it before a person had it sent again: 1.
 * Both tables are asked only of what a person has sent again. */
#define MFTD_DB_MAY_BE_THERE(id)                                    \
	"CASE WHEN tries_before > 0 AND (EXISTS (SELECT 1 FROM "    \
	"delivery_wish w WHERE w.delivery = " id                    \
	" AND w.from_state = 'IN_DOUBT') OR EXISTS (SELECT 1 FROM " \
	"delivery_try y WHERE y.delivery = " id                     \
	" AND y.outcome IN ('DOUBT', 'DELIVERED'))) THEN 1 ELSE 0 END"
/* What a delivery has of its route (struct mftd_handling), in table route too;
 * with what it came to (struct mftd_progress). */
#define MFTD_DB_ROUTE_HANDLING_COLUMNS                       \
	"if_exists, resume, mtime_kind, mode, temp_suffix, " \
	"temp_directory, trigger_name, trigger_line"
#define MFTD_DB_HANDLING_VALUES 8
#define MFTD_DB_HANDLING_COLUMNS       \
	MFTD_DB_ROUTE_HANDLING_COLUMNS \
	", temp_try, number, verified, skipped"
#define MFTD_DB_STATE_AT 7
#define MFTD_DB_HANDLING_AT 15 /* the first of these */
#define MFTD_DB_BOUNDS_AT 27 /* retry_tries */
#define MFTD_DB_MAY_BE_THERE_AT 33
#define MFTD_DB_DELIVERY_VALUES 34
/* What a delivery copies of its route when it is made: columns of both. */
#define MFTD_DB_COPIED_COLUMNS                                        \
	MFTD_DB_ROUTE_HANDLING_COLUMNS                                \
	", retry_tries, retry_hours, priority, ordered, after_done, " \
	"archive, archive_below"

/* The predicates of the indexes delivery_claim, delivery_behind, delivery_order
 * and delivery_in_hand, word by word: SQLite takes an index only where it finds
 * them. */
#define MFTD_DB_FREE                                                 \
	"d.ordered = 0 AND d.behind = '' AND d.state IN ('QUEUED', " \
	"'WAITING') "
/* Those that wait for another one of their name (versions.h). */
#define MFTD_DB_BEHIND                          \
	"d.behind <> '' AND d.ordered = 0 AND " \
	"d.state IN ('QUEUED', 'WAITING') "
#define MFTD_DB_IN_ORDER                                                  \
	"((d.ordered = 1 AND d.state NOT IN ('DONE', 'CANCELLED')) OR "   \
	"(d.ordered = 2 AND d.state IN ('QUEUED', 'WAITING', 'CLAIMED', " \
	"'SENDING', 'SENT', 'PUBLISHING', 'DELIVERED'))) "
#define MFTD_DB_IN_HAND                                   \
	"(d.state = 'CLAIMED' OR d.state = 'SENDING' OR " \
	"d.state = 'SENT' OR d.state = 'PUBLISHING' OR "  \
	"d.state = 'DELIVERED') "
/* How many deliveries there are of the queue, with that predicate: counted
 * along its index, up to a bound.  All three are texts of SQL. */
#define MFTD_DB_COUNT(queue, predicate, most)              \
	"(SELECT count(*) FROM (SELECT 1 FROM delivery d " \
	"WHERE d.queue = " queue " AND " predicate " LIMIT " most ") AS x)"

struct mftd_delivery;

/* Takes a row of those columns.  0 or -MFTD_E_CORRUPT. */
int mftd_db_get_delivery(
    const struct mftd_db_value *row, struct mftd_delivery *d);

/* Migrations in order, made from the folder schema at build time; ends with
 * NULL. Migration i brings the schema to version i + 1. */
extern const char *const mftd_db_schema[];

#endif
