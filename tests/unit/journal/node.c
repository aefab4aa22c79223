/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"

void
node_open(struct node *n, struct tree *t, const char *name, const char *life)
{
	memset(n, 0, sizeof(*n));
	assert_int_equal(mftd_volume_open(&n->vol, "main", t->path), 0);
	assert_int_equal(mftd_stream_create(n->vol.journal, name, life, "main",
			     0, tree_signer(), 65536, &n->stream),
	    0);
	n->work = mftd_work_new(&n->vol, n->stream, life);
	snprintf(n->owner.session, sizeof(n->owner.session), "%s-1", life);
	strcpy(n->owner.account, "alice");
	strcpy(n->owner.root, "alice");
	assert_int_equal(mftd_volume_account(&n->vol, "alice", "alice", true,
			     &n->owner.root_fd, &n->owner.parts_fd),
	    0);
}

void
node_close(struct node *n)
{
	close(n->owner.root_fd);
	close(n->owner.parts_fd);
	mftd_work_free(n->work);
	mftd_stream_close(n->stream);
	mftd_volume_close(&n->vol);
}

static void
key_of(struct node *n, char key[MFTD_PARENT_KEY_BYTES])
{
	assert_int_equal(mftd_layout_parent_key(n->vol.id, n->owner.root_fd,
			     key, MFTD_PARENT_KEY_BYTES),
	    0);
}

uint64_t
node_part(struct node *n, const char *part, const char *text)
{
	char key[MFTD_PARENT_KEY_BYTES];
	struct stat st;
	int fd;

	key_of(n, key);
	fd = mftd_layout_part_create(n->owner.parts_fd, key, "f", part, 0600);
	assert_true(fd >= 0);
	assert_int_equal(mftd_fd_write_full(fd, text, strlen(text)), 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return st.st_ino;
}

int
node_parts_dir(struct node *n)
{
	char key[MFTD_PARENT_KEY_BYTES];
	int fd;

	key_of(n, key);
	fd = mftd_layout_parts_open(n->owner.parts_fd, key, "f");
	return fd >= 0 ? fd : -1;
}

int
node_change(struct node *n, uint32_t type, const void *msg)
{
	struct mftd_changes list = STAILQ_HEAD_INITIALIZER(list);
	struct mftd_change *c = mftd_change_new(&n->owner, type, 1, msg);
	int err;

	STAILQ_INSERT_TAIL(&list, c, link);
	assert_int_equal(mftd_batch_run(n->work, &list), 0);
	err = c->err;
	mftd_change_free(c);
	return err;
}
