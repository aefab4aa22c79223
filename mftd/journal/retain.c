/* Part of mftd; see LICENSE. */
#include "mftd/journal/retain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/journal/checkpoint.h"
#include "mftd/journal/forward.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/recover.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DROPPED_PREFIX ".dropped-" /* no stream's name begins so */
#define AUDIT_BYTES 512

/* Writes down what is going to be dropped, durably. */
static int
announce(struct mftd_work *w, const char *stream, uint64_t seq)
{
	struct mftd_rec_audit rec = { .event = MFTD_AUDIT_DROPPED };
	int r = mftd_work_room(w, AUDIT_BYTES);

	if (r < 0)
		return r;
	snprintf(rec.text, sizeof(rec.text), "%s up to %" PRIu64, stream, seq);
	mftd_work_audit(w, &rec);
	return mftd_work_commit(w);
}

/* ---- our own */

/* How far what stands before segment number goes: the head in its header. */
static int
seq_before(int dir, uint64_t number, uint64_t *seq)
{
	uint8_t head[MFTD_SEGMENT_HEADER_BYTES];
	char name[MFTD_SEGMENT_NAME_BYTES];
	struct mftd_segment seg;
	ssize_t n;
	int fd, r;

	mftd_segment_name(number, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = mftd_fd_pread_full(fd, head, sizeof(head), 0);
	close(fd);
	if (n < 0)
		return (int)n;
	r = mftd_segment_get(head, &seg);
	if (r == 0)
		*seq = seg.before.head.seq;
	return r;
}

static bool
is_older(int dir, uint64_t number, int64_t before_s)
{
	char name[MFTD_SEGMENT_NAME_BYTES];
	struct stat st;

	mftd_segment_name(number, name);
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_mtim.tv_sec < before_s;
}

/* Finds the last segment that may go, and its last record.  1, 0 for none, or
 * an error. */
static int
find_last(const struct mftd_work *w, uint64_t forwarded, int64_t before_s,
    uint64_t *first, uint64_t *number, uint64_t *seq)
{
	uint64_t last, checkpoint, next = 0;
	int dir = mftd_stream_dir(w->stream), found = 0, r;

	r = mftd_checkpoint_read(dir, &checkpoint);
	if (r == 0)
		r = mftd_segments_range(dir, first, &last);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (last - *first > MFTD_RETAIN_MAX)
		last = *first + MFTD_RETAIN_MAX;
	for (*number = *first; *number < last; ++*number) {
		r = seq_before(dir, *number + 1, &next);
		if (r < 0)
			return r;
		if (next > checkpoint || next > forwarded ||
		    !is_older(dir, *number, before_s))
			break;
		*seq = next;
		found = 1;
	}
	--*number;
	return found;
}

int
mftd_retain_own(struct mftd_work *w, uint64_t forwarded, int64_t before_s)
{
	char name[MFTD_SEGMENT_NAME_BYTES];
	int dir = mftd_stream_dir(w->stream), n = 0, r;
	uint64_t first, last, seq = 0;

	r = find_last(w, forwarded, before_s, &first, &last, &seq);
	if (r <= 0)
		return r;
	r = announce(w, mftd_stream_id(w->stream), seq);
	for (; r == 0 && first <= last; first++, n++) {
		mftd_segment_name(first, name);
		if (unlinkat(dir, name, 0) < 0)
			return -errno;
		/* one by one: a power cut must leave no gap */
		r = w->failed = mftd_sync_all(dir);
	}
	return r < 0 ? r : n;
}

/* ---- those of the dead */

struct dead {
	struct mftd_work *w;
	int64_t before_s;
	int n;
};

static bool
may_go(const struct dead *d, int dir, uint64_t *seq)
{
	uint64_t first, last;
	struct stat st;

	return mftd_recovered_seq(dir, seq) == 0 &&
	    fstatat(dir, MFTD_STREAM_FORWARDED, &st, 0) == 0 &&
	    mftd_segments_range(dir, &first, &last) == 0 &&
	    is_older(dir, last, d->before_s);
}

/* Removes a stream that drop renamed, here or on another node, which may have
 * died before it was durable: a power cut must not leave its old name with half
 * of it. */
static int
remove_dropped(struct mftd_work *w, int node_dir, const char *name)
{
	DIR *dir;
	struct dirent *e;
	int fd, r;

	r = w->failed = mftd_sync_all(node_dir);
	if (r < 0)
		return r;
	fd = openat(node_dir, name, DIR_FLAGS);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		r = errno == ENOENT ? 0 : -errno;
		mftd_fd_close(&fd);
		return r;
	}
	while ((e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(fd, e->d_name, 0);
	closedir(dir);
	if (unlinkat(node_dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* It is gone with one rename: half of a stream would be taken for a cut one. */
static int
drop(struct dead *d, int node_dir, const char *stream, uint64_t seq)
{
	char name[sizeof(DROPPED_PREFIX) + MFTD_ID_BYTES];
	int r = announce(d->w, stream, seq);

	snprintf(name, sizeof(name), DROPPED_PREFIX "%s", stream);
	if (r == 0)
		r = mftd_rename(node_dir, stream, node_dir, name);
	if (r == -ENOENT)
		return 0; /* another node was first */
	if (r == 0)
		r = remove_dropped(d->w, node_dir, name);
	if (r == 0)
		d->n++;
	return r;
}

static int
consider(void *data, const char *node, const char *stream, int node_dir)
{
	struct dead *d = data;
	uint64_t seq = 0;
	bool may;
	int dir;

	(void)node;
	if (d->n == MFTD_RETAIN_MAX ||
	    strcmp(stream, mftd_stream_id(d->w->stream)) == 0)
		return 0;
	dir = openat(node_dir, stream, DIR_FLAGS);
	if (dir < 0)
		return 0;
	may = may_go(d, dir, &seq);
	close(dir);
	return may ? drop(d, node_dir, stream, seq) : 0;
}

static int
is_dropped(const struct dirent *e)
{
	return strncmp(e->d_name, DROPPED_PREFIX, strlen(DROPPED_PREFIX)) == 0;
}

static int
is_node(const struct dirent *e)
{
	return mftd_id_valid(e->d_name);
}

/* Removes what is left of a node's streams that were being dropped. */
static void
sweep_node(struct mftd_work *w, const char *node)
{
	int fd = openat(w->vol->journal, node, DIR_FLAGS);
	struct dirent **list;
	int i, n = fd >= 0 ? scandirat(fd, ".", &list, is_dropped, NULL) : -1;

	for (i = 0; i < n; i++) {
		if (w->failed == 0)
			remove_dropped(w, fd, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	mftd_fd_close(&fd);
}

static int
sweep(struct mftd_work *w)
{
	struct dirent **list;
	int i, n = scandirat(w->vol->journal, ".", &list, is_node, NULL);

	for (i = 0; i < n; i++) {
		sweep_node(w, list[i]->d_name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return w->failed;
}

int
mftd_retain_dead(struct mftd_work *w, int64_t before_s)
{
	struct dead d = { .w = w, .before_s = before_s };
	int r = sweep(w);

	if (r == 0)
		r = mftd_streams_each(w->vol->journal, NULL, consider, &d);
	return r < 0 ? r : d.n;
}
