/* Part of mftd; see LICENSE. */

/*
 * What becomes of a source that was delivered everywhere: it is archived or
 * deleted while it is still the one that was delivered, and else it stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/usage.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/source.h"
#include "tests/unit/journal/tree.h"

#define ARCHIVED SOURCE_ARCHIVE "/f"

static void
said(struct source_volume *v, uint32_t source, const char *text)
{
	assert_int_equal(v->say.err, 0);
	assert_string_equal(v->say.receipt, v->receipt);
	assert_int_equal(v->say.source, source);
	assert_string_equal(v->say.text, text);
	/* the link is the catalog's to release, once it knows */
	assert_int_not_equal(mftd_stream_dirty(v->n.stream), 1);
	assert_int_equal(source_taken(&v->t), 0);
}

/* Asks for it; it stays as it is, for that reason. */
static void
stays(struct source_volume *v, const char *archive, const char *text)
{
	source_dispose(&v->n, v->receipt, archive, &v->say);
	said(v, MFTD_SOURCE_KEPT, text);
	assert_int_equal(source_records(&v->t, v->receipt), 0);
}

static void
archived(void **state)
{
	struct source_volume *v = *state;
	char out[256];

	source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
	said(v, MFTD_SOURCE_ARCHIVED, ARCHIVED);
	assert_true(tree_holds(&v->t, ARCHIVED, "one"));
	assert_true(tree_holds(&v->t, "alice/f", NULL));
	snprintf(out, sizeof(out), ".mft/out/%s", v->receipt);
	assert_true(tree_holds(&v->t, out, "one"));
	assert_int_equal(source_records(&v->t, v->receipt), 1);
}

static void
deleted(void **state)
{
	struct source_volume *v = *state;
	char out[256];

	source_dispose(&v->n, v->receipt, NULL, &v->say);
	said(v, MFTD_SOURCE_DELETED, "");
	assert_true(tree_holds(&v->t, "alice/f", NULL));
	snprintf(out, sizeof(out), ".mft/out/%s", v->receipt);
	assert_true(tree_holds(&v->t, out, "one"));
	assert_int_equal(source_records(&v->t, v->receipt), 1);
}

static void
name_in_the_archive_is_numbered(void **state)
{
	struct source_volume *v = *state;

	source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
	said(v, MFTD_SOURCE_ARCHIVED, ARCHIVED);
	source_upload(&v->n, 2, "two", v->receipt);
	source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
	said(v, MFTD_SOURCE_ARCHIVED, ARCHIVED ".1");
	source_upload(&v->n, 3, "three", v->receipt);
	source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
	said(v, MFTD_SOURCE_ARCHIVED, ARCHIVED ".2");
	assert_true(tree_holds(&v->t, ARCHIVED, "one"));
	assert_true(tree_holds(&v->t, ARCHIVED ".1", "two"));
	assert_true(tree_holds(&v->t, ARCHIVED ".2", "three"));
	assert_true(tree_holds(&v->t, "alice/f", NULL));
}

/* The answer was lost: it is said again, and nothing is done twice. */
static void
asked_again(void **state)
{
	struct source_volume *v = *state;

	source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
	source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
	said(v, MFTD_SOURCE_ARCHIVED, ARCHIVED);
	assert_int_equal(tree_count(&v->t, SOURCE_ARCHIVE), 1);
	source_dispose(&v->n, v->receipt, NULL, &v->say);
	said(v, MFTD_SOURCE_KEPT, "nothing has its name any more");
}

static void
newer_upload_stays(void **state)
{
	char first[MFTD_ID_BYTES];
	struct source_volume *v = *state;

	snprintf(first, sizeof(first), "%s", v->receipt);
	source_upload(&v->n, 2, "two", v->receipt);
	snprintf(v->receipt, sizeof(v->receipt), "%s", first);
	stays(v, SOURCE_ARCHIVE, "another file has its name by now");
	stays(v, NULL, "another file has its name by now");
	assert_true(tree_holds(&v->t, "alice/f", "two"));
	assert_true(tree_holds(&v->t, ARCHIVED, NULL));
}

