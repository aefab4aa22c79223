/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/steps.h"

void
source_upload(
    struct node *n, int number, const char *text, char receipt[MFTD_ID_BYTES])
{
	struct mftd_msg_publish m = { .path = "f", .size = strlen(text) };

	snprintf(m.part, sizeof(m.part), "%.50s.%d", n->owner.session, number);
	m.inode = node_part(n, m.part, text);
	snprintf(receipt, MFTD_ID_BYTES, "%.60s.%llx",
	    mftd_stream_id(n->stream),
	    (unsigned long long)mftd_stream_next(n->stream));
	assert_int_equal(node_change(n, MFTD_MSG_PUBLISH, &m), 0);
}

struct mftd_disposal *
source_ask(const char *receipt, const char *archive)
{
	struct mftd_msg_dispose m = {
		.account = "alice", .root = "alice", .path = "alice/f"
	};
	struct mftd_disposal *d;

	snprintf(m.receipt, sizeof(m.receipt), "%s", receipt);
	snprintf(
	    m.archive, sizeof(m.archive), "%s", archive != NULL ? archive : "");
	d = mftd_disposal_new(1, &m);
	assert_non_null(d);
	return d;
}

/* Asks and frees it; what the journal says of the whole. */
static int
answer(struct node *n, struct mftd_disposal *d, struct mftd_msg_disposed *say)
{
	struct mftd_disposals list = STAILQ_HEAD_INITIALIZER(list);
	int r;

	STAILQ_INSERT_TAIL(&list, d, link);
	r = mftd_dispose_run(n->work, &list);
	if (r == 0)
		*say = d->say;
	mftd_disposal_free(d);
	return r;
}

int
source_run(
    struct node *n, struct mftd_disposal *d, struct mftd_msg_disposed *say)
{
	assert_int_equal(answer(n, d, say), 0);
	return say->err;
}

int
source_dispose(struct node *n, const char *receipt, const char *archive,
    struct mftd_msg_disposed *say)
{
	return source_run(n, source_ask(receipt, archive), say);
}

pid_t
source_start(struct node *n, struct mftd_disposal *d, struct steps *steps,
    struct mftd_msg_disposed *say)
{
	pid_t pid;

	say->err = -EINPROGRESS;
	steps_arm(steps);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(steps);
		answer(n, d, say);
		_exit(0);
	}
	mftd_disposal_free(d);
	node_close(n);
	steps_begin(steps, pid);
	return pid;
}

const char *
source_archive_fault(struct tree *t, const char *archived, bool recorded)
{
	char twice[128];

	snprintf(twice, sizeof(twice), "%s.1", archived);
	if (recorded && !tree_holds(t, archived, "one"))
		return "it is not in the archive";
	if (!tree_holds(t, twice, NULL))
		return "something is in the archive twice, or wrongly";
	if (!tree_holds(t, archived, NULL) && !tree_holds(t, archived, "one"))
		return "something else is in the archive";
	return NULL;
}

struct count {
	const char *receipt;
	int n;
};

static void
count_record(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(payload, len);
	struct mftd_rec_name rec;
	struct count *k = data;

	if ((type == MFTD_RECORD_RENAME || type == MFTD_RECORD_REMOVE) &&
	    mftd_rec_name_get(b, &rec) == 0 &&
	    strcmp(rec.cause, k->receipt) == 0)
		k->n++;
	mftd_buf_free(b);
}

int
source_records(struct tree *t, const char *receipt)
{
	struct count k = { .receipt = receipt };

	rig_records(t->path, count_record, &k);
	return k.n;
}

int
source_taken(struct tree *t)
{
	DIR *d = fdopendir(openat(t->fd, ".mft/out", O_RDONLY | O_DIRECTORY));
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += strchr(e->d_name, '~') != NULL;
	closedir(d);
	return n;
}

int
source_setup(void **state)
{
	static struct source_volume v;

	tree_make(&v.t);
	node_open(&v.n, &v.t, "n1", SOURCE_LIFE_1);
	source_upload(&v.n, 1, "one", v.receipt);
	memset(&v.say, 0, sizeof(v.say));
	*state = &v;
	return 0;
}

int
source_teardown(void **state)
{
	struct source_volume *v = *state;

	node_close(&v->n);
	tree_remove(&v->t);
	return 0;
}
