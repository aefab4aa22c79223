/* Part of mftd; see LICENSE. */
#include "mftd/cluster/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/ipc/msg_node.h"

static struct mftd_gm_member
process(uint32_t node, uint32_t life)
{
	return (struct mftd_gm_member) { node, 100 + life };
}

static int
try_install(struct mftd_table *t, uint32_t node, uint32_t life, uint32_t nodeid)
{
	struct mftd_gm_member who = process(nodeid, life);
	struct mftd_gm_hello h;

	memset(&h, 0, sizeof(h));
	snprintf(h.node, sizeof(h.node), "n%u", node);
	snprintf(h.incarnation, sizeof(h.incarnation), "n%u-%u", node, life);
	strcpy(h.boot_id, "boot");
	return mftd_table_install(t, &who, &h);
}

static void
install(struct mftd_table *t, uint32_t node, uint32_t life)
{
	assert_int_equal(try_install(t, node, life, node), 0);
}

static void
leave(struct mftd_table *t, uint32_t node, uint32_t life)
{
	struct mftd_gm_member who = process(node, life);

	mftd_table_leave(t, &who);
}

static const struct mftd_table_row *
row(const struct mftd_table *t, const char *incarnation)
{
	const struct mftd_table_row *r = mftd_table_find(t, incarnation);

	assert_non_null(r);
	return r;
}

/* The next message of node's life about what (an incarnation, or a session). */
static void
say(struct mftd_table *t, uint32_t node, uint32_t life, uint32_t type,
    const char *what)
{
	struct mftd_gm_member who = process(node, life);
	const struct mftd_table_row *r = mftd_table_present(t, &who);
	struct mftd_gm m;

	assert_non_null(r);
	memset(&m, 0, sizeof(m));
	m.type = type;
	m.number = r->next;
	if (type == MFTD_GM_SESSION_ADD || type == MFTD_GM_SESSION_DEL)
		strcpy(m.u.session.id, what);
	else
		strcpy(m.u.incarnation.incarnation, what);
	assert_int_equal(mftd_table_apply(t, &who, &m), 1);
}

static void
numbers_count_only_in_turn(void **state)
{
	struct mftd_gm_member who = process(1, 1), other = process(2, 1);
	struct mftd_gm m = { .type = MFTD_GM_CONFIG, .number = 2 };
	struct mftd_table *t = mftd_table_new();

	install(t, 1, 1);
	m.u.config.version = 5;
	assert_int_equal(mftd_table_apply(t, &who, &m), 0);
	m.number = 1;
	assert_int_equal(mftd_table_apply(t, &other, &m), 0); /* no member */
	assert_int_equal(mftd_table_apply(t, &who, &m), 1);
	assert_true(mftd_table_config(t) == 5);
	m.u.config.version = 9;
	assert_int_equal(mftd_table_apply(t, &who, &m), 0); /* repeated */
	m.number = 2;
	m.u.config.version = 4; /* never back */
	assert_int_equal(mftd_table_apply(t, &who, &m), 1);
	assert_true(mftd_table_config(t) == 5);
	mftd_table_free(t);
}

static void
fenced_means_only_who_left_without_a_word(void **state)
{
	struct mftd_table *t = mftd_table_new();

	install(t, 1, 1);
	install(t, 2, 1);
	say(t, 1, 1, MFTD_GM_FENCED, "n2-1");
	assert_false(row(t, "n2-1")->gone);
	leave(t, 2, 1);
	assert_false(row(t, "n2-1")->gone);
	say(t, 1, 1, MFTD_GM_FENCED, "n2-1");
	assert_true(row(t, "n2-1")->gone);
	mftd_table_free(t);
}

static void
who_left_does_not_return(void **state)
{
	struct mftd_table *t = mftd_table_new();

	install(t, 1, 1);
	install(t, 2, 1);
	assert_int_equal(try_install(t, 2, 1, 2), 0); /* is here */
	leave(t, 2, 1);
	assert_int_equal(try_install(t, 2, 1, 2), -EEXIST);
	assert_int_equal(try_install(t, 1, 2, 3), -EADDRINUSE);
	assert_false(row(t, "n1-1")->gone);
	install(t, 2, 2);
	assert_true(row(t, "n2-1")->gone);
	mftd_table_free(t);
}

