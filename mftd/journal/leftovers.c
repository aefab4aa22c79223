/* Part of mftd; see LICENSE. */
#include "mftd/journal/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_journal.h"

struct mftd_leftovers {
	struct mftd_worker *w;
	const struct mftd_volume *vol;
	bool wanted; /* not all were shown yet */
	DIR *dir; /* NULL: not under way */
	struct mftd_msg_links msg; /* those that were shown last */
};

struct mftd_leftovers *
mftd_leftovers_new(struct mftd_worker *w, const struct mftd_volume *vol)
{
	struct mftd_leftovers *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->w = w;
	l->vol = vol;
	l->wanted = true;
	return l;
}

void
mftd_leftovers_free(struct mftd_leftovers *l)
{
	if (l == NULL)
		return;
	mftd_leftovers_end(l);
	free(l);
}

void
mftd_leftovers_end(struct mftd_leftovers *l)
{
	if (l->dir != NULL)
		closedir(l->dir);
	l->dir = NULL;
}

/* Shows the next ones; when there are none, that was all. */
static void
show(struct mftd_leftovers *l, struct mftd_chan *c)
{
	struct mftd_msg_links *msg = &l->msg;
	struct dirent *e;

	memset(msg, 0, sizeof(*msg));
	while (msg->n < MFTD_LINKS_MAX && (errno = 0, e = readdir(l->dir)))
		if (mftd_id_valid(e->d_name))
			snprintf(msg->receipts[msg->n++], MFTD_ID_BYTES, "%s",
			    e->d_name);
	if (errno != 0)
		log_warn("volume=%s: what lies in out: %s", l->vol->name,
		    mftd_strerror(-errno));
	if (msg->n == 0)
		l->wanted = false;
	if (msg->n == 0 ||
	    mftd_worker_send(l->w, c, MFTD_MSG_LINKS, 0, msg, sizeof(*msg)) < 0)
		mftd_leftovers_end(l);
}

void
mftd_leftovers_want(struct mftd_leftovers *l)
{
	l->wanted = true;
}

void
mftd_leftovers_work(struct mftd_leftovers *l, struct mftd_chan *c)
{
	int fd;

	if (!l->wanted || l->dir != NULL || c == NULL)
		return;
	fd = openat(l->vol->out, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l->dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (l->dir != NULL) {
		show(l, c);
		return;
	}
	log_warn("volume=%s: out: %s", l->vol->name, mftd_strerror(-errno));
	mftd_fd_close(&fd);
}

void
mftd_leftovers_seen(
    struct mftd_leftovers *l, struct mftd_chan *c, const struct mftd_msg *m)
{
	const struct mftd_msg_links_seen *seen = m->data;

	if (l->dir == NULL)
		return;
	if (seen->err == 0)
		show(l, c);
	else /* it is away: another time, from the first one on */
		mftd_leftovers_end(l);
}
