/* Part of mftd; see LICENSE. */
#include "mftd/journal/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/change.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/node.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

/*
 * Crashes between two steps that no kill can time: two nodes' journals on one
 * volume, by calls of the modules.
 */
#define INODE_TRIES 100
#define LIFE_1 "n1-0123456789abcdef"
#define LIFE_2 "n2-fedcba9876543210"
#define LIFE_3 "n3-0000000000000003"
#define PART LIFE_1 "-1.1"

/* A part of alice's f and the wish to publish it, its RECEIPT durable. */
static struct mftd_change *
begin_publish(struct node *n, struct tree *t)
{
	struct mftd_msg_publish m = { .path = "f", .part = PART };
	struct mftd_change *c;

	m.inode = node_part(n, PART, "");
	c = mftd_change_new(&n->owner, MFTD_MSG_PUBLISH, 1, &m);
	assert_int_equal(mftd_publish_prepare(n->work, c), 0);
	assert_int_equal(mftd_work_commit(n->work), 0);
	return c;
}

static int
supersede(struct node *n, bool make)
{
	struct mftd_msg_supersede m = { .path = "f", .keep = LIFE_2 "-1.1" };
	struct mftd_changes list = STAILQ_HEAD_INITIALIZER(list);
	struct mftd_change *c =
	    mftd_change_new(&n->owner, MFTD_MSG_SUPERSEDE, 1, &m);
	int err;

	if (make)
		node_part(n, m.keep, "");
	STAILQ_INSERT_TAIL(&list, c, link);
	assert_int_equal(mftd_batch_run(n->work, &list), 0);
	err = c->err;
	mftd_change_free(c);
	return err;
}

struct count {
	int published, abandoned;
};

static void
count(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct count *n = data;
	struct mftd_rec_outcome rec;
	struct mftd_buf *b = mftd_buf_from(payload, len);

	if ((type == MFTD_RECORD_PUBLISHED || type == MFTD_RECORD_ABANDONED) &&
	    mftd_rec_outcome_get(b, &rec) == 0 && rec.receipt[0] != '\0') {
		n->published += type == MFTD_RECORD_PUBLISHED;
		n->abandoned += type == MFTD_RECORD_ABANDONED;
	}
	mftd_buf_free(b);
}

/* A third node recovers the first; counts the outcomes of receipts. */
static struct count
recovered(struct tree *t)
{
	struct mftd_recovery out = { 0 };
	struct count n = { 0 };
	struct node third;

	node_open(&third, t, "n3", LIFE_3);
	assert_int_equal(mftd_recover_incarnation(third.work, LIFE_1, &out), 0);
	assert_int_equal(mftd_recover_incarnation(third.work, LIFE_1, &out), 0);
	node_close(&third);
	rig_records(t->path, count, &n);
	assert_int_equal(out.published, n.published);
	assert_int_equal(out.abandoned, n.abandoned);
	assert_int_equal(tree_count(t, ".mft/aside"), 0);
	return n;
}

/* Another node takes the name between RECEIPT and rename, and the first dies:
 * the part lies nowhere in its place, but was not published. */
static void
superseded_by_another_node_is_abandoned(void **state)
{
	struct node one, two;
	struct mftd_change *c;
	struct count n;
	struct tree t;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	node_open(&two, &t, "n2", LIFE_2);
	c = begin_publish(&one, &t);
	assert_int_equal(supersede(&two, true), 0);
	assert_true(tree_holds(&t, ".mft/aside/" PART, "")); /* the proof */
	mftd_change_free(c);
	node_close(&one);
	node_close(&two);
	n = recovered(&t);
	assert_int_equal(n.abandoned, 1);
	assert_int_equal(n.published, 0);
	assert_int_equal(tree_count(&t, ".mft/out"), 0);
	tree_remove(&t);
}

/* Two open one new name at once: whose part was set aside already does not take
 * the other's along. */
static void
supersede_for_a_part_that_is_gone(void **state)
{
	struct node one, two;
	struct mftd_change *c;
	struct tree t;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	node_open(&two, &t, "n2", LIFE_2);
	c = begin_publish(&one, &t);
	assert_int_equal(supersede(&two, false), -MFTD_E_SUPERSEDED);
	assert_int_equal(tree_count(&t, ".mft/aside"), 0);
	assert_int_equal(mftd_publish_execute(one.work, c), 0);
	mftd_change_free(c);
	node_close(&one);
	node_close(&two);
	tree_remove(&t);
}

