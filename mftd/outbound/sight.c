/* Part of mftd; see LICENSE. */
#include "mftd/outbound/sight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

#define ROOM_FIRST 64
#define MAGIC 0x6d66746473656531 /* "mftdsee1" */

bool
mftd_version_equal(const struct mftd_version *a, const struct mftd_version *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns &&
	    a->ctime_ns == b->ctime_ns && a->inode == b->inode;
}

enum mftd_verdict
mftd_sight_judge(struct mftd_sight *now, const struct mftd_sight *before,
    int64_t now_ms, int64_t stable_ms)
{
	now->since_ms = now_ms;
	now->ever = before != NULL && before->ever;
	now->known = false;
	if (before == NULL || !mftd_version_equal(&now->v, &before->v))
		return MFTD_SIGHT_WAIT;
	now->known = before->known;
	if (now->known)
		return MFTD_SIGHT_KNOWN;
	if (before->since_ms > now_ms)
		return MFTD_SIGHT_WAIT;
	now->since_ms = before->since_ms;
	return now_ms - now->since_ms >= stable_ms ? MFTD_SIGHT_TAKE
						   : MFTD_SIGHT_WAIT;
}

/* ---- many */

int
mftd_sights_add(
    struct mftd_sights *s, const char *name, const struct mftd_version *v)
{
	size_t room = s->room > 0 ? 2 * s->room : ROOM_FIRST;
	struct mftd_sight *list = s->list;

	if (s->n >= MFTD_LOOK_FILES_MAX)
		return -MFTD_E_LIMIT;
	if (s->n == s->room) {
		list = reallocarray(s->list, room, sizeof(*list));
		if (list == NULL)
			return -ENOMEM;
		s->list = list;
		s->room = room;
	}
	list[s->n] = (struct mftd_sight) { .name = strdup(name), .v = *v };
	if (list[s->n].name == NULL)
		return -ENOMEM;
	s->n++;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct mftd_sight *)a)->name,
	    ((const struct mftd_sight *)b)->name);
}

void
mftd_sights_sort(struct mftd_sights *s)
{
	if (s->n > 0)
		qsort(s->list, s->n, sizeof(*s->list), compare);
}

struct mftd_sight *
mftd_sights_find(const struct mftd_sights *s, const char *name)
{
	const struct mftd_sight key = { .name = (char *)name };

	return s->n > 0
	    ? bsearch(&key, s->list, s->n, sizeof(*s->list), compare)
	    : NULL;
}

void
mftd_sights_free(struct mftd_sights *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->list[i].name);
	free(s->list);
	memset(s, 0, sizeof(*s));
}

/* ---- kept in a file of memory */

struct head {
	uint64_t magic;
	uint64_t n, bytes; /* records, and what they take */
	uint64_t whole;
};

/* Its name follows, with the NUL. */
struct record {
	struct mftd_version v;
	int64_t since_ms;
	uint32_t known, ever;
	uint64_t name_bytes;
};

static int
put_records(FILE *f, const struct mftd_sights *s)
{
	struct record rec;
	size_t i;

	for (i = 0; i < s->n; i++) {
		memset(&rec, 0, sizeof(rec));
		rec.v = s->list[i].v;
		rec.since_ms = s->list[i].since_ms;
		rec.known = s->list[i].known;
		rec.ever = s->list[i].ever;
		rec.name_bytes = strlen(s->list[i].name) + 1;
		fwrite(&rec, sizeof(rec), 1, f);
		fwrite(s->list[i].name, rec.name_bytes, 1, f);
	}
	return ferror(f) ? -ENOMEM : 0;
}

int
mftd_sights_save(int fd, const struct mftd_sights *s)
{
	struct head head = { .magic = MAGIC, .n = s->n, .whole = s->whole };
	char *data = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&data, &size);
	int r;

	if (f == NULL)
		return -ENOMEM;
	r = put_records(f, s);
	if (fclose(f) != 0)
		r = -ENOMEM;
	/* without its head it is nothing: that comes last */
	if (r == 0 && ftruncate(fd, 0) < 0)
		r = -errno;
	if (r == 0)
		r = mftd_fd_pwrite_full(fd, data, size, sizeof(head));
	head.bytes = size;
	if (r == 0)
		r = mftd_fd_pwrite_full(fd, &head, sizeof(head), 0);
	free(data);
	return r;
}

static int
take_records(const char *data, const struct head *head, struct mftd_sights *out)
{
	struct record rec;
	uint64_t i, at = 0;
	int r = 0;

	for (i = 0; r == 0 && i < head->n; i++) {
		if (head->bytes - at < sizeof(rec))
			return -EINVAL;
		memcpy(&rec, data + at, sizeof(rec));
		at += sizeof(rec);
		if (rec.name_bytes == 0 || rec.name_bytes > head->bytes - at ||
		    data[at + rec.name_bytes - 1] != '\0')
			return -EINVAL;
		r = mftd_sights_add(out, data + at, &rec.v);
		if (r < 0)
			return r;
		out->list[i].since_ms = rec.since_ms;
		out->list[i].known = rec.known != 0;
		out->list[i].ever = rec.ever != 0;
		at += rec.name_bytes;
	}
	out->whole = head->whole != 0;
	return r;
}

int
mftd_sights_load(int fd, struct mftd_sights *out)
{
	struct head head = { 0 };
	struct stat st;
	char *data;
	ssize_t n;
	int r;

	memset(out, 0, sizeof(*out));
	if (fstat(fd, &st) < 0)
		return -errno;
	n = mftd_fd_pread_full(fd, &head, sizeof(head), 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n < sizeof(head) || head.magic != MAGIC ||
	    head.bytes != (uint64_t)st.st_size - sizeof(head))
		return 0;
	data = malloc(head.bytes + 1);
	if (data == NULL)
		return -ENOMEM;
	n = mftd_fd_pread_full(fd, data, head.bytes, sizeof(head));
	r = n < 0 ? (int)n : take_records(data, &head, out);
	free(data);
	if (r < 0)
		mftd_sights_free(out);
	return r == -EINVAL ? 0 : r;
}