static void
renamed_or_removed(void **state)
{
	struct mftd_msg_rename rename = { .from = "f", .to = "g" };
	struct source_volume *v = *state;

	assert_int_equal(node_change(&v->n, MFTD_MSG_RENAME, &rename), 0);
	stays(v, NULL, "nothing has its name any more");
	assert_true(tree_holds(&v->t, "alice/g", "one"));
	assert_int_equal(unlinkat(v->t.fd, "alice/g", 0), 0);
	stays(v, SOURCE_ARCHIVE, "nothing has its name any more");
}

/* The link may have been released meanwhile. */
static void
without_its_link(void **state)
{
	struct source_volume *v = *state;

	assert_int_equal(unlinkat(v->n.vol.out, v->receipt, 0), 0);
	stays(v, NULL, "its link in out is gone");
	assert_true(tree_holds(&v->t, "alice/f", "one"));
}

/* What shows behind an unfinished upload is needed. */
static void
upload_under_way(void **state)
{
	struct source_volume *v = *state;

	node_part(&v->n, SOURCE_LIFE_1 "-1.7", "tw");
	assert_int_equal(
	    source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say), -EBUSY);
	assert_true(tree_holds(&v->t, "alice/f", "one"));
	assert_true(tree_holds(&v->t, ARCHIVED, NULL));
	assert_int_equal(source_records(&v->t, v->receipt), 0);
}

/* Nobody archives what the archive holds. */
static void
in_the_archive(void **state)
{
	struct source_volume *v = *state;

	stays(v, "alice", "it lies in the archive");
	assert_true(tree_holds(&v->t, "alice/f", "one"));
}

static void
archive_cannot_be_made(void **state)
{
	struct source_volume *v = *state;

	tree_write(&v->t, "alice/kept", "a file");
	assert_true(
	    source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say) < 0);
	assert_true(tree_holds(&v->t, "alice/f", "one"));
	assert_int_equal(source_records(&v->t, v->receipt), 0);
}

static void
paths_are_checked(void **state)
{
	static const char *const bad[] = { "../out", "/kept", ".mft/out",
		"kept//x", "kept/../../x" };
	struct source_volume *v = *state;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    source_dispose(&v->n, v->receipt, bad[i], &v->say),
		    -EINVAL);
	assert_int_equal(
	    source_dispose(&v->n, "no id!", NULL, &v->say), -EINVAL);
	assert_true(tree_holds(&v->t, "alice/f", "one"));
}

/* So many names are tried, and then it says so. */
static void
archive_full_of_the_name(void **state)
{
	struct source_volume *v = *state;
	char path[256];
	int i;

	assert_int_equal(mkdirat(v->t.fd, "old", 0700), 0);
	tree_write(&v->t, "old/f", "x");
	for (i = 1; i < MFTD_ARCHIVE_NAMES_MAX; i++) {
		snprintf(path, sizeof(path), "old/f.%d", i);
		assert_int_equal(linkat(v->t.fd, "old/f", v->t.fd, path, 0), 0);
	}
	assert_int_equal(
	    source_dispose(&v->n, v->receipt, "old", &v->say), -EEXIST);
	assert_true(tree_holds(&v->t, "alice/f", "one"));
	assert_int_equal(unlinkat(v->t.fd, path, 0), 0);
	assert_int_equal(source_dispose(&v->n, v->receipt, "old", &v->say), 0);
	said(v, MFTD_SOURCE_ARCHIVED, path);
}