/* The same, and the first lives. */
static void
late_rename_finds_nothing(void **state)
{
	struct node one, two;
	struct mftd_change *c;
	struct tree t;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	node_open(&two, &t, "n2", LIFE_2);
	c = begin_publish(&one, &t);
	assert_int_equal(supersede(&two, true), 0);
	assert_int_equal(mftd_publish_execute(one.work, c), -MFTD_E_SUPERSEDED);
	assert_int_equal(mftd_work_commit(one.work), 0);
	assert_true(tree_holds(&t, "alice/f", NULL));
	assert_int_equal(tree_count(&t, ".mft/out"), 0);
	mftd_change_free(c);
	node_close(&one);
	node_close(&two);
	tree_remove(&t);
}

/* Recovery came first (the node was only paused): it finds nothing. */
static void
rename_after_recovery_finds_nothing(void **state)
{
	struct node one;
	struct mftd_change *c;
	struct count n;
	struct tree t;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	c = begin_publish(&one, &t);
	mftd_stream_close(one.stream); /* the lock is lost with its fence */
	n = recovered(&t);
	assert_int_equal(n.abandoned, 1);
	assert_int_equal(renameat(c->part_dir, PART, c->from.dir, "f"), -1);
	assert_int_equal(errno, ENOENT);
	mftd_change_free(c);
	one.stream = NULL;
	node_close(&one);
	tree_remove(&t);
}

/* A rename made of link and unlink that died in between is a publish. */
static void
half_a_rename_is_published(void **state)
{
	struct node one;
	struct mftd_change *c;
	struct count n;
	struct tree t;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	c = begin_publish(&one, &t);
	assert_int_equal(linkat(c->part_dir, PART, c->from.dir, "f", 0), 0);
	mftd_change_free(c);
	node_close(&one);
	n = recovered(&t);
	assert_int_equal(n.published, 1);
	assert_int_equal(n.abandoned, 0);
	assert_true(tree_holds(&t, "alice/f", ""));
	assert_int_equal(tree_count(&t, ".mft/parts/alice"), 0);
	assert_int_equal(tree_count(&t, ".mft/out"), 1);
	tree_remove(&t);
}

/* A publish that died on its way, and who recovers it. */
struct half {
	struct node two;
	int part_dir, final_dir;
	char receipt[MFTD_ID_BYTES];
	bool linked, renamed; /* what there was done of its rename */
};

/* Each of these it did, and synced nothing. */
static int
die_half_way(void *data)
{
	struct half *h = data;

	if (linkat(h->part_dir, PART, h->two.vol.out, h->receipt, 0) < 0)
		return 1;
	if (h->linked && linkat(h->part_dir, PART, h->final_dir, "f", 0) < 0)
		return 1;
	return h->renamed ? renameat(h->part_dir, PART, h->final_dir, "f") : 0;
}

static int
recover_half(void *data)
{
	struct half *h = data;
	struct mftd_recovery out = { 0 };

	return mftd_recover_incarnation(h->two.work, LIFE_1, &out);
}

/* What recovery says of it, and what the dead one did, is durable before it is
 * said that the stream is done with. */
static void
check_half(bool linked, bool renamed)
{
	struct half h = { .linked = linked, .renamed = renamed };
	struct durable *d = durable_new(false);
	struct mftd_change *c;
	struct node one;
	struct tree t;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	c = begin_publish(&one, &t);
	h.part_dir = dup(c->part_dir);
	h.final_dir = dup(c->from.dir);
	memcpy(h.receipt, c->receipt, sizeof(h.receipt));
	mftd_change_free(c);
	node_close(&one);
	node_open(&h.two, &t, "n2", LIFE_2);
	durable_run(d, die_half_way, &h);
	durable_run(d, recover_half, &h);
	assert_int_equal(durable_answers(d), 1);
	assert_true(durable_good(d));
	assert_int_equal(tree_count(&t, ".mft/out"), linked || renamed);
	durable_free(d);
	close(h.part_dir);
	close(h.final_dir);
	node_close(&h.two);
	tree_remove(&t);
}

static void
abandoned_is_durable(void **state)
{
	check_half(false, false);
}

