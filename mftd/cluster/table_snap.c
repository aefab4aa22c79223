/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <string.h>

#include "mftd/base/id.h"
#include "mftd/cluster/table_rows.h"
#include "mftd/conf/place.h"

#define SNAP_MAGIC 0x6d667432u /* "mft2": the form below */

enum { PRESENT = 1, REPLACED = 2, GONE = 4, RECOVERED = 8, FLAGS = 15 };

/* ---- out: ret is carried along, the first error stays */

static void
put_u32(struct mftd_buf *b, int *ret, uint32_t v)
{
	if (*ret == 0)
		*ret = mftd_buf_put_u32(b, v);
}

static void
put_u64(struct mftd_buf *b, int *ret, uint64_t v)
{
	if (*ret == 0)
		*ret = mftd_buf_put_u64(b, v);
}

static void
put_text(struct mftd_buf *b, int *ret, const char *text)
{
	if (*ret == 0)
		*ret = mftd_buf_put_cstring(b, text);
}

static uint32_t
flags_of(const struct mftd_table_row *r)
{
	return (r->present ? PRESENT : 0) | (r->replaced ? REPLACED : 0) |
	    (r->gone ? GONE : 0) | (r->recovered ? RECOVERED : 0);
}

static void
put_role(struct mftd_buf *b, int *ret, const struct mftd_gm_role *role)
{
	put_u32(b, ret, role->service);
	put_u32(b, ret, role->role);
	put_text(b, ret, role->queue);
	put_u64(b, ret, role->epoch);
}

static void
put_session(struct mftd_buf *b, int *ret, const struct mftd_cluster_session *s)
{
	put_text(b, ret, s->id);
	put_text(b, ret, s->account);
	put_text(b, ret, s->peer);
	put_u64(b, ret, (uint64_t)s->since_us);
	put_u64(b, ret, s->order);
	put_text(b, ret, s->end);
}

static void
put_ban(struct mftd_buf *b, int *ret, const struct mftd_cluster_ban *ban)
{
	put_text(b, ret, ban->net);
	put_text(b, ret, ban->why);
	put_u64(b, ret, (uint64_t)ban->until_us);
}

static void
put_row(struct mftd_buf *b, int *ret, const struct mftd_table_row *r)
{
	size_t i;

	put_text(b, ret, r->node);
	put_text(b, ret, r->incarnation);
	put_text(b, ret, r->boot_id);
	put_u32(b, ret, r->member.nodeid);
	put_u32(b, ret, r->member.pid);
	put_u64(b, ret, r->next);
	put_u32(b, ret, flags_of(r));
	put_text(b, ret, r->claimer);
	put_u32(b, ret, r->failures);
	put_u32(b, ret, (uint32_t)r->n_roles);
	for (i = 0; i < r->n_roles; i++)
		put_role(b, ret, &r->roles[i]);
	put_u32(b, ret, (uint32_t)r->n_sessions);
	for (i = 0; i < r->n_sessions; i++)
		put_session(b, ret, r->sessions[i]);
}

int
mftd_table_encode(const struct mftd_table *t, struct mftd_buf *b)
{
	size_t i;
	int ret = 0;

	put_u32(b, &ret, SNAP_MAGIC);
	put_u64(b, &ret, t->generation);
	put_u64(b, &ret, t->history);
	put_u64(b, &ret, t->config);
	put_u64(b, &ret, t->changes);
	put_u64(b, &ret, t->order);
	put_u32(b, &ret, (uint32_t)t->n_bans);
	for (i = 0; i < t->n_bans; i++)
		put_ban(b, &ret, &t->bans[i]);
	put_u32(b, &ret, (uint32_t)t->n_rows);
	for (i = 0; i < t->n_rows; i++)
		put_row(b, &ret, t->rows[i]);
	return ret;
}

/* ---- in: the same, with -EBADMSG for whatever is not right */

static uint32_t
get_u32(struct mftd_buf *b, int *ret, uint32_t max)
{
	uint32_t v = 0;

	if (*ret == 0)
		*ret = mftd_buf_get_u32(b, &v);
	if (*ret == 0 && v > max)
		*ret = -EBADMSG;
	return *ret == 0 ? v : 0;
}

static uint64_t
get_u64(struct mftd_buf *b, int *ret)
{
	uint64_t v = 0;

	if (*ret == 0)
		*ret = mftd_buf_get_u64(b, &v);
	return v;
}

/* All strings of the table have room for MFTD_ID_BYTES. */
static void
get_text(struct mftd_buf *b, int *ret, char out[MFTD_ID_BYTES])
{
	if (*ret == 0 && mftd_buf_get_cstring(b, out, MFTD_ID_BYTES) < 0)
		*ret = -EBADMSG;
}

static void
get_id(struct mftd_buf *b, int *ret, char out[MFTD_ID_BYTES], bool may_lack)
{
	get_text(b, ret, out);
	if (*ret == 0 && !(may_lack && out[0] == '\0') && !mftd_id_valid(out))
		*ret = -EBADMSG;
}

