/* Part of mftd; see LICENSE. */
#include "mftd/journal/change.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/journal/dormant.h"
#include "mftd/journal/parts.h"

/*
 * The part is this session's now: cuts it to what counts of it.  For a session
 * that waited for its owner that is all that was durable: its client was told
 * the size that the owner's part had, and goes on there.
 */
static int
cut_adopted(const struct mftd_change *c, uint64_t *bytes)
{
	struct stat st;
	int r = 0,
	    fd = openat(c->part_dir, c->msg.adopt.part,
		O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	/* less than was said to be durable: nothing of it can be trusted */
	else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < *bytes)
		r = -MFTD_E_CORRUPT;
	if (r == 0 && c->until_ms != 0 && (uint64_t)st.st_size > *bytes) {
		(*bytes)++;
		r = mftd_sync_data(fd);
	}
	if (r == 0 &&
	    (ftruncate(fd, (off_t)*bytes) < 0 ||
		fchmod(fd, st.st_mode & 0777) < 0))
		r = -errno;
	close(fd);
	return r;
}

/* Takes the dormant part over by one rename. */
static int
take_dormant(struct mftd_work *w, struct mftd_change *c)
{
	const char *part = c->msg.adopt.part;
	struct mftd_dormant_look k;
	int r = mftd_dormant_look(c->part_dir, part, &k);

	if (r < 0)
		return r;
	if (k.live[0] != '\0') {
		memcpy(c->held_by, k.live, sizeof(c->held_by));
		return mftd_id_of(k.live, c->owner->session) ? -MFTD_E_HELD
							     : -EAGAIN;
	}
	if (k.name[0] == '\0')
		return -ENOENT;
	r = mftd_rename(c->part_dir, k.name, c->part_dir, part);
	if (r < 0)
		return r;
	mftd_work_touch(w, c->part_dir);
	r = cut_adopted(c, &k.bytes);
	if (r < 0) {
		mftd_parts_set_aside(
		    w, c->part_dir, part, "", mftd_strerror(r));
		c->must_commit = true;
		return r;
	}
	c->mark.durable = k.bytes;
	memcpy(c->mark.part, part, sizeof(c->mark.part));
	mftd_work_part(w, &c->mark);
	c->must_commit = true;
	return 0;
}

int
mftd_adopt_execute(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_adopt *m = &c->msg.adopt;
	int r;

	if (!mftd_id_valid(m->part) || !mftd_id_of(m->part, c->owner->session))
		return -MFTD_E_PROTOCOL;
	if (c->from.dir < 0) /* else it waited and is tried again */
		r = mftd_place_open(w, c->owner, m->path, &c->from);
	else
		r = 0;
	if (r < 0)
		return r;
	mftd_fd_close(&c->part_dir);
	c->part_dir = mftd_layout_parts_open(
	    c->owner->parts_fd, c->from.key, c->from.base);
	if (c->part_dir < 0) {
		r = c->part_dir;
		c->part_dir = -1;
		return r;
	}
	return take_dormant(w, c);
}
