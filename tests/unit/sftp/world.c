/* Part of mftd; see LICENSE. */
#include "tests/unit/sftp/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/journal/record.h"
#include "mftd/sftp/proto.h"

#define LIFE "n1-00000000000000aa"
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)

static void
begin(struct world *w, struct rig_session *s, struct peer *p, int n)
{
	assert_int_equal(rig_open(&w->journal, s, n, "alice", "alice"), 0);
	peer_over_policy(p, s->id, s->volume_id, s->c, s->root, s->parts,
	    &w->journal.policy, s->folders);
	peer_start(p);
}

int
world_setup_quota(void **state, uint64_t bytes)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	tree_make(&w->t);
	rig_start(&w->journal, w->t.path, LIFE, NULL, NULL);
	if (!rig_ready(&w->journal))
		return -1;
	w->journal.policy.umask = 022;
	w->journal.policy.symlinks = true;
	w->journal.policy.quota_bytes = bytes;
	begin(w, &w->sa, &w->a, 1);
	begin(w, &w->sb, &w->b, 2);
	return 0;
}

int
world_setup(void **state)
{
	return world_setup_quota(state, 0);
}

static void
end_a(struct world *w)
{
	peer_close(&w->a);
	rig_close(&w->sa);
	w->gone = true;
}

int
world_teardown(void **state)
{
	struct world *w = *state;

	if (!w->gone)
		end_a(w);
	peer_close(&w->b);
	rig_close(&w->sb);
	if (!w->dead)
		assert_int_equal(rig_stop(&w->journal), 0);
	tree_remove(&w->t);
	free(w);
	return 0;
}

static void
count_type(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	int *counts = data;

	if (type < 32)
		counts[type]++;
}

int
world_records(struct world *w, uint32_t type)
{
	int counts[32] = { 0 };

	rig_records(w->t.path, count_type, counts);
	return counts[type];
}

/* Whether a record is the last word of a session. */
static void
see_end(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct mftd_rec_audit rec;
	struct mftd_buf *b = mftd_buf_from(payload, len);

	if (type == MFTD_RECORD_AUDIT && mftd_rec_audit_get(b, &rec) == 0 &&
	    strcmp(rec.event, "session-end") == 0)
		*(bool *)data = true;
	mftd_buf_free(b);
}

void
world_end_a(struct world *w)
{
	struct mftd_msg m;
	bool ended = false;

	end_a(w);
	for (;;) {
		rig_records(w->t.path, see_end, &ended);
		if (ended)
			return;
		/* journal tells how far it is */
		assert_true(rig_wait(w->journal.catalog, MFTD_MSG_STREAM, &m));
		mftd_msg_close(&m);
	}
}

void
world_upload(struct peer *p, const char *path, const char *text)
{
	uint64_t h = do_open(p, path, WCT, NULL);

	assert_true(h != 0);
	assert_int_equal(do_write(p, h, 0, text), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
}
