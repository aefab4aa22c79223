/* Part of mftd; see LICENSE. */
#include "mftd/journal/dormant.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/parts.h"

/* It was published, or moved, and a power cut brought its old name back: who
 * went on with it would change what has the other name. */
static bool
has_two_names(int dir, const char *part)
{
	struct stat st;

	return fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_nlink > 1;
}

int
mftd_dormant_lay(struct mftd_work *w, int dir, const char *part,
    const struct mftd_mark *mark)
{
	char name[MFTD_ID_BYTES];
	uint64_t left;
	int r;

	if (mark == NULL || mark->durable == 0)
		return 0;
	left = mark->cut ? mark->durable : mark->durable - 1;
	/* the account would see less than what is published */
	if (left == 0 || left < mark->base || has_two_names(dir, part))
		return 0;
	r = mftd_layout_dormant(part, left, name);
	if (r < 0) {
		log_warn("part %s cannot be gone on with: %s", part,
		    "its name is too long");
		return 0;
	}
	/* the journal has no less than the name says */
	r = mftd_work_record(w);
	if (r == 0)
		r = mftd_rename(dir, part, dir, name);
	if (r < 0)
		return r;
	/* should it be undone by a power cut: it is laid down again */
	mftd_work_touch(w, dir);
	log_info("part %s: its first %llu bytes lie dormant", part,
	    (unsigned long long)left);
	return 1;
}

static bool
is_later(const struct stat *a, const struct timespec *b)
{
	return a->st_ctim.tv_sec != b->tv_sec ? a->st_ctim.tv_sec > b->tv_sec
					      : a->st_ctim.tv_nsec > b->tv_nsec;
}

int
mftd_dormant_look(int dir, const char *but, struct mftd_dormant_look *k)
{
	struct timespec latest = { .tv_sec = INT64_MIN };
	struct dirent *e;
	struct stat st;
	uint64_t bytes;
	DIR *d;
	int fd;

	memset(k, 0, sizeof(*k));
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		int r = -errno;

		mftd_fd_close(&fd);
		return r;
	}
	while ((e = readdir(d)) != NULL) {
		if (!mftd_id_valid(e->d_name) || strcmp(e->d_name, but) == 0)
			continue;
		if (!mftd_layout_is_dormant(e->d_name, &bytes)) {
			snprintf(k->live, sizeof(k->live), "%s", e->d_name);
		} else if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    is_later(&st, &latest)) {
			latest = st.st_ctim;
			snprintf(k->name, sizeof(k->name), "%s", e->d_name);
			k->bytes = bytes;
		}
	}
	closedir(d);
	return 0;
}

/* The rename that lays a part down changes its ctime. */
static bool
is_old(void *data, int dir, const char *part)
{
	const int64_t *before_s = data;
	uint64_t bytes;
	struct stat st;

	return mftd_layout_is_dormant(part, &bytes) &&
	    fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ctim.tv_sec < *before_s;
}

int
mftd_dormant_reap(struct mftd_work *w, int64_t before_s)
{
	return mftd_parts_of_volume(
	    w, NULL, is_old, &before_s, "expired", NULL);
}
