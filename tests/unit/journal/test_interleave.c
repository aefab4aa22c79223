/* Part of mftd; see LICENSE. */

/*
 * Two nodes change the same names.  The first is held at each of its system
 * calls in turn; there it dies, or goes on later, or is taken for dead and goes
 * on all the same, and meanwhile the second one does what it was asked and,
 * once the first is gone, recovers it.  All pairs of what they may be asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/dormant.h"
#include "mftd/journal/recover.h"
#include "tests/unit/journal/node.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/story.h"
#include "tests/unit/journal/tree.h"

#define LIFE_0 "n0-0000000000000000"
#define LIFE_1 "n1-0123456789abcdef"
#define LIFE_2 "n2-fedcba9876543210"
#define LIFE_3 "n3-0000000000000003"
#define STEPS_MAX 200
#define MAY_MAX 8
#define TEXT "0123456789"
#define LEFT 7 /* bytes of it lie dormant */

/* What becomes of the first node at its step. */
enum fate {
	DIES_RECOVERED_LATER, /* the second does its own, then recovers it */
	DIES_RECOVERED_FIRST,
	GOES_ON, /* after the second has done its own */
	HUNG, /* recovered, and then goes on */
	FATES
};

static const char *const fates[FATES] = { "dies, is recovered later",
	"dies, is recovered at once", "goes on", "is hung and goes on late" };

/* f and i are published, of g some lies dormant. */
static const struct story before = { .holds = { "old f", NULL, NULL, "old i",
					 NULL, NULL, NULL, NULL } };

static const struct story_ask asks[] = {
	{ "upload f", MFTD_MSG_PUBLISH, "f", NULL, "new", false },
	{ "exclusive upload h", MFTD_MSG_PUBLISH, "h", NULL, "new", true },
	{ "remove f", MFTD_MSG_REMOVE, "f", NULL, NULL, false },
	{ "rename f over i", MFTD_MSG_RENAME, "f", "i", NULL, true },
	{ "rename f to h", MFTD_MSG_RENAME, "f", "h", NULL, false },
	{ "rename i over f", MFTD_MSG_RENAME, "i", "f", NULL, true },
	{ "adopt g", MFTD_MSG_ADOPT, "g", NULL, NULL, false },
	{ "supersede g", MFTD_MSG_SUPERSEDE, "g", NULL, NULL, false },
	{ "upload g", MFTD_MSG_PUBLISH, "g", NULL, "new", false },
	{ "remove g", MFTD_MSG_REMOVE, "g", NULL, NULL, false },
	{ "rename f over g", MFTD_MSG_RENAME, "f", "g", NULL, true },
};
#define N_ASKS (sizeof(asks) / sizeof(asks[0]))

struct run {
	enum fate fate;
	unsigned at;
	const struct story_ask *a, *b; /* of the first and the second node */
	struct tree t;
	struct node one, two;
	struct steps *steps;
	int *answer; /* of the first, shared with its process */
	int err; /* of the second */
	bool good;
};

static void
check(struct run *u, bool what, const char *text)
{
	if (what)
		return;
	u->good = false;
	print_error("%s (%s), the other: %s (%s); at step %u, %s, it %s: %s\n",
	    u->a->label, *u->answer == 0 ? "ok" : mftd_strerror(*u->answer),
	    u->b->label, u->err == 0 ? "ok" : mftd_strerror(u->err), u->at,
	    steps_call(u->steps), fates[u->fate], text);
}

/* A part of a name, durable. */
static void
make_part(struct node *n, const char *base, const char *part, const char *text,
    uint64_t *inode)
{
	char key[MFTD_PARENT_KEY_BYTES];
	struct stat st;
	int fd;

	assert_int_equal(mftd_layout_parent_key(
			     n->vol.id, n->owner.root_fd, key, sizeof(key)),
	    0);
	fd = mftd_layout_part_create(n->owner.parts_fd, key, base, part, 0600);
	assert_true(fd >= 0);
	assert_int_equal(mftd_fd_write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fstat(fd, &st), 0);
	*inode = st.st_ino;
	close(fd);
}

/* The change that a node's session asks for; what it uploads lies there. */
static struct mftd_change *
prepare(struct node *n, const struct story_ask *a)
{
	char part[MFTD_ID_BYTES];
	union story_msg m;

	story_msg(a, &m);
	snprintf(part, sizeof(part), "%.50s.1", n->owner.session);
	switch (a->type) {
	case MFTD_MSG_PUBLISH:
		make_part(n, a->path, part, a->text, &m.publish.inode);
		memcpy(m.publish.part, part, sizeof(part));
		m.publish.size = strlen(a->text);
		m.publish.noreplace = a->flag;
		break;
	case MFTD_MSG_SUPERSEDE:
		make_part(n, a->path, part, "newer", &m.publish.inode);
		memcpy(m.supersede.keep, part, sizeof(part));
		break;
	case MFTD_MSG_ADOPT:
		memcpy(m.adopt.part, part, sizeof(part));
		break;
	}
	return mftd_change_new(&n->owner, a->type, 1, &m);
}