/* Several as one group, into one folder and others. */
static void
group(void **state)
{
	static const char *const to[] = { SOURCE_ARCHIVE, SOURCE_ARCHIVE,
		"elsewhere", NULL };
	struct mftd_disposals list = STAILQ_HEAD_INITIALIZER(list);
	char receipts[4][MFTD_ID_BYTES], text[16];
	struct source_volume *v = *state;
	struct mftd_disposal *d;
	int i;

	for (i = 0; i < 4; i++) {
		struct mftd_msg_rename name = { .from = "f" };

		snprintf(text, sizeof(text), "text %d", i);
		snprintf(name.to, sizeof(name.to), "g%d", i);
		source_upload(&v->n, 10 + i, text, receipts[i]);
		assert_int_equal(node_change(&v->n, MFTD_MSG_RENAME, &name), 0);
		d = source_ask(receipts[i], to[i]);
		snprintf(d->ask.path, sizeof(d->ask.path), "alice/%s", name.to);
		STAILQ_INSERT_TAIL(&list, d, link);
	}
	assert_int_equal(mftd_dispose_run(v->n.work, &list), 0);
	for (i = 0; (d = STAILQ_FIRST(&list)) != NULL; i++) {
		assert_int_equal(d->say.err, 0);
		assert_int_equal(d->say.source,
		    to[i] != NULL ? MFTD_SOURCE_ARCHIVED : MFTD_SOURCE_DELETED);
		STAILQ_REMOVE_HEAD(&list, link);
		mftd_disposal_free(d);
	}
	assert_true(tree_holds(&v->t, SOURCE_ARCHIVE "/g0", "text 0"));
	assert_true(tree_holds(&v->t, SOURCE_ARCHIVE "/g1", "text 1"));
	assert_true(tree_holds(&v->t, "elsewhere/g2", "text 2"));
	assert_int_equal(tree_count(&v->t, "alice"), 1); /* kept */
}

/* ---- what the account uses */

static void
set_usage(struct source_volume *v, uint64_t bytes, uint64_t files)
{
	struct mftd_usage u = { .known = true, .bytes = bytes, .files = files };
	int fd = mftd_usage_lock(&v->n.vol, "alice");

	assert_true(fd >= 0);
	assert_int_equal(mftd_usage_write(fd, &u, false), 0);
	close(fd);
}

static void
usage_is(struct source_volume *v, uint64_t bytes, uint64_t files)
{
	struct mftd_usage u;

	assert_int_equal(mftd_usage_peek(&v->n.vol, "alice", &u), 0);
	assert_int_equal(u.bytes, bytes);
	assert_int_equal(u.files, files);
}

static void
quota_counts_the_archive(void **state)
{
	struct source_volume *v = *state;

	set_usage(v, 100, 10);
	source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
	usage_is(v, 100, 10); /* it sees it */
	source_upload(&v->n, 2, "four", v->receipt);
	set_usage(v, 100, 10);
	source_dispose(&v->n, v->receipt, "elsewhere", &v->say);
	said(v, MFTD_SOURCE_ARCHIVED, "elsewhere/f");
	usage_is(v, 96, 9);
	source_upload(&v->n, 3, "three", v->receipt);
	set_usage(v, 100, 10);
	source_dispose(&v->n, v->receipt, NULL, &v->say);
	usage_is(v, 95, 9);
}

static void
no_quota_no_usage(void **state)
{
	struct source_volume *v = *state;

	source_dispose(&v->n, v->receipt, NULL, &v->say);
	said(v, MFTD_SOURCE_DELETED, "");
	assert_true(tree_holds(&v->t, ".mft/usage/alice", NULL));
}

/* ---- the order of syncs */

static int
do_archive(void *data)
{
	struct source_volume *v = data;

	return source_dispose(&v->n, v->receipt, SOURCE_ARCHIVE, &v->say);
}

static int
do_delete(void *data)
{
	struct source_volume *v = data;

	return source_dispose(&v->n, v->receipt, NULL, &v->say);
}

/* The archive before the name goes, the record before its proof. */
static void
durable_in_its_order(void **state)
{
	struct source_volume *v = *state;

	assert_true(durable_in_order(do_archive, v, 2));
	source_upload(&v->n, 2, "two", v->receipt);
	/* its process wrote to the stream behind our back */
	node_close(&v->n);
	node_open(&v->n, &v->t, "n2", SOURCE_LIFE_2);
	assert_true(durable_in_order(do_delete, v, 2));
}

