/* Part of mftd; see LICENSE. */
#include "mftd/cluster/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/cluster/table_rows.h"
#include "mftd/ipc/msg_node.h"

#define HISTORY_START UINT64_C(0xcbf29ce484222325) /* FNV-1a's offset */
#define HISTORY_PRIME UINT64_C(0x100000001b3)

/* What the history tells apart beside the message types. */
enum { STEP_INSTALL = 1001, STEP_LEAVE, STEP_GENERATION };

struct mftd_table *
mftd_table_new(void)
{
	struct mftd_table *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->history = HISTORY_START;
	return t;
}

void
mftd_table_free(struct mftd_table *t)
{
	if (t == NULL)
		return;
	while (t->n_rows > 0)
		mftd_table_drop_row(t, t->n_rows - 1);
	free(t);
}

static void
mix(struct mftd_table *t, uint64_t v)
{
	int i;

	for (i = 0; i < 8; i++) {
		t->history ^= (v >> (i * 8)) & 0xff;
		t->history *= HISTORY_PRIME;
	}
}

static void
mix_step(struct mftd_table *t, const struct mftd_gm_member *who, uint64_t step,
    uint64_t number)
{
	mix(t, step);
	mix(t, number);
	mix(t, who->nodeid);
	mix(t, who->pid);
}

/* Leaves at one point of the order may be told in any order. */
static void
mix_leave(struct mftd_table *t, const struct mftd_gm_member *who)
{
	struct mftd_table alone = { .history = HISTORY_START };

	mix_step(&alone, who, STEP_LEAVE, 0);
	t->history += alone.history;
}

static void
mix_string(struct mftd_table *t, const char *text)
{
	for (; *text != '\0'; text++)
		mix(t, (uint8_t)*text);
}

static struct mftd_table_row *
find(const struct mftd_table *t, const char *incarnation)
{
	size_t i;

	for (i = 0; i < t->n_rows; i++)
		if (strcmp(t->rows[i]->incarnation, incarnation) == 0)
			return t->rows[i];
	return NULL;
}

static struct mftd_table_row *
present(const struct mftd_table *t, const struct mftd_gm_member *who)
{
	size_t i;

	for (i = 0; i < t->n_rows; i++)
		if (t->rows[i]->present &&
		    mftd_gm_same_member(&t->rows[i]->member, who))
			return t->rows[i];
	return NULL;
}

/* A claimer that can do it no more: its claims are open to all again. */
static void
open_claims(struct mftd_table *t, const char *claimer)
{
	size_t i;

	for (i = 0; i < t->n_rows; i++)
		if (strcmp(t->rows[i]->claimer, claimer) == 0)
			t->rows[i]->claimer[0] = '\0';
}

static void
set_gone(struct mftd_table *t, struct mftd_table_row *r)
{
	r->gone = true;
	open_claims(t, r->incarnation);
}

/* A newer incarnation of the node said HELLO: this one is over, though its
 * process may still be listed. */
static void
replace(struct mftd_table *t, const char *node)
{
	struct mftd_table_row *r;
	size_t i;

	for (i = t->n_rows; i-- > 0;) {
		r = t->rows[i];
		if (strcmp(r->node, node) != 0)
			continue;
		r->replaced = true;
		set_gone(t, r);
		if (r->recovered && !r->present)
			mftd_table_drop_row(t, i);
	}
}

/* Two machines with one name: the second one's word proves nothing of the
 * first. */
static bool
impostor(const struct mftd_table *t, const struct mftd_gm_member *who,
    const char *node)
{
	size_t i;

	for (i = 0; i < t->n_rows; i++)
		if (t->rows[i]->present &&
		    t->rows[i]->member.nodeid != who->nodeid &&
		    strcmp(t->rows[i]->node, node) == 0)
			return true;
	return false;
}

int
mftd_table_install(struct mftd_table *t, const struct mftd_gm_member *who,
    const struct mftd_gm_hello *h)
{
	struct mftd_table_row *r = find(t, h->incarnation);

	if (r != NULL)
		return r->present && mftd_gm_same_member(&r->member, who)
		    ? 0
		    : -EEXIST;
	if (impostor(t, who, h->node))
		return -EADDRINUSE;
	replace(t, h->node);
	r = mftd_table_add_row(t);
	if (r == NULL)
		return t->n_rows == MFTD_INCARNATIONS_MAX ? -ENOSPC : -ENOMEM;
	snprintf(r->node, sizeof(r->node), "%s", h->node);
	snprintf(r->incarnation, sizeof(r->incarnation), "%s", h->incarnation);
	snprintf(r->boot_id, sizeof(r->boot_id), "%s", h->boot_id);
	r->member = *who;
	r->next = 1;
	r->present = true;
	mix_step(t, who, STEP_INSTALL, 0);
	mix_string(t, h->incarnation);
	return 0;
}

void
mftd_table_leave(struct mftd_table *t, const struct mftd_gm_member *who)
{
	struct mftd_table_row *r = present(t, who);
	size_t i;

	mix_leave(t, who);
	if (r == NULL)
		return;
	r->present = false;
	t->changes++;
	mftd_table_row_clear(r);
	open_claims(t, r->incarnation);
	if (!r->recovered || !r->replaced)
		return;
	for (i = 0; t->rows[i] != r; i++)
		;
	mftd_table_drop_row(t, i);
}

