/* Part of mftd; see LICENSE. */

/*
 * kill -9 at each system call that changes something, while files are published
 * and while a crash is recovered; then recovery, and the disk and the journal
 * must tell one story.  The kills are strace's, so the code needs no hooks.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

#define LIFE "n1-0123456789abcdef"
#define LIFE_2 "n1-0000000000000002"
#define LIFE_3 "n1-0000000000000003"
#define LIFE_4 "n1-0000000000000004"
#define KILLS_MAX 100 /* of one system call in one run */
#define RECEIPTS_MAX 8

static const char *const calls[] = { "pwrite64", "fdatasync", "fsync", "linkat",
	"renameat", "renameat2", "unlinkat", "mkdirat", "write", "fallocate" };
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

/* The two files of a run: f is there and replaced, g is new and exclusive. */
enum { F, G, FILES };
static const char *const names[FILES] = { "f", "g" };
static const char *const before[FILES] = { "old version", NULL };
static const char *const after[FILES] = { "the new version", "exclusive" };

struct outcome {
	char id[MFTD_ID_BYTES];
	int file;
	int published, abandoned;
};

struct story {
	struct outcome receipts[RECEIPTS_MAX];
	int n;
};

/* What the client of a run saw. */
struct seen {
	int err[FILES];
};

static void
on_receipt(struct story *st, struct mftd_buf *b)
{
	struct mftd_rec_receipt rec;
	struct outcome *o = &st->receipts[st->n++];

	assert_true(st->n <= RECEIPTS_MAX);
	assert_int_equal(mftd_rec_receipt_get(b, &rec), 0);
	memset(o, 0, sizeof(*o));
	memcpy(o->id, rec.id, sizeof(o->id));
	o->file = strcmp(rec.path, names[F]) == 0 ? F : G;
}

static void
collect_receipts(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(payload, len);

	if (type == MFTD_RECORD_RECEIPT)
		on_receipt(data, b);
	mftd_buf_free(b);
}

static void
collect_outcomes(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct story *st = data;
	struct mftd_rec_outcome rec;
	struct mftd_buf *b = mftd_buf_from(payload, len);
	int i;

	if (type == MFTD_RECORD_PUBLISHED || type == MFTD_RECORD_ABANDONED) {
		assert_int_equal(mftd_rec_outcome_get(b, &rec), 0);
		for (i = 0; i < st->n; i++)
			if (strcmp(st->receipts[i].id, rec.receipt) == 0) {
				st->receipts[i].published +=
				    type == MFTD_RECORD_PUBLISHED;
				st->receipts[i].abandoned +=
				    type == MFTD_RECORD_ABANDONED;
			}
	}
	mftd_buf_free(b);
}

/* The journal and the disk agree, receipt by receipt and file by file. */
static void
check_story(struct tree *t, const struct seen *seen)
{
	struct story st = { .n = 0 };
	bool published[FILES] = { false, false };
	char path[256];
	int i;

	rig_records(t->path, collect_receipts, &st);
	rig_records(t->path, collect_outcomes, &st);
	for (i = 0; i < st.n; i++) {
		const struct outcome *o = &st.receipts[i];

		assert_true((o->published > 0) != (o->abandoned > 0));
		published[o->file] |= o->published > 0;
		snprintf(path, sizeof(path), ".mft/out/%s", o->id);
		assert_true(
		    tree_holds(t, path, o->published ? after[o->file] : NULL));
	}
	for (i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "alice/%s", names[i]);
		assert_true(
		    tree_holds(t, path, published[i] ? after[i] : before[i]));
		if (seen->err[i] == 0)
			assert_true(published[i]);
	}
	assert_true(tree_count(t, ".mft/aside") == 0);
	assert_true(tree_count(t, ".mft/parts/alice") <= 0);
}

/* The lease of a journal that runs under strace, in ms; 0: held for good. */
#define LEASE_ENV "MFTD_TEST_LEASE_MS"
#define LEASE_MS 1500

static bool
installed(void)
{
	return system("strace -qq -o /dev/null true >/dev/null 2>&1") == 0;
}

/* Starts a journal that dies at the nth call. */
static void
start_to_die(
    struct rig *r, struct tree *t, const char *life, const char *call, int nth)
{
	char trace[64], inject[96], self[4096] = "";
	char *words[] = { (char *)"strace", (char *)"-qq", (char *)"-o",
		(char *)"/dev/null", (char *)"-e", trace, (char *)"-e", inject,
		NULL };

	snprintf(trace, sizeof(trace), "trace=%s", call);
	snprintf(
	    inject, sizeof(inject), "inject=%s:signal=KILL:when=%d", call, nth);
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	rig_start(r, t->path, life, words, self);
}

/* Publishes both files at once, as far as the journal lives. */
static void
publish_both(struct rig *r, struct seen *seen)
{
	struct rig_session s;
	struct mftd_msg_publish m[FILES];
	struct mftd_msg_journal_result res;
	uint64_t refs[FILES];
	int i;

	seen->err[F] = seen->err[G] = -MFTD_E_CLOSED;
	if (!rig_ready(r))
		return;
	if (rig_open(r, &s, 1, "alice", "alice") == 0) {
		for (i = 0; i < FILES; i++)
			rig_part(&s, names[i], after[i], &m[i]);
		m[G].noreplace = 1;
		for (i = 0; i < FILES; i++)
			refs[i] =
			    rig_send(&s, MFTD_MSG_PUBLISH, &m[i], sizeof(m[i]));
		for (i = 0; i < FILES; i++)
			seen->err[i] = rig_answer(&s, refs[i], &res);
	}
	rig_close(&s);
}