/* As one that was killed behind its link left it, and its client removed the
 * name since. */
static int
again(void *data)
{
	struct source_volume *v = data;
	char out[256];

	snprintf(out, sizeof(out), ".mft/out/%s", v->receipt);
	if (linkat(v->t.fd, out, v->t.fd, ARCHIVED, 0) < 0 ||
	    unlinkat(v->t.fd, "alice/f", 0) < 0 ||
	    fsync(v->n.owner.root_fd) < 0)
		return -errno;
	return do_archive(v);
}

static void
durable_when_asked_again(void **state)
{
	struct source_volume *v = *state;
	int fd;

	assert_int_equal(
	    mftd_volume_dir(&v->n.vol, SOURCE_ARCHIVE, true, &fd), 0);
	close(fd);
	assert_true(durable_in_order(again, v, 0));
	assert_int_equal(source_records(&v->t, v->receipt), 1);
}

/* ---- the process */

static void
wait_answer(struct rig *r, struct mftd_msg_disposed *say)
{
	struct mftd_msg m;

	assert_true(rig_wait(r->catalog, MFTD_MSG_DISPOSED, &m));
	assert_int_equal(m.ref, 7);
	memcpy(say, m.data, sizeof(*say));
	mftd_msg_close(&m);
}

/* The catalog asks and is answered; without the lease nothing is done. */
static void
by_messages(void **state)
{
	struct mftd_msg_journal_result res;
	struct mftd_msg_disposed say;
	struct mftd_msg_publish p;
	struct mftd_disposal *d;
	struct rig_session s;
	struct tree t;
	struct rig r;

	(void)state;
	tree_make(&t);
	rig_start(&r, t.path, SOURCE_LIFE_1, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_int_equal(rig_open(&r, &s, 1, "alice", "alice"), 0);
	rig_part(&s, "f", "one", &p);
	assert_int_equal(
	    rig_answer(&s, rig_send(&s, MFTD_MSG_PUBLISH, &p, sizeof(p)), &res),
	    0);
	d = source_ask(res.receipt, SOURCE_ARCHIVE);
	mftd_lease_renew(r.lease, 0);
	mftd_chan_send(
	    r.catalog, MFTD_MSG_DISPOSE, 7, &d->ask, sizeof(d->ask), NULL, 0);
	wait_answer(&r, &say);
	assert_int_equal(say.err, -MFTD_E_NO_LEASE);
	assert_true(tree_holds(&t, "alice/f", "one"));
	mftd_lease_hold(r.lease);
	mftd_chan_send(
	    r.catalog, MFTD_MSG_DISPOSE, 7, &d->ask, sizeof(d->ask), NULL, 0);
	wait_answer(&r, &say);
	assert_int_equal(say.err, 0);
	assert_int_equal(say.source, MFTD_SOURCE_ARCHIVED);
	assert_true(tree_holds(&t, ARCHIVED, "one"));
	mftd_disposal_free(d);
	rig_close(&s);
	assert_int_equal(rig_stop(&r), 0);
	tree_remove(&t);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, source_setup, source_teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		TEST(archived),
		TEST(deleted),
		TEST(name_in_the_archive_is_numbered),
		TEST(asked_again),
		TEST(newer_upload_stays),
		TEST(renamed_or_removed),
		TEST(without_its_link),
		TEST(upload_under_way),
		TEST(in_the_archive),
		TEST(archive_cannot_be_made),
		TEST(paths_are_checked),
		TEST(archive_full_of_the_name),
		TEST(group),
		TEST(quota_counts_the_archive),
		TEST(no_quota_no_usage),
		TEST(durable_in_its_order),
		TEST(durable_when_asked_again),
		cmocka_unit_test(by_messages),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
