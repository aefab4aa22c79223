/* Part of mftd; see LICENSE. */
#include "mftd/cluster/table_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/ipc/msg_node.h"

struct mftd_table_row *
mftd_table_add_row(struct mftd_table *t)
{
	struct mftd_table_row *r;

	if (t->n_rows == MFTD_INCARNATIONS_MAX)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (r != NULL)
		t->rows[t->n_rows++] = r;
	return r;
}

void
mftd_table_drop_row(struct mftd_table *t, size_t i)
{
	struct mftd_table_row *r = t->rows[i];

	t->n_rows--;
	memmove(
	    &t->rows[i], &t->rows[i + 1], (t->n_rows - i) * sizeof(t->rows[0]));
	mftd_table_row_clear(r);
	free(r);
}

void
mftd_table_row_clear(struct mftd_table_row *r)
{
	size_t i;

	for (i = 0; i < r->n_sessions; i++)
		free(r->sessions[i]);
	free(r->sessions);
	free(r->roles);
	r->sessions = NULL;
	r->roles = NULL;
	r->n_sessions = r->size_sessions = r->n_roles = 0;
}

/* The place of id in the sorted sessions; *found when it is there. */
static size_t
session_place(const struct mftd_table_row *r, const char *id, bool *found)
{
	size_t low = 0, high = r->n_sessions, mid;
	int cmp;

	*found = false;
	while (low < high) {
		mid = low + (high - low) / 2;
		cmp = strcmp(r->sessions[mid]->id, id);
		if (cmp == 0) {
			*found = true;
			return mid;
		}
		if (cmp < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
session_room(struct mftd_table_row *r)
{
	size_t size = r->size_sessions > 0 ? r->size_sessions * 2 : 16;
	void *p;

	if (r->n_sessions == MFTD_SESSIONS_MAX)
		return -ENOSPC;
	if (r->n_sessions < r->size_sessions)
		return 0;
	p = reallocarray(r->sessions, size, sizeof(r->sessions[0]));
	if (p == NULL)
		return -ENOMEM;
	r->sessions = p;
	r->size_sessions = size;
	return 0;
}

int
mftd_table_row_session(
    struct mftd_table_row *r, const struct mftd_cluster_session *s)
{
	struct mftd_cluster_session *copy;
	bool found;
	size_t i = session_place(r, s->id, &found);
	int ret;

	if (found) {
		*r->sessions[i] = *s;
		return 0;
	}
	ret = session_room(r);
	if (ret < 0)
		return ret;
	copy = malloc(sizeof(*copy));
	if (copy == NULL)
		return -ENOMEM;
	*copy = *s;
	memmove(&r->sessions[i + 1], &r->sessions[i],
	    (r->n_sessions - i) * sizeof(r->sessions[0]));
	r->sessions[i] = copy;
	r->n_sessions++;
	return 0;
}

struct mftd_cluster_session *
mftd_table_row_session_find(const struct mftd_table_row *r, const char *id)
{
	bool found;
	size_t i = session_place(r, id, &found);

	return found ? r->sessions[i] : NULL;
}

void
mftd_table_row_session_del(struct mftd_table_row *r, const char *id)
{
	bool found;
	size_t i = session_place(r, id, &found);

	if (!found)
		return;
	free(r->sessions[i]);
	r->n_sessions--;
	memmove(&r->sessions[i], &r->sessions[i + 1],
	    (r->n_sessions - i) * sizeof(r->sessions[0]));
}

static void
role_del(struct mftd_table_row *r, size_t i)
{
	if (i == r->n_roles)
		return;
	r->n_roles--;
	memmove(&r->roles[i], &r->roles[i + 1],
	    (r->n_roles - i) * sizeof(r->roles[0]));
}

int
mftd_table_row_role(struct mftd_table_row *r, const struct mftd_gm_role *role)
{
	size_t i;
	void *p;

	for (i = 0; i < r->n_roles; i++)
		if (r->roles[i].service == role->service &&
		    strcmp(r->roles[i].queue, role->queue) == 0)
			break;
	if (role->role == MFTD_ROLE_STOPPED) {
		role_del(r, i);
		return 0;
	}
	if (i == r->n_roles) {
		if (r->n_roles == MFTD_TABLE_ROLES_MAX)
			return -ENOSPC;
		p = reallocarray(r->roles, r->n_roles + 1, sizeof(*role));
		if (p == NULL)
			return -ENOMEM;
		r->roles = p;
		r->n_roles++;
	}
	r->roles[i] = *role;
	return 0;
}