static void
prepare(struct tree *t)
{
	tree_make(t);
	assert_int_equal(mkdirat(t->fd, "alice", 0700), 0);
	tree_write(t, "alice/f", before[F]);
}

/* A journal of a later life that nobody kills. */
static void
recover(struct tree *t, const char *life)
{
	struct rig r;

	rig_start(&r, t->path, life, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_int_equal(rig_stop(&r), 0);
}

/* What is published after recovery stays: nothing old comes over it. */
static void
newer_stays(struct tree *t)
{
	struct rig_session s;
	struct rig r;

	rig_start(&r, t->path, LIFE_3, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_int_equal(rig_open(&r, &s, 1, "alice", "alice"), 0);
	assert_int_equal(rig_upload(&s, "f", "newest"), 0);
	rig_kill(&r);
	rig_close(&s);
	recover(t, LIFE_4);
	assert_true(tree_holds(t, "alice/f", "newest"));
	assert_true(tree_count(t, ".mft/parts/alice") == 0);
}

/* One run that dies at the nth call.  Returns false when it lived. */
static bool
die_and_recover(const char *call, int nth)
{
	struct seen seen;
	struct tree t;
	struct rig r;
	int status;

	prepare(&t);
	start_to_die(&r, &t, LIFE, call, nth);
	publish_both(&r, &seen);
	status = rig_stop(&r);
	recover(&t, LIFE_2);
	check_story(&t, &seen);
	newer_stays(&t);
	tree_remove(&t);
	return WIFSIGNALED(status);
}

static void
killed_at_each_call_of_publish(void **state)
{
	size_t i;
	int nth, total = 0;

	if (!installed())
		skip();
	for (i = 0; i < N_CALLS; i++) {
		for (nth = 1; die_and_recover(calls[i], nth); nth++)
			assert_true(nth < KILLS_MAX);
		total += nth - 1;
	}
	print_message("killed %d times\n", total);
	assert_true(total > 30);
}

/* Dies with f renamed, g not, and neither decided; then the recovery of that
 * dies at the nth call.  Returns false when it lived. */
static bool
die_in_recovery(const char *call, int nth)
{
	struct seen seen;
	struct tree t;
	struct rig r;
	int status;

	prepare(&t);
	start_to_die(&r, &t, LIFE, "renameat2", 1);
	publish_both(&r, &seen);
	assert_true(WIFSIGNALED(rig_stop(&r)));
	assert_true(tree_holds(&t, "alice/f", after[F]));
	start_to_die(&r, &t, LIFE_2, call, nth);
	rig_ready(&r);
	status = rig_stop(&r);
	recover(&t, LIFE_3);
	check_story(&t, &seen);
	assert_true(tree_holds(&t, "alice/f", after[F]));
	assert_true(tree_holds(&t, "alice/g", NULL));
	tree_remove(&t);
	return WIFSIGNALED(status);
}

static void
killed_at_each_call_of_recovery(void **state)
{
	size_t i;
	int nth, total = 0;

	if (!installed())
		skip();
	for (i = 0; i < N_CALLS; i++) {
		for (nth = 1; die_in_recovery(calls[i], nth); nth++)
			assert_true(nth < KILLS_MAX);
		total += nth - 1;
	}
	print_message("killed %d times\n", total);
	assert_true(total > 15);
}

/* The lease ends while a file is being renamed: the change stands and is
 * recorded, but nobody is answered; the session's parts go with it. */
static void
lease_lost_while_publishing(void **state)
{
	char *words[] = { (char *)"strace", (char *)"-qq", (char *)"-o",
		(char *)"/dev/null", (char *)"-e", (char *)"trace=renameat",
		(char *)"-e",
		/* the first is that of the stream's signed head */
		(char *)"inject=renameat:delay_enter=2000000:when=2", NULL };
	char self[4096] = "", lease[16];
	struct seen seen;
	struct story st = { .n = 0 };
	struct tree t;
	struct rig r;

	if (!installed())
		skip();
	prepare(&t);
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(lease, sizeof(lease), "%d", LEASE_MS);
	setenv(LEASE_ENV, lease, 1);
	rig_start(&r, t.path, LIFE, words, self);
	unsetenv(LEASE_ENV);
	publish_both(&r, &seen);
	assert_int_equal(seen.err[F], -MFTD_E_CLOSED);
	assert_true(tree_holds(&t, "alice/f", after[F]));
	assert_int_equal(rig_stop(&r), 0);
	rig_records(t.path, collect_receipts, &st);
	rig_records(t.path, collect_outcomes, &st);
	assert_true(st.n > 0);
	assert_int_equal(st.receipts[0].published, 1);
	recover(&t, LIFE_2);
	check_story(&t, &seen);
	tree_remove(&t);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_call_of_publish),
		cmocka_unit_test(killed_at_each_call_of_recovery),
		cmocka_unit_test(lease_lost_while_publishing),
	};
	struct mftd_lease *lease;

	if (argc == 5 && strcmp(argv[1], "journal") == 0) {
		lease = mftd_lease_new();
		if (lease == NULL)
			return 1;
		if (getenv(LEASE_ENV) != NULL)
			mftd_lease_renew(lease, atoi(getenv(LEASE_ENV)));
		else
			mftd_lease_hold(lease);
		rig_main(argv[2], argv[3], atoi(argv[4]), lease);
		return 0;
	}
	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