static void
first_claim_wins_until_its_claimer_leaves(void **state)
{
	struct mftd_table *t = mftd_table_new();

	install(t, 1, 1);
	install(t, 2, 1);
	install(t, 3, 1);
	say(t, 1, 1, MFTD_GM_CLAIM, "n3-1"); /* lives */
	assert_string_equal(row(t, "n3-1")->claimer, "");
	say(t, 3, 1, MFTD_GM_GONE, "");
	leave(t, 3, 1);
	say(t, 2, 1, MFTD_GM_CLAIM, "n3-1");
	say(t, 1, 1, MFTD_GM_CLAIM, "n3-1");
	assert_string_equal(row(t, "n3-1")->claimer, "n2-1");
	say(t, 1, 1, MFTD_GM_RECOVERED, "n3-1"); /* not its own */
	assert_false(row(t, "n3-1")->recovered);
	leave(t, 2, 1);
	assert_string_equal(row(t, "n3-1")->claimer, "");
	say(t, 1, 1, MFTD_GM_CLAIM, "n3-1");
	say(t, 1, 1, MFTD_GM_RECOVERED, "n3-1");
	assert_true(row(t, "n3-1")->recovered);
	install(t, 3, 2); /* nothing to be told of that life any more */
	assert_null(mftd_table_find(t, "n3-1"));
	mftd_table_free(t);
}

static void
sessions_end_with_their_node(void **state)
{
	struct mftd_table *t = mftd_table_new();

	install(t, 1, 1);
	say(t, 1, 1, MFTD_GM_SESSION_ADD, "n1-1-b");
	say(t, 1, 1, MFTD_GM_SESSION_ADD, "n1-1-a");
	say(t, 1, 1, MFTD_GM_SESSION_ADD, "n1-1-c");
	assert_int_equal(row(t, "n1-1")->n_sessions, 3);
	assert_string_equal(row(t, "n1-1")->sessions[0]->id, "n1-1-a");
	say(t, 1, 1, MFTD_GM_SESSION_DEL, "n1-1-a");
	assert_int_equal(row(t, "n1-1")->n_sessions, 2);
	leave(t, 1, 1);
	assert_int_equal(row(t, "n1-1")->n_sessions, 0);
	mftd_table_free(t);
}

static void
rows_are_bounded(void **state)
{
	struct mftd_table *t = mftd_table_new();
	uint32_t i;

	for (i = 1; i <= MFTD_INCARNATIONS_MAX; i++)
		install(t, i, 1);
	assert_int_equal(try_install(t, i, 1, i), -ENOSPC);
	mftd_table_free(t);
}

/* ---- the same to two tables */

static struct mftd_buf *
encode(const struct mftd_table *t)
{
	struct mftd_buf *b = mftd_buf_new(MFTD_TABLE_BYTES);

	assert_int_equal(mftd_table_encode(t, b), 0);
	return b;
}

static void
assert_same(const struct mftd_table *a, const struct mftd_table *b)
{
	struct mftd_buf *x = encode(a), *y = encode(b);

	assert_int_equal(mftd_buf_len(x), mftd_buf_len(y));
	assert_memory_equal(
	    mftd_buf_data(x), mftd_buf_data(y), mftd_buf_len(x));
	mftd_buf_free(x);
	mftd_buf_free(y);
}

static struct mftd_table *
copy(const struct mftd_table *t)
{
	struct mftd_buf *b = encode(t);
	struct mftd_table *out;

	assert_int_equal(
	    mftd_table_decode(mftd_buf_data(b), mftd_buf_len(b), &out), 0);
	mftd_buf_free(b);
	return out;
}

static void
random_message(struct mftd_gm *m)
{
	static const uint32_t types[] = { MFTD_GM_SESSION_ADD,
		MFTD_GM_SESSION_ADD, MFTD_GM_SESSION_DEL, MFTD_GM_ROLE,
		MFTD_GM_CONFIG, MFTD_GM_GONE, MFTD_GM_FENCED, MFTD_GM_CLAIM,
		MFTD_GM_RECOVERED };
	static const char *const queues[] = { "q", "@controller", "@node:n1" };

	memset(m, 0, sizeof(*m));
	m->type = types[rand() % 9];
	m->number = 1 + (uint64_t)rand() % 6;
	if (m->type == MFTD_GM_SESSION_ADD || m->type == MFTD_GM_SESSION_DEL)
		snprintf(m->u.session.id, MFTD_ID_BYTES, "s%d", rand() % 50);
	else if (m->type == MFTD_GM_ROLE) {
		m->u.role = (struct mftd_gm_role) { (uint32_t)rand() % 3,
			(uint32_t)rand() % 3, "", 1 };
		strcpy(m->u.role.queue, queues[rand() % 3]);
	} else if (m->type == MFTD_GM_CONFIG)
		m->u.config.version = (uint64_t)rand() % 100;
	else
		snprintf(m->u.incarnation.incarnation, MFTD_ID_BYTES, "n%d-%d",
		    1 + rand() % 4, 1 + rand() % 40);
}