static void
published_is_durable(void **state)
{
	check_half(false, true);
}

/* A part that came back beside its published name would look as if its owner,
 * who never comes again, had it open. */
static void
half_a_rename_is_durable(void **state)
{
	check_half(true, false);
}

/* The directory was renamed after the crash: the part is found all the same,
 * its key names the directory by its inode. */
static void
directory_renamed_meanwhile(void **state)
{
	struct node one;
	struct mftd_change *c;
	struct count n;
	struct tree t;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	c = begin_publish(&one, &t);
	assert_int_equal(renameat(t.fd, "alice", t.fd, "elsewhere"), 0);
	mftd_change_free(c);
	node_close(&one);
	n = recovered(&t);
	assert_int_equal(n.abandoned, 1);
	assert_int_equal(n.published, 0);
	tree_remove(&t);
}

/* A directory's inode comes again: what was meant for the old one is gone. */
static bool
mkdir_gets_an_inode_again(void)
{
	struct mftd_msg_mkdir m = { .path = "d", .mode = 0755 };
	struct mftd_changes list = STAILQ_HEAD_INITIALIZER(list);
	struct mftd_change *c;
	struct node one;
	struct tree t;
	char key[MFTD_PARENT_KEY_BYTES], path[256];
	uint64_t inode;
	bool again;

	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	assert_int_equal(mkdirat(one.owner.root_fd, "d", 0700), 0);
	inode = tree_inode(&t, "alice/d");
	snprintf(
	    key, sizeof(key), "%s.%llx", one.vol.id, (unsigned long long)inode);
	close(
	    mftd_layout_part_create(one.owner.parts_fd, key, "f", PART, 0600));
	unlinkat(one.owner.root_fd, "d", AT_REMOVEDIR);
	c = mftd_change_new(&one.owner, MFTD_MSG_MKDIR, 1, &m);
	STAILQ_INSERT_TAIL(&list, c, link);
	assert_int_equal(mftd_batch_run(one.work, &list), 0);
	assert_int_equal(c->err, 0);
	again = tree_inode(&t, "alice/d") == inode;
	snprintf(path, sizeof(path), ".mft/parts/alice/%s", key);
	assert_int_equal(tree_count(&t, path), again ? -1 : 1);
	mftd_change_free(c);
	node_close(&one);
	tree_remove(&t);
	return again;
}

static void
mkdir_drops_parts_of_its_inode(void **state)
{
	int i;

	/* somebody else may be quicker to take the inode */
	for (i = 0; i < INODE_TRIES; i++)
		if (mkdir_gets_an_inode_again())
			return;
	skip(); /* this file system counts on */
}

/* Several nodes open a fresh volume: one id. */
static void
volume_has_one_id(void **state)
{
	struct mftd_volume a, b;
	struct tree t;

	tree_make(&t);
	assert_int_equal(mftd_volume_open(&a, "main", t.path), 0);
	assert_int_equal(mftd_volume_open(&b, "main", t.path), 0);
	assert_string_equal(a.id, b.id);
	assert_int_equal(tree_count(&t, ".mft"), 6);
	mftd_volume_close(&a);
	mftd_volume_close(&b);
	tree_write(&t, ".mft/volume-id", "../x");
	assert_int_equal(mftd_volume_open(&a, "main", t.path), -MFTD_E_CORRUPT);
	tree_remove(&t);
}

/* What a COMMIT was answered for is there after a kill, right then. */
static void
commit_is_durable(void **state)
{
	struct mftd_msg_commit ask = { 0 };
	struct mftd_recovery out = { 0 };
	struct mftd_msg_publish m;
	char name[MFTD_ID_BYTES];
	struct rig_session s;
	struct node two;
	struct tree t;
	struct rig r;
	int dir;

	(void)state;
	tree_make(&t);
	rig_start_upload(&r, &s, t.path, LIFE_1, 10, &m);
	memcpy(ask.part, m.part, sizeof(ask.part));
	assert_int_equal(rig_ask(&s, MFTD_MSG_COMMIT, &ask, sizeof(ask)), 0);
	rig_kill(&r);
	rig_close(&s);
	node_open(&two, &t, "n2", LIFE_2);
	assert_int_equal(mftd_recover_incarnation(two.work, LIFE_1, &out), 0);
	dir = node_parts_dir(&two);
	assert_int_equal(mftd_layout_dormant(m.part, 9, name), 0);
	assert_int_equal(faccessat(dir, name, F_OK, 0), 0);
	close(dir);
	node_close(&two);
	tree_remove(&t);
}