void
mftd_table_next_generation(struct mftd_table *t)
{
	static const struct mftd_gm_member nobody = { 0, 0 };

	t->generation++;
	mix_step(t, &nobody, STEP_GENERATION, t->generation);
}

/* ---- messages.  Each returns 0, or -ENOMEM; at a bound the row is left out,
 * on every node alike. */

typedef int (*apply_fn)(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m);

static int
on_session_add(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	struct mftd_cluster_session s = m->u.session;
	int ret;

	s.order = ++t->order;
	s.end[0] = '\0';
	t->changes++;
	ret = mftd_table_row_session(from, &s);
	return ret == -ENOSPC ? 0 : ret;
}

static int
on_session_del(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	mftd_table_row_session_del(from, m->u.session.id);
	t->changes++;
	return 0;
}

/* The row's own node looks at it; the row goes when the session has ended. */
static int
on_session_end(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	struct mftd_cluster_session *s;
	size_t i;

	for (i = 0; i < t->n_rows; i++) {
		s = mftd_table_row_session_find(t->rows[i], m->u.session.id);
		if (s == NULL || s->end[0] != '\0')
			continue;
		snprintf(s->end, sizeof(s->end), "%s", m->u.session.end);
		t->changes++;
	}
	return 0;
}

static int
on_ban(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	mftd_table_ban_add(t, &m->u.ban.row, m->u.ban.said_us);
	t->changes++;
	return 0;
}

static int
on_unban(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	mftd_table_ban_del(t, m->u.ban.row.net);
	t->changes++;
	return 0;
}

static int
on_role(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	int ret = mftd_table_row_role(from, &m->u.role);

	return ret == -ENOSPC ? 0 : ret;
}

static int
on_config(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	if (m->u.config.version > t->config)
		t->config = m->u.config.version;
	return 0;
}

static int
on_gone(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	mftd_table_row_clear(from);
	set_gone(t, from);
	return 0;
}

/* Only for those that the group saw leave: a node that left cleanly, or is
 * here, brings the same notify. */
static int
on_fenced(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	struct mftd_table_row *r = find(t, m->u.incarnation.incarnation);

	if (r != NULL && !r->present)
		set_gone(t, r);
	return 0;
}

/* The first claim that is delivered wins. */
static int
on_claim(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	struct mftd_table_row *r = find(t, m->u.incarnation.incarnation);

	if (r != NULL && r->gone && !r->recovered && r->claimer[0] == '\0' &&
	    !from->gone)
		snprintf(
		    r->claimer, sizeof(r->claimer), "%s", from->incarnation);
	return 0;
}

static int
on_recovered(
    struct mftd_table *t, struct mftd_table_row *from, const struct mftd_gm *m)
{
	struct mftd_table_row *r = find(t, m->u.incarnation.incarnation);
	size_t i;

	if (r == NULL || strcmp(r->claimer, from->incarnation) != 0)
		return 0;
	r->claimer[0] = '\0';
	if (m->u.incarnation.failed != 0) {
		if (r->failures < UINT32_MAX)
			r->failures++;
		return 0;
	}
	r->recovered = true;
	if (r->present || !r->replaced)
		return 0;
	for (i = 0; t->rows[i] != r; i++)
		;
	mftd_table_drop_row(t, i);
	return 0;
}

static const apply_fn handlers[MFTD_GM_END] = {
	[MFTD_GM_SESSION_ADD] = on_session_add,
	[MFTD_GM_SESSION_DEL] = on_session_del,
	[MFTD_GM_ROLE] = on_role,
	[MFTD_GM_CONFIG] = on_config,
	[MFTD_GM_GONE] = on_gone,
	[MFTD_GM_FENCED] = on_fenced,
	[MFTD_GM_CLAIM] = on_claim,
	[MFTD_GM_RECOVERED] = on_recovered,
	[MFTD_GM_BAN] = on_ban,
	[MFTD_GM_UNBAN] = on_unban,
	[MFTD_GM_SESSION_END] = on_session_end,
};

int
mftd_table_apply(struct mftd_table *t, const struct mftd_gm_member *from,
    const struct mftd_gm *m)
{
	struct mftd_table_row *r = present(t, from);
	int ret;

	if (r == NULL || m->type >= MFTD_GM_END || handlers[m->type] == NULL ||
	    m->number != r->next)
		return 0;
	r->next++;
	mix_step(t, from, m->type, m->number);
	ret = handlers[m->type](t, r, m);
	return ret < 0 ? ret : 1;
}

uint64_t
mftd_table_generation(const struct mftd_table *t)
{
	return t->generation;
}

uint64_t
mftd_table_history(const struct mftd_table *t)
{
	return t->history;
}

uint64_t
mftd_table_config(const struct mftd_table *t)
{
	return t->config;
}

uint64_t
mftd_table_changes(const struct mftd_table *t)
{
	return t->changes;
}

const struct mftd_cluster_ban *
mftd_table_ban(const struct mftd_table *t, size_t i)
{
	return i < t->n_bans ? &t->bans[i] : NULL;
}

const struct mftd_table_row *
mftd_table_row(const struct mftd_table *t, size_t i)
{
	return i < t->n_rows ? t->rows[i] : NULL;
}

const struct mftd_table_row *
mftd_table_find(const struct mftd_table *t, const char *incarnation)
{
	return find(t, incarnation);
}

const struct mftd_table_row *
mftd_table_present(const struct mftd_table *t, const struct mftd_gm_member *who)
{
	return present(t, who);
}