static void
tell_both(struct mftd_table *a, struct mftd_table *b, uint32_t lives[5])
{
	uint32_t node = 1 + (uint32_t)rand() % 4;
	struct mftd_gm_member who = process(node, lives[node]);
	struct mftd_gm m;
	uint64_t number;

	switch (rand() % 12) {
	case 0:
		leave(a, node, lives[node]);
		leave(b, node, lives[node]);
		break;
	case 1:
		lives[node]++;
		assert_int_equal(try_install(a, node, lives[node], node),
		    try_install(b, node, lives[node], node));
		break;
	case 2:
		mftd_table_next_generation(a);
		mftd_table_next_generation(b);
		break;
	default:
		random_message(&m);
		number = mftd_table_present(a, &who) != NULL
		    ? mftd_table_present(a, &who)->next
		    : 1;
		if (rand() % 8 != 0)
			m.number = number;
		assert_int_equal(mftd_table_apply(a, &who, &m),
		    mftd_table_apply(b, &who, &m));
		break;
	}
}

static void
same_order_same_table(void **state)
{
	struct mftd_table *a = mftd_table_new(), *b = mftd_table_new(), *c;
	uint32_t lives[5] = { 0 };
	unsigned int turn;

	srand(7);
	for (turn = 0; turn < 20000; turn++) {
		tell_both(a, b, lives);
		if (turn % 97 == 0) { /* a joiner's copy goes on like it */
			c = copy(b);
			mftd_table_free(b);
			b = c;
		}
		if (turn % 50 == 0)
			assert_same(a, b);
	}
	assert_same(a, b);
	assert_true(mftd_table_history(a) == mftd_table_history(b));
	mftd_table_free(a);
	mftd_table_free(b);
}

static void
another_order_another_history(void **state)
{
	struct mftd_table *a = mftd_table_new(), *b = mftd_table_new();

	install(a, 1, 1);
	install(a, 2, 1);
	install(b, 1, 1);
	install(b, 2, 1);
	say(a, 1, 1, MFTD_GM_SESSION_ADD, "s");
	say(a, 2, 1, MFTD_GM_SESSION_ADD, "s");
	say(b, 2, 1, MFTD_GM_SESSION_ADD, "s");
	assert_true(mftd_table_history(a) != mftd_table_history(b));
	say(b, 1, 1, MFTD_GM_SESSION_ADD, "s");
	assert_true(mftd_table_history(a) != mftd_table_history(b));
	mftd_table_free(a);
	mftd_table_free(b);
}

static void
leaves_at_one_point_have_no_order(void **state)
{
	struct mftd_table *a = mftd_table_new(), *b = mftd_table_new();
	uint32_t i;

	for (i = 1; i < 4; i++) {
		install(a, i, 1);
		install(b, i, 1);
	}
	leave(a, 2, 1);
	leave(a, 3, 1);
	leave(b, 3, 1);
	leave(b, 2, 1);
	assert_same(a, b);
	leave(a, 1, 1);
	assert_true(mftd_table_history(a) != mftd_table_history(b));
	mftd_table_free(a);
	mftd_table_free(b);
}

static void
ban(struct mftd_table *t, const char *net, int64_t until_us, int64_t said_us)
{
	const struct mftd_table_row *r = mftd_table_row(t, 0);
	struct mftd_gm m = { .type = MFTD_GM_BAN, .number = r->next };

	strcpy(m.u.ban.row.net, net);
	m.u.ban.row.until_us = until_us;
	m.u.ban.said_us = said_us;
	assert_int_equal(mftd_table_apply(t, &r->member, &m), 1);
}

