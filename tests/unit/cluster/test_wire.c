/* Part of mftd; see LICENSE. */
#include "mftd/cluster/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t types[] = { MFTD_GM_COLLECT, MFTD_GM_HELLO,
	MFTD_GM_DECIDE, MFTD_GM_SNAPSHOT, MFTD_GM_BEAT, MFTD_GM_SESSION_ADD,
	MFTD_GM_SESSION_DEL, MFTD_GM_ROLE, MFTD_GM_CONFIG, MFTD_GM_GONE,
	MFTD_GM_FENCED, MFTD_GM_CLAIM, MFTD_GM_RECOVERED, MFTD_GM_BAN,
	MFTD_GM_UNBAN, MFTD_GM_SESSION_END };
#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* A message of that type with something in each field. */
static void
make(uint32_t type, struct mftd_gm *m)
{
	static const uint8_t piece[] = "piece";

	memset(m, 0, sizeof(*m));
	m->type = type;
	m->number = type >= MFTD_GM_SESSION_ADD ? 77 : 0;
	switch (type) {
	case MFTD_GM_HELLO:
		strcpy(m->u.hello.node, "n1");
		strcpy(m->u.hello.incarnation, "n1-1");
		strcpy(m->u.hello.boot_id, "boot");
		m->u.hello.quorate = true;
		m->u.hello.history = UINT64_MAX;
		break;
	case MFTD_GM_SNAPSHOT:
		m->u.snapshot.total = 100;
		m->u.snapshot.offset = 95;
		m->u.snapshot.len = 5;
		m->u.snapshot.data = piece;
		break;
	case MFTD_GM_SESSION_ADD:
	case MFTD_GM_SESSION_DEL:
		strcpy(m->u.session.id, "n1-1-1");
		strcpy(m->u.session.account, "alice@example");
		strcpy(m->u.session.peer, "[2001:db8::1]:22");
		m->u.session.since_us = -5;
		break;
	case MFTD_GM_SESSION_END:
		strcpy(m->u.session.id, "n1-1-1");
		strcpy(m->u.session.end, "its part is taken over");
		break;
	case MFTD_GM_BAN:
	case MFTD_GM_UNBAN:
		strcpy(m->u.ban.row.net, "2001:db8::/64");
		strcpy(m->u.ban.row.why, "10 failures");
		m->u.ban.row.until_us = INT64_MAX;
		m->u.ban.said_us = 5;
		break;
	case MFTD_GM_FENCED:
	case MFTD_GM_CLAIM:
	case MFTD_GM_RECOVERED:
		strcpy(m->u.incarnation.incarnation, "n1-1");
		break;
	default:
		break;
	}
}

static struct mftd_buf *
encode(const struct mftd_gm *m)
{
	struct mftd_buf *b = mftd_buf_new(MFTD_GROUP_MESSAGE_BYTES);

	assert_int_equal(mftd_gm_encode(m, b), 0);
	return b;
}

static void
each_type_comes_back(void **state)
{
	struct mftd_gm m, back;
	struct mftd_buf *b, *again;
	size_t i;

	for (i = 0; i < N_TYPES; i++) {
		make(types[i], &m);
		b = encode(&m);
		assert_int_equal(
		    mftd_gm_decode(mftd_buf_data(b), mftd_buf_len(b), &back),
		    0);
		assert_true(back.type == m.type && back.number == m.number);
		again = encode(&back);
		assert_int_equal(mftd_buf_len(b), mftd_buf_len(again));
		assert_memory_equal(
		    mftd_buf_data(b), mftd_buf_data(again), mftd_buf_len(b));
		mftd_buf_free(b);
		mftd_buf_free(again);
	}
	make(MFTD_GM_SESSION_ADD, &m);
	b = encode(&m);
	assert_int_equal(
	    mftd_gm_decode(mftd_buf_data(b), mftd_buf_len(b), &back), 0);
	assert_string_equal(back.u.session.peer, "[2001:db8::1]:22");
	assert_true(back.u.session.since_us == -5);
	mftd_buf_free(b);
}

static void
cut_or_longer_is_refused(void **state)
{
	uint8_t raw[MFTD_GROUP_MESSAGE_BYTES];
	struct mftd_gm m, back;
	struct mftd_buf *b;
	size_t i, len;

	for (i = 0; i < N_TYPES; i++) {
		make(types[i], &m);
		b = encode(&m);
		len = mftd_buf_len(b);
		memcpy(raw, mftd_buf_data(b), len);
		raw[len] = 0;
		mftd_buf_free(b);
		assert_int_equal(mftd_gm_decode(raw, len + 1, &back), -EBADMSG);
		while (len-- > 0)
			assert_int_equal(
			    mftd_gm_decode(raw, len, &back), -EBADMSG);
	}
}