static int
run_change(struct node *n, struct mftd_change *c)
{
	struct mftd_changes list = STAILQ_HEAD_INITIALIZER(list);

	STAILQ_INSERT_TAIL(&list, c, link);
	return mftd_batch_run(n->work, &list) == 0 ? c->err : -MFTD_E_CLOSED;
}

/* The first node's process: only what happens in it is a step. */
static pid_t
start_one(struct run *u)
{
	bool held = u->fate == GOES_ON || u->fate == HUNG;
	/* what it has seen before it is held may be otherwise afterwards */
	const struct steps_plan plan = { .what = held ? STEPS_HOLD : STEPS_KILL,
		.at = u->at,
		.looks = held };
	struct mftd_change *c = prepare(&u->one, u->a);
	pid_t pid;

	u->steps = steps_new(&plan);
	steps_arm(u->steps);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(u->steps);
		*u->answer = run_change(&u->one, c);
		_exit(0);
	}
	/* its stream's lock is that process' alone from now on */
	mftd_change_free(c);
	node_close(&u->one);
	steps_begin(u->steps, pid);
	return pid;
}

static void
ask_two(struct run *u)
{
	struct mftd_change *c = prepare(&u->two, u->b);

	u->err = run_change(&u->two, c);
	mftd_change_free(c);
}

/* The second node recovers the first, which is certainly gone. */
static void
recover_one(struct run *u)
{
	struct mftd_recovery out = { 0 };
	struct story left = story_read(&u->t), kept;

	check(u, mftd_recover_incarnation(u->two.work, LIFE_1, &out) == 0,
	    "it cannot be recovered");
	kept = story_read(&u->t);
	check(u, story_same(&left, &kept), "recovery changed a name");
}

/* While its process lives nobody recovers it. */
static void
cannot_recover_one(struct run *u)
{
	struct mftd_recovery out = { 0 };

	check(u, mftd_recover_incarnation(u->two.work, LIFE_1, &out) == -EBUSY,
	    "it is recovered while it lives");
}

/* What happens once the first node is at its step, up to its end.  late: what
 * the names held when it was taken for gone and went on. */
static void
meet_fate(struct run *u, pid_t pid, struct story *late)
{
	/* done before that step, it ends in good order */
	enum fate fate = steps_came(u->steps) ? u->fate : DIES_RECOVERED_LATER;
	int status;

	switch (fate) {
	case DIES_RECOVERED_FIRST:
		assert_int_equal(waitpid(pid, &status, 0), pid);
		recover_one(u);
		ask_two(u);
		break;
	case DIES_RECOVERED_LATER:
		assert_int_equal(waitpid(pid, &status, 0), pid);
		ask_two(u);
		recover_one(u);
		break;
	case GOES_ON:
		cannot_recover_one(u);
		ask_two(u);
		steps_release(u->steps);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		recover_one(u);
		break;
	default:
		steps_break_locks(u->steps);
		recover_one(u);
		ask_two(u);
		*late = story_read(&u->t);
		steps_release(u->steps);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* its lease is gone: it answers nobody */
		*u->answer = -MFTD_E_CLOSED;
		break;
	}
}

/* A third node recovers the second, too. */
static void
recover_all(struct run *u)
{
	struct mftd_recovery out = { 0 };
	struct node third;

	node_close(&u->two);
	node_open(&third, &u->t, "n3", LIFE_3);
	check(u, mftd_recover_incarnation(third.work, LIFE_2, &out) == 0,
	    "the other cannot be recovered");
	check(u, mftd_recover_incarnation(third.work, LIFE_1, &out) == 0,
	    "it cannot be recovered again");
	node_close(&third);
}

/* What the names may hold: all orders of what was done. */
struct may {
	struct story list[MAY_MAX];
	int n;
};

static void
may_be(struct may *m, const struct story *s)
{
	assert_true(m->n < MAY_MAX);
	m->list[m->n++] = *s;
}

/* Whether it can be answered with OK where the names hold that. */
static bool
can(const struct story *s, const struct story_ask *a)
{
	struct story after = story_after(s, a);

	if (a->type == MFTD_MSG_RENAME ||
	    (a->type == MFTD_MSG_PUBLISH && a->flag))
		return !story_same(s, &after);
	return true;
}

/* Adds what they may hold after first and then second, of which each was done
 * if it was answered with OK, not if it was refused, and maybe if it was not
 * answered. */
static void
add_order(struct may *m, const struct story_ask *first, int err,
    const struct story_ask *second, int err_2)
{
	struct story s[2];
	int i, n = 0;

	if (err == 0 || err == -MFTD_E_CLOSED)
		if (can(&before, first))
			s[n++] = story_after(&before, first);
	if (err != 0)
		s[n++] = before;
	for (i = 0; i < n; i++) {
		struct story done = story_after(&s[i], second);

		if (err_2 != 0)
			may_be(m, &s[i]);
		if ((err_2 == 0 || err_2 == -MFTD_E_CLOSED) &&
		    can(&s[i], second))
			may_be(m, &done);
	}
}