static void
unban(struct mftd_table *t, const char *net)
{
	const struct mftd_table_row *r = mftd_table_row(t, 0);
	struct mftd_gm m = { .type = MFTD_GM_UNBAN, .number = r->next };

	strcpy(m.u.ban.row.net, net);
	assert_int_equal(mftd_table_apply(t, &r->member, &m), 1);
}

static size_t
n_bans(const struct mftd_table *t)
{
	size_t n = 0;

	while (mftd_table_ban(t, n) != NULL)
		n++;
	return n;
}

static void
bans_expire_and_are_bounded(void **state)
{
	struct mftd_table *t = mftd_table_new(), *back = NULL;
	struct mftd_buf *b;
	char net[32];
	int i;

	install(t, 1, 1);
	ban(t, "192.0.2.2", 100, 1);
	ban(t, "192.0.2.1", 50, 1);
	assert_string_equal(mftd_table_ban(t, 0)->net, "192.0.2.1");
	ban(t, "192.0.2.2", 200, 2); /* the same again: longer */
	assert_int_equal(n_bans(t), 2);
	ban(t, "192.0.2.3", 300, 49);
	assert_int_equal(n_bans(t), 3);
	ban(t, "192.0.2.4", 300, 50); /* .1 is over by then */
	assert_int_equal(n_bans(t), 3);
	assert_true(mftd_table_ban(t, 0)->until_us == 200);
	unban(t, "192.0.2.2");
	unban(t, "192.0.2.9");
	assert_int_equal(n_bans(t), 2);
	unban(t, "192.0.2.3");
	unban(t, "192.0.2.4");
	for (i = 0; i < MFTD_BANS_MAX; i++) {
		snprintf(net, sizeof(net), "10.0.%d.%d", i / 256, i % 256);
		ban(t, net, 1000 + (i == 77 ? 0 : i + 1), 60);
	}
	assert_int_equal(n_bans(t), MFTD_BANS_MAX);
	ban(t, "192.0.2.5", 5000, 60);
	assert_int_equal(n_bans(t), MFTD_BANS_MAX);
	for (i = 0; i < MFTD_BANS_MAX; i++) /* what would end first went */
		assert_string_not_equal(mftd_table_ban(t, i)->net, "10.0.0.77");
	b = encode(t);
	assert_int_equal(
	    mftd_table_decode(mftd_buf_data(b), mftd_buf_len(b), &back), 0);
	assert_same(t, back);
	mftd_buf_free(b);
	mftd_table_free(back);
	mftd_table_free(t);
}

static void
broken_snapshots_are_refused(void **state)
{
	struct mftd_table *t = mftd_table_new(), *out;
	struct mftd_buf *b;
	unsigned int turn, taken = 0;
	uint8_t *raw;
	size_t len;

	install(t, 1, 1);
	install(t, 2, 1);
	say(t, 1, 1, MFTD_GM_SESSION_ADD, "s1");
	say(t, 1, 1, MFTD_GM_SESSION_ADD, "s2");
	ban(t, "192.0.2.1", 100, 1);
	ban(t, "192.0.2.2", 100, 1);
	b = encode(t);
	raw = malloc(mftd_buf_len(b));
	for (len = 0; len < mftd_buf_len(b); len++) {
		memcpy(raw, mftd_buf_data(b), len);
		assert_int_equal(mftd_table_decode(raw, len, &out), -EBADMSG);
	}
	srand(3);
	for (turn = 0; turn < 20000; turn++) {
		memcpy(raw, mftd_buf_data(b), len);
		raw[(size_t)rand() % len] = (uint8_t)rand();
		if (mftd_table_decode(raw, len, &out) == 0) {
			mftd_table_free(out);
			taken++;
		}
	}
	assert_in_range(taken, 1, turn - 1);
	free(raw);
	mftd_buf_free(b);
	mftd_table_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_count_only_in_turn),
		cmocka_unit_test(fenced_means_only_who_left_without_a_word),
		cmocka_unit_test(who_left_does_not_return),
		cmocka_unit_test(first_claim_wins_until_its_claimer_leaves),
		cmocka_unit_test(sessions_end_with_their_node),
		cmocka_unit_test(rows_are_bounded),
		cmocka_unit_test(same_order_same_table),
		cmocka_unit_test(another_order_another_history),
		cmocka_unit_test(leaves_at_one_point_have_no_order),
		cmocka_unit_test(bans_expire_and_are_bounded),
		cmocka_unit_test(broken_snapshots_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