static void
other_version_is_told_apart(void **state)
{
	struct mftd_gm m, back;
	struct mftd_buf *b;
	uint8_t raw[64];

	make(MFTD_GM_GONE, &m);
	b = encode(&m);
	memcpy(raw, mftd_buf_data(b), mftd_buf_len(b));
	raw[0]++;
	assert_int_equal(
	    mftd_gm_decode(raw, mftd_buf_len(b), &back), -EPROTONOSUPPORT);
	mftd_buf_free(b);
}

static void
bad_names_are_refused_both_ways(void **state)
{
	struct mftd_buf *b = mftd_buf_new(MFTD_GROUP_MESSAGE_BYTES);
	struct mftd_gm m, back;
	uint8_t *at;

	make(MFTD_GM_CLAIM, &m);
	strcpy(m.u.incarnation.incarnation, "../x");
	assert_int_equal(mftd_gm_encode(&m, b), -EINVAL);
	assert_int_equal(mftd_buf_len(b), 0);
	make(MFTD_GM_CLAIM, &m);
	m.number = 0;
	assert_int_equal(mftd_gm_encode(&m, b), -EINVAL);
	make(MFTD_GM_CLAIM, &m);
	assert_int_equal(mftd_gm_encode(&m, b), 0);
	at = (uint8_t *)(uintptr_t)mftd_buf_data(b);
	at[mftd_buf_len(b) - 1] = '/';
	assert_int_equal(mftd_gm_decode(at, mftd_buf_len(b), &back), -EBADMSG);
	mftd_buf_free(b);
}

/* A role's queue may be a place's, and nothing else that is no name. */
static void
places_are_queues(void **state)
{
	static const char *const good[] = { "", "banks", "@controller",
		"@node:n1" };
	static const char *const bad[] = { "@", "@node:", "@node:a/b", "a b",
		"@banks" };
	struct mftd_buf *b = mftd_buf_new(MFTD_GROUP_MESSAGE_BYTES);
	struct mftd_gm m, back;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		make(MFTD_GM_ROLE, &m);
		strcpy(m.u.role.queue, good[i]);
		mftd_buf_free(b);
		b = encode(&m);
		assert_int_equal(
		    mftd_gm_decode(mftd_buf_data(b), mftd_buf_len(b), &back),
		    0);
		assert_string_equal(back.u.role.queue, good[i]);
	}
	mftd_buf_free(b);
	b = mftd_buf_new(MFTD_GROUP_MESSAGE_BYTES);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make(MFTD_GM_ROLE, &m);
		strcpy(m.u.role.queue, bad[i]);
		assert_int_equal(mftd_gm_encode(&m, b), -EINVAL);
	}
	/* nor is another name a place */
	make(MFTD_GM_CLAIM, &m);
	strcpy(m.u.incarnation.incarnation, "@controller");
	assert_int_equal(mftd_gm_encode(&m, b), -EINVAL);
	mftd_buf_free(b);
}

/* Whatever is taken is in bounds, and would be sent so. */
static void
check_taken(const struct mftd_gm *m)
{
	struct mftd_buf *b = mftd_buf_new(MFTD_GROUP_MESSAGE_BYTES);

	assert_int_equal(mftd_gm_encode(m, b), 0);
	mftd_buf_free(b);
}

static void
random_changes_do_no_harm(void **state)
{
	unsigned int turn, taken = 0;
	struct mftd_gm m, back;
	struct mftd_buf *b;
	uint8_t *raw;
	size_t len;

	srand(1);
	for (turn = 0; turn < 40000; turn++) {
		make(types[(size_t)rand() % N_TYPES], &m);
		b = encode(&m);
		len = mftd_buf_len(b);
		raw = malloc(len); /* exact: a sanitizer sees each step over */
		memcpy(raw, mftd_buf_data(b), len);
		raw[(size_t)rand() % len] = (uint8_t)rand();
		if (rand() % 2 == 0)
			raw[(size_t)rand() % len] ^= (uint8_t)(1 << rand() % 8);
		if (mftd_gm_decode(raw, len, &back) == 0) {
			check_taken(&back);
			taken++;
		}
		free(raw);
		mftd_buf_free(b);
	}
	assert_in_range(taken, 1, turn - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_comes_back),
		cmocka_unit_test(cut_or_longer_is_refused),
		cmocka_unit_test(other_version_is_told_apart),
		cmocka_unit_test(bad_names_are_refused_both_ways),
		cmocka_unit_test(places_are_queues),
		cmocka_unit_test(random_changes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