static void
check_names(struct run *u, const struct story *late)
{
	struct story kept = story_read(&u->t);
	struct may m = { .n = 0 };
	bool same = false;
	int i;

	add_order(&m, u->a, *u->answer, u->b, u->err);
	/* only one that was held may also have come second */
	if (u->fate == GOES_ON)
		add_order(&m, u->b, u->err, u->a, *u->answer);
	for (i = 0; i < m.n; i++)
		same |= story_same(&kept, &m.list[i]);
	check(u, same, "no order of the two explains the names");
	if (!same)
		story_print("they hold", &kept);
	if (u->fate == HUNG && steps_came(u->steps))
		check(u, story_same(&kept, late), "it changed a name late");
}

static bool
is_about_g(const struct story_ask *a)
{
	return strcmp(a->path, "g") == 0 ||
	    (a->to != NULL && strcmp(a->to, "g") == 0);
}

/* Never more is gone on with than was durable; and what nobody else was asked
 * about, or was adopted with an answer, is there still. */
static void
check_dormant(struct run *u)
{
	int64_t bytes = story_dormant(&u->t, "g", TEXT);
	bool adopted = u->a->type == MFTD_MSG_ADOPT && *u->answer == 0;

	check(u, bytes >= 0 && bytes <= LEFT, "what lies dormant is wrong");
	if (is_about_g(u->b))
		return;
	if (!is_about_g(u->a))
		check(u, bytes == LEFT, "what lies dormant was touched");
	/* its new owner left it, so it is a byte shorter */
	if (adopted)
		check(u, bytes == LEFT - 1, "what was adopted is lost");
}

/* Runs the pair with the first held at a step.  Returns whether it came. */
static bool
interleave(struct run *u)
{
	struct story late = before;
	char dormant[MFTD_ID_BYTES];
	uint64_t inode;
	bool came;
	pid_t pid;

	story_make(&u->t, &before);
	node_open(&u->one, &u->t, "n1", LIFE_1);
	node_open(&u->two, &u->t, "n2", LIFE_2);
	assert_int_equal(mftd_layout_dormant(LIFE_0 "-1.1", LEFT, dormant), 0);
	make_part(&u->two, "g", dormant, TEXT, &inode);
	*u->answer = u->err = -MFTD_E_CLOSED;
	pid = start_one(u);
	steps_wait(u->steps);
	meet_fate(u, pid, &late);
	came = steps_came(u->steps);
	recover_all(u);
	check_names(u, &late);
	check_dormant(u);
	check(u, story_holds_together(&u->t, u->fate == HUNG),
	    "disk and journals differ");
	steps_free(u->steps);
	tree_remove(&u->t);
	return came;
}

/* Only a publish and what is done with parts may come late: each is one rename
 * of an id that recovery has taken away.  Nothing but its fence stops a hung
 * node from removing or renaming what is published. */
static bool
may_be_hung(const struct story_ask *a)
{
	return a->type == MFTD_MSG_PUBLISH || a->type == MFTD_MSG_ADOPT ||
	    a->type == MFTD_MSG_SUPERSEDE;
}

static void
each_pair(enum fate fate)
{
	struct run u = { .fate = fate, .good = true };
	unsigned total = 0;
	size_t a, b;

	u.answer = mmap(NULL, sizeof(*u.answer), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(u.answer, MAP_FAILED);
	for (a = 0; a < N_ASKS; a++) {
		if (fate == HUNG && !may_be_hung(&asks[a]))
			continue;
		for (b = 0; b < N_ASKS; b++) {
			u.a = &asks[a];
			u.b = &asks[b];
			for (u.at = 1; interleave(&u); u.at++)
				assert_true(u.at < STEPS_MAX);
			total += u.at - 1;
			assert_true(u.good);
		}
	}
	munmap(u.answer, sizeof(*u.answer));
	print_message("%u interleavings\n", total);
	assert_true(total > 200);
}

static void
dies_and_is_recovered_later(void **state)
{
	each_pair(DIES_RECOVERED_LATER);
}

static void
dies_and_is_recovered_at_once(void **state)
{
	each_pair(DIES_RECOVERED_FIRST);
}

static void
goes_on(void **state)
{
	each_pair(GOES_ON);
}

static void
is_hung_and_goes_on_late(void **state)
{
	each_pair(HUNG);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dies_and_is_recovered_later),
		cmocka_unit_test(dies_and_is_recovered_at_once),
		cmocka_unit_test(goes_on),
		cmocka_unit_test(is_hung_and_goes_on_late),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	mftd_log_open("stderr", "error");
	/* power is not cut here: memory does, and is fast */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