static void
count_part(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(payload, len);
	struct mftd_rec_part rec;

	if (type == MFTD_RECORD_PART && mftd_rec_part_get(b, &rec) == 0)
		++*(int *)data;
	mftd_buf_free(b);
}

/* No name says how much of a part is durable before the journal does. */
static void
recorded_before_it_lies_dormant(void **state)
{
	struct mftd_msg_part told = { .durable = 10 };
	struct mftd_msg_part_end end = { .name = "f" };
	char name[MFTD_ID_BYTES];
	struct mftd_msg_publish m;
	struct rig_session s;
	int64_t deadline = mftd_clock_ms() + 30000;
	struct tree t;
	struct rig r;
	int dir, n = 0;

	(void)state;
	tree_make(&t);
	rig_start_upload(&r, &s, t.path, LIFE_1, 0, &m);
	memcpy(told.part, m.part, sizeof(told.part));
	memcpy(end.part, m.part, sizeof(end.part));
	assert_int_equal(mftd_layout_parent_key(
			     s.volume_id, s.root, end.key, sizeof(end.key)),
	    0);
	assert_int_equal(mftd_layout_dormant(m.part, 9, name), 0);
	dir = mftd_layout_parts_open(s.parts, end.key, "f");
	assert_true(dir >= 0);
	/* one right after the other: nothing commits in between */
	rig_send(&s, MFTD_MSG_PART, &told, sizeof(told));
	rig_send(&s, MFTD_MSG_PART_END, &end, sizeof(end));
	while (faccessat(dir, name, F_OK, 0) < 0) {
		assert_int_equal(errno, ENOENT);
		assert_true(mftd_clock_ms() < deadline);
	}
	rig_kill(&r); /* before anything else would commit */
	rig_close(&s);
	close(dir);
	rig_records(t.path, count_part, &n);
	assert_int_equal(n, 1);
	tree_remove(&t);
}

/* Less can be read than was signed: nothing of it is sealed away. */
static void
damaged_stream_is_left_alone(void **state)
{
	static const char *const name =
	    ".mft/journal/n1/" LIFE_1 "-j1/00000001.seg";
	struct mftd_recovery out = { 0 };
	struct mftd_change *c;
	struct node one, two;
	struct tree t;
	uint8_t byte;
	int fd;

	(void)state;
	tree_make(&t);
	node_open(&one, &t, "n1", LIFE_1);
	c = begin_publish(&one, &t);
	assert_int_equal(mftd_stream_sign(one.stream), 0);
	mftd_change_free(c);
	node_close(&one);
	fd = openat(t.fd, name, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, 500), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 500), 1);
	node_open(&two, &t, "n2", LIFE_2);
	assert_int_equal(
	    mftd_recover_incarnation(two.work, LIFE_1, &out), -MFTD_E_CORRUPT);
	assert_int_equal(tree_count(&t, ".mft/aside"), 0);
	/* mended, it is recovered */
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 500), 1);
	close(fd);
	assert_int_equal(mftd_recover_incarnation(two.work, LIFE_1, &out), 0);
	assert_int_equal(out.abandoned, 1);
	node_close(&two);
	tree_remove(&t);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(superseded_by_another_node_is_abandoned),
		cmocka_unit_test(supersede_for_a_part_that_is_gone),
		cmocka_unit_test(late_rename_finds_nothing),
		cmocka_unit_test(rename_after_recovery_finds_nothing),
		cmocka_unit_test(half_a_rename_is_published),
		cmocka_unit_test(abandoned_is_durable),
		cmocka_unit_test(published_is_durable),
		cmocka_unit_test(half_a_rename_is_durable),
		cmocka_unit_test(directory_renamed_meanwhile),
		cmocka_unit_test(mkdir_drops_parts_of_its_inode),
		cmocka_unit_test(commit_is_durable),
		cmocka_unit_test(recorded_before_it_lies_dormant),
		cmocka_unit_test(damaged_stream_is_left_alone),
		cmocka_unit_test(volume_has_one_id),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
