/* Part of mftd; see LICENSE. */
#include "mftd/inbound/checks.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <qb/qbloop.h>

#include "mftd/base/limits.h"

/* scrypt of "right" with cheap parameters (ln=10, r=8, p=1), salt of 16 zero
 * bytes; computed by "openssl kdf". */
#define HASH                                            \
	"$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" \
	"SRIuiwiFOhYpoLr809AJSZaSe9BE7MDdwoMsxwti8nE"

/* The same with ln=16: takes many times as long. */
#define DEAR_HASH                                       \
	"$scrypt$ln=16,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" \
	"aI8r0yPxnNhlMMCDoObnOX4sYEsu++0peB9f65iIwAM"

struct ask {
	qb_loop_t *loop;
	int answered, order, ok;
	int *count, last;
	pid_t held; /* goes on with this answer */
};

static void
on_done(void *data, bool ok)
{
	struct ask *a = data;

	a->answered++;
	a->ok = ok;
	a->order = ++*a->count;
	if (a->held > 0)
		kill(a->held, SIGCONT);
	if (*a->count == a->last)
		qb_loop_stop(a->loop);
}

/* This process' only child. */
static pid_t
only_child(void)
{
	char path[64];
	FILE *f;
	int pid = 0, more;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d %d", &pid, &more), 1);
	fclose(f);
	return pid;
}

/* The first and second of sources are one, the third is another. */
static void
one_at_a_time(const char *const sources[])
{
	qb_loop_t *loop = qb_loop_create();
	struct mftd_checks *c = mftd_checks_new(loop);
	struct ask a[4];
	pid_t dear = 0;
	int i, count = 0;
	static const char *const words[] = { "right", "wrong", "right",
		"right" };
	static const char *const hashes[] = { DEAR_HASH, HASH, HASH, HASH };

	for (i = 0; i < 4; i++) {
		a[i] =
		    (struct ask) { .loop = loop, .count = &count, .last = 3 };
		assert_int_equal(mftd_checks_add(c, sources[i], words[i],
				     hashes[i], on_done, &a[i]),
		    0);
		if (i == 0) {
			dear = only_child();
			assert_int_equal(kill(dear, SIGSTOP), 0);
		}
	}
	a[2].held = dear; /* waits for the other source's */
	mftd_checks_cancel(c, &a[3]);
	alarm(60); /* should the other source's wait for it too */
	qb_loop_run(loop);
	alarm(0);
	assert_int_equal(a[0].answered, 1);
	assert_true(a[0].ok);
	assert_int_equal(a[1].answered, 1);
	assert_false(a[1].ok);
	assert_true(a[2].ok);
	assert_int_equal(a[3].answered, 0);
	/* one per source at a time: the cheap one waits for the dear one before
	 * it, and another source does not */
	assert_true(a[2].order < a[0].order);
	assert_true(a[0].order < a[1].order);
	mftd_checks_free(c);
	qb_loop_destroy(loop);
}

static void
test_answers(void **state)
{
	static const char *const v4[] = { "192.0.2.1", "192.0.2.1:4711",
		"192.0.2.2", "192.0.2.1" };

	one_at_a_time(v4);
}

/* A host may have all addresses of its /64. */
static void
test_answers_to_a_subnet(void **state)
{
	static const char *const v6[] = { "2001:db8::1", "[2001:db8::2]:4711",
		"2001:db8:0:1::1", "2001:db8::3" };

	one_at_a_time(v6);
}

/* Also of one that runs already. */
static void
test_cancel(void **state)
{
	qb_loop_t *loop = qb_loop_create();
	struct mftd_checks *c = mftd_checks_new(loop);
	struct ask gone, a;
	int count = 0;

	gone = a = (struct ask) { .loop = loop, .count = &count, .last = 1 };
	assert_int_equal(
	    mftd_checks_add(c, "192.0.2.1", "right", DEAR_HASH, on_done, &gone),
	    0);
	assert_int_equal(
	    mftd_checks_add(c, "192.0.2.1", "right", HASH, on_done, &a), 0);
	mftd_checks_cancel(c, &gone);
	qb_loop_run(loop);
	assert_int_equal(gone.answered, 0);
	assert_true(a.ok);
	mftd_checks_free(c);
	qb_loop_destroy(loop);
}

static void
test_bounds(void **state)
{
	qb_loop_t *loop = qb_loop_create();
	struct mftd_checks *c = mftd_checks_new(loop);
	char source[32], password[MFTD_SECRET_BYTES + 1];
	struct ask a = { .loop = loop };
	int i, r = 0;

	memset(password, 'x', sizeof(password));
	password[MFTD_SECRET_BYTES] = '\0';
	assert_int_equal(
	    mftd_checks_add(c, "192.0.2.1", password, HASH, on_done, &a),
	    -ENAMETOOLONG);
	assert_int_equal(
	    mftd_checks_add(c, "nowhere", "x", HASH, on_done, &a), -EINVAL);
	/* the loop does not run: nothing is answered meanwhile */
	for (i = 0; r == 0 && i < 2 * MFTD_AUTH_QUEUE_MAX; i++) {
		snprintf(
		    source, sizeof(source), "198.18.%d.%d", i / 256, i % 256);
		r = mftd_checks_add(c, source, "x", HASH, on_done, &a);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(i - 1, MFTD_AUTH_QUEUE_MAX + MFTD_AUTH_POOL);
	mftd_checks_free(c); /* ends the two that run */
	qb_loop_destroy(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_to_a_subnet),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