/* "" of a service that has none. */
static void
get_queue(struct mftd_buf *b, int *ret, char out[MFTD_ID_BYTES])
{
	get_text(b, ret, out);
	if (*ret == 0 && out[0] != '\0' && !mftd_id_valid(out) &&
	    !mftd_place_valid(out))
		*ret = -EBADMSG;
}

static void
get_role(struct mftd_buf *b, int *ret, struct mftd_table_row *r)
{
	struct mftd_gm_role role;

	memset(&role, 0, sizeof(role));
	role.service = get_u32(b, ret, UINT32_MAX);
	role.role = get_u32(b, ret, UINT32_MAX);
	get_queue(b, ret, role.queue);
	role.epoch = get_u64(b, ret);
	if (*ret == 0)
		*ret = mftd_table_row_role(r, &role);
}

static void
get_session(struct mftd_buf *b, int *ret, struct mftd_table_row *r)
{
	struct mftd_cluster_session s;

	memset(&s, 0, sizeof(s));
	get_id(b, ret, s.id, false);
	get_text(b, ret, s.account);
	get_text(b, ret, s.peer);
	s.since_us = (int64_t)get_u64(b, ret);
	s.order = get_u64(b, ret);
	get_text(b, ret, s.end);
	if (*ret == 0)
		*ret = mftd_table_row_session(r, &s);
}

static void
get_row(struct mftd_buf *b, int *ret, struct mftd_table_row *r)
{
	uint32_t i, n, flags;

	get_id(b, ret, r->node, false);
	get_id(b, ret, r->incarnation, false);
	get_id(b, ret, r->boot_id, false);
	r->member.nodeid = get_u32(b, ret, UINT32_MAX);
	r->member.pid = get_u32(b, ret, UINT32_MAX);
	r->next = get_u64(b, ret);
	flags = get_u32(b, ret, FLAGS);
	r->present = (flags & PRESENT) != 0;
	r->replaced = (flags & REPLACED) != 0;
	r->gone = (flags & GONE) != 0;
	r->recovered = (flags & RECOVERED) != 0;
	get_id(b, ret, r->claimer, true);
	r->failures = get_u32(b, ret, UINT32_MAX);
	n = get_u32(b, ret, MFTD_TABLE_ROLES_MAX);
	for (i = 0; i < n && *ret == 0; i++)
		get_role(b, ret, r);
	n = get_u32(b, ret, MFTD_SESSIONS_MAX);
	for (i = 0; i < n && *ret == 0; i++)
		get_session(b, ret, r);
}

/* In their order, so that what is encoded again is the same. */
static void
get_ban(struct mftd_buf *b, int *ret, struct mftd_table *t)
{
	struct mftd_cluster_ban ban;

	memset(&ban, 0, sizeof(ban));
	get_text(b, ret, ban.net);
	get_text(b, ret, ban.why);
	ban.until_us = (int64_t)get_u64(b, ret);
	if (*ret == 0 && t->n_bans > 0 &&
	    strcmp(t->bans[t->n_bans - 1].net, ban.net) >= 0)
		*ret = -EBADMSG;
	if (*ret == 0)
		t->bans[t->n_bans++] = ban;
}

static int
get_table(struct mftd_buf *b, struct mftd_table *t)
{
	struct mftd_table_row *r;
	uint32_t i, n;
	int ret = 0;

	if (get_u32(b, &ret, UINT32_MAX) != SNAP_MAGIC)
		return -EBADMSG;
	t->generation = get_u64(b, &ret);
	t->history = get_u64(b, &ret);
	t->config = get_u64(b, &ret);
	t->changes = get_u64(b, &ret);
	t->order = get_u64(b, &ret);
	n = get_u32(b, &ret, MFTD_BANS_MAX);
	for (i = 0; i < n && ret == 0; i++)
		get_ban(b, &ret, t);
	n = get_u32(b, &ret, MFTD_INCARNATIONS_MAX);
	for (i = 0; i < n && ret == 0; i++) {
		r = mftd_table_add_row(t);
		if (r == NULL)
			return -ENOMEM;
		get_row(b, &ret, r);
		if (ret == 0 && mftd_table_find(t, r->incarnation) != r)
			ret = -EBADMSG; /* twice the same */
	}
	if (ret == 0 && mftd_buf_len(b) != 0)
		ret = -EBADMSG;
	return ret == 0 || ret == -ENOMEM ? ret : -EBADMSG;
}

int
mftd_table_decode(const void *data, size_t len, struct mftd_table **out)
{
	struct mftd_buf *b = mftd_buf_from(data, len);
	struct mftd_table *t = mftd_table_new();
	int ret = -ENOMEM;

	if (b != NULL && t != NULL)
		ret = get_table(b, t);
	mftd_buf_free(b);
	if (ret < 0)
		mftd_table_free(t);
	else
		*out = t;
	return ret;
}
