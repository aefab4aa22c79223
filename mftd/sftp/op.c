/* Part of mftd; see LICENSE. */
#include "mftd/sftp/op.h"

#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/sftp/state.h"

struct mftd_sftp_op *
mftd_sftp_op_new(struct mftd_sftp *s, const char *path, const char *to,
    struct mftd_sftp_part *part,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err))
{
	struct mftd_sftp_op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		return NULL;
	op->path = strdup(path);
	op->to = to != NULL ? strdup(to) : NULL;
	if (op->path == NULL || (to != NULL && op->to == NULL)) {
		mftd_sftp_op_free(s, op);
		return NULL;
	}
	op->id = s->req.id;
	op->tells = true;
	op->done = done;
	op->part = part;
	if (part != NULL) {
		part->users++;
		part->busy++;
	}
	return op;
}

void
mftd_sftp_op_free(struct mftd_sftp *s, struct mftd_sftp_op *op)
{
	if (op->part != NULL) {
		op->part->busy--;
		mftd_sftp_part_put(s, op->part);
	}
	s->changed = true;
	free(op->path);
	free(op->to);
	free(op->data);
	free(op);
}

bool
mftd_sftp_op_room(const struct mftd_sftp *s)
{
	return s->n_ops < MFTD_SFTP_PENDING_MAX;
}

int
mftd_sftp_op_ask(struct mftd_sftp *s, struct mftd_sftp_op *op, uint32_t type,
    const void *data, size_t len)
{
	uint64_t ref = ++*s->env.next_ref;
	int r = mftd_chan_send(s->env.journal, type, ref, data, len, NULL, 0);

	if (r == -MFTD_E_CLOSED)
		s->fatal = true;
	if (r < 0)
		return r;
	op->ref = ref;
	TAILQ_INSERT_TAIL(&s->ops, op, link);
	s->n_ops++;
	return 0;
}

struct mftd_sftp_op *
mftd_sftp_op_take(struct mftd_sftp *s, uint64_t ref)
{
	struct mftd_sftp_op *op;

	TAILQ_FOREACH(op, &s->ops, link)
		if (op->ref == ref)
			break;
	if (op != NULL) {
		TAILQ_REMOVE(&s->ops, op, link);
		s->n_ops--;
	}
	return op;
}

bool
mftd_sftp_path_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, ".") == 0)
		return true;
	return strncmp(path, dir, len) == 0 &&
	    (path[len] == '\0' || path[len] == '/');
}

static bool
touches(const char *about, const char *path, bool below)
{
	return mftd_sftp_path_within(path, about) ||
	    (below && mftd_sftp_path_within(about, path));
}

static bool
any_touches(const struct mftd_sftp_ops *ops, const char *path, bool below)
{
	const struct mftd_sftp_op *op;

	TAILQ_FOREACH(op, ops, link)
		if ((below || !op->quiet) &&
		    (touches(op->path, path, below) ||
			(op->to != NULL && touches(op->to, path, below))))
			return true;
	return false;
}

bool
mftd_sftp_op_conflict(const struct mftd_sftp *s, const char *path, bool below)
{
	return any_touches(&s->ops, path, below) ||
	    any_touches(&s->closing, path, below) ||
	    any_touches(&s->syncing, path, below);
}
