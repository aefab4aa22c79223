/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/story.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/dormant.h"
#include "mftd/journal/inspect.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"

#define TEXT_BYTES 64
#define RECEIPTS_MAX 16
#define MODE 0600
#define OTHER_MODE 0640

const char *const story_names[STORY_NAMES] = { "f", "g", "h", "i", "d", "e",
	"l", "z" };

static int
index_of(const char *name)
{
	int i;

	for (i = 0; i < STORY_NAMES; i++)
		if (strcmp(story_names[i], name) == 0)
			return i;
	fail_msg("%s is none of the names", name);
	return 0;
}

size_t
story_msg(const struct story_ask *a, union story_msg *m)
{
	memset(m, 0, sizeof(*m));
	/* each message begins with a path */
	snprintf(m->remove.path, sizeof(m->remove.path), "%s", a->path);
	switch (a->type) {
	case MFTD_MSG_RENAME:
		snprintf(m->rename.to, sizeof(m->rename.to), "%s", a->to);
		m->rename.overwrite = a->flag;
		return sizeof(m->rename);
	case MFTD_MSG_LINK:
		snprintf(m->link.to, sizeof(m->link.to), "%s", a->to);
		return sizeof(m->link);
	case MFTD_MSG_SYMLINK:
		snprintf(
		    m->symlink.target, sizeof(m->symlink.target), "%s", a->to);
		return sizeof(m->symlink);
	case MFTD_MSG_MKDIR:
		m->mkdir.mode = 0777; /* more than a umask lets through */
		return sizeof(m->mkdir);
	case MFTD_MSG_SETSTAT:
		m->setstat.mask = MFTD_SET_MODE | MFTD_SET_TIMES;
		m->setstat.mode = OTHER_MODE;
		m->setstat.atime = m->setstat.mtime = 1000;
		return sizeof(m->setstat);
	case MFTD_MSG_SUPERSEDE:
		return sizeof(m->supersede);
	case MFTD_MSG_ADOPT:
		return sizeof(m->adopt);
	default:
		return sizeof(m->remove);
	}
}

void
story_make(struct tree *t, const struct story *s)
{
	char path[64];
	int i;

	tree_make(t);
	assert_int_equal(mkdirat(t->fd, "alice", 0700), 0);
	for (i = 0; i < STORY_NAMES; i++) {
		snprintf(path, sizeof(path), "alice/%s", story_names[i]);
		if (s->holds[i] == NULL)
			continue;
		if (strcmp(s->holds[i], "/") == 0)
			assert_int_equal(mkdirat(t->fd, path, 0700), 0);
		else
			tree_write(t, path, s->holds[i]);
	}
}

/* A file's text once its mode is the other one. */
static const char *
other_mode(const char *text)
{
	static const char *const both[][2] = { { "old f", "!old f" },
		{ "old i", "!old i" } };
	size_t i;

	for (i = 0; i < sizeof(both) / sizeof(both[0]); i++)
		if (strcmp(both[i][0], text) == 0)
			return both[i][1];
	return text;
}

struct story
story_after(const struct story *s, const struct story_ask *a)
{
	struct story n = *s;
	const char **from = &n.holds[index_of(a->path)];
	const char **to = a->to != NULL ? &n.holds[index_of(a->to)] : NULL;

	switch (a->type) {
	case MFTD_MSG_PUBLISH:
		if (!a->flag || *from == NULL)
			*from = a->text;
		break;
	case MFTD_MSG_RENAME:
		if (*from != NULL && (a->flag || *to == NULL)) {
			*to = *from;
			*from = NULL;
		}
		break;
	case MFTD_MSG_REMOVE:
	case MFTD_MSG_RMDIR:
		*from = NULL;
		break;
	case MFTD_MSG_MKDIR:
		if (*from == NULL)
			*from = "/";
		break;
	case MFTD_MSG_SETSTAT:
		if (*from != NULL)
			*from = other_mode(*from);
		break;
	case MFTD_MSG_LINK:
		if (*from != NULL && *to == NULL)
			*to = *from;
		break;
	case MFTD_MSG_SYMLINK:
		if (*from == NULL)
			*from = a->text;
		break;
	default: /* of parts: names stay as they are */
		break;
	}
	return n;
}

static const char *
read_one(struct tree *t, const char *name, char text[TEXT_BYTES])
{
	char path[64], *data;
	struct stat st;
	size_t len;
	ssize_t n;

	snprintf(path, sizeof(path), "alice/%s", name);
	if (fstatat(t->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		return "/";
	if (S_ISLNK(st.st_mode)) {
		text[0] = '@';
		n = readlinkat(t->fd, path, text + 1, TEXT_BYTES - 2);
		text[n > 0 ? n + 1 : 1] = '\0';
		return text;
	}
	assert_int_equal(mftd_file_read(t->fd, path, 1024, &data, &len), 0);
	snprintf(text, TEXT_BYTES, "%s%s",
	    (st.st_mode & 0777) == MODE ? "" : "!", data);
	free(data);
	return text;
}

struct story
story_read(struct tree *t)
{
	static char texts[2][STORY_NAMES][TEXT_BYTES];
	static int turn;
	struct story s;
	int i;

	turn = !turn; /* two may be compared */
	for (i = 0; i < STORY_NAMES; i++)
		s.holds[i] = read_one(t, story_names[i], texts[turn][i]);
	return s;
}

bool
story_same(const struct story *a, const struct story *b)
{
	int i;

	for (i = 0; i < STORY_NAMES; i++)
		if (a->holds[i] == NULL || b->holds[i] == NULL
			? a->holds[i] != b->holds[i]
			: strcmp(a->holds[i], b->holds[i]) != 0)
			return false;
	return true;
}

void
story_print(const char *what, const struct story *s)
{
	int i;

	print_error("%s:", what);
	for (i = 0; i < STORY_NAMES; i++)
		if (s->holds[i] != NULL)
			print_error(" %s=\"%s\"", story_names[i], s->holds[i]);
	print_error("\n");
}

/* What the journals say of each receipt. */
struct told {
	struct {
		struct mftd_rec_receipt rec;
		int published, abandoned;
	} list[RECEIPTS_MAX];
	int n;
	/* of story_records */
	uint32_t type;
	const char *path, *to;
	int count;
};

static void
on_receipt(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct told *k = data;
	struct mftd_buf *b = mftd_buf_from(payload, len);

	if (type == MFTD_RECORD_RECEIPT) {
		assert_true(k->n < RECEIPTS_MAX);
		assert_int_equal(
		    mftd_rec_receipt_get(b, &k->list[k->n++].rec), 0);
	}
	mftd_buf_free(b);
}

static void
on_outcome(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct told *k = data;
	struct mftd_rec_outcome rec;
	struct mftd_buf *b = mftd_buf_from(payload, len);
	int i;

	if (type == MFTD_RECORD_PUBLISHED || type == MFTD_RECORD_ABANDONED) {
		assert_int_equal(mftd_rec_outcome_get(b, &rec), 0);
		for (i = 0; i < k->n; i++)
			if (strcmp(k->list[i].rec.id, rec.receipt) == 0) {
				k->list[i].published +=
				    type == MFTD_RECORD_PUBLISHED;
				k->list[i].abandoned +=
				    type == MFTD_RECORD_ABANDONED;
			}
	}
	mftd_buf_free(b);
}

static void
read_told(struct tree *t, struct told *k)
{
	memset(k, 0, sizeof(*k));
	rig_records(t->path, on_receipt, k);
	rig_records(t->path, on_outcome, k);
}

/* Whether one of the names is that file. */
static bool
is_named(struct tree *t, uint64_t inode)
{
	char path[64];
	int i;

	for (i = 0; i < STORY_NAMES; i++) {
		snprintf(path, sizeof(path), "alice/%s", story_names[i]);
		if (tree_inode(t, path) == inode)
			return true;
	}
	return false;
}

/* Whether a receipt of that file is published: an inode may come again. */
static bool
is_published(const struct told *k, uint64_t inode)
{
	int i;

	for (i = 0; i < k->n; i++)
		if (k->list[i].rec.inode == inode && k->list[i].published > 0)
			return true;
	return false;
}

static bool
receipts_hold(struct tree *t)
{
	struct told k;
	char path[256];
	bool good = true;
	uint64_t inode;
	int i;

	read_told(t, &k);
	for (i = 0; i < k.n; i++) {
		const struct mftd_rec_receipt *rec = &k.list[i].rec;

		snprintf(path, sizeof(path), ".mft/out/%s", rec->id);
		inode = tree_inode(t, path);
		if (is_named(t, rec->inode) && !is_published(&k, rec->inode)) {
			print_error("receipt %s of %s: abandoned, but there\n",
			    rec->id, rec->path);
			good = false;
		}
		if ((k.list[i].published > 0) != (k.list[i].abandoned > 0) &&
		    inode == (k.list[i].published > 0 ? rec->inode : 0))
			continue;
		print_error("receipt %s of %s: published %d, abandoned %d, "
			    "%s in out\n",
		    rec->id, rec->path, k.list[i].published,
		    k.list[i].abandoned, inode == 0 ? "not" : "is");
		good = false;
	}
	return good;
}

/* Whether all streams verify, and all but the last recoverer's are sealed. */
static bool
streams_verify(struct tree *t, bool late)
{
	const struct mftd_expected any = { 0 };
	struct mftd_verified *list;
	bool good = true;
	size_t n, i, open = 0;

	assert_int_equal(mftd_inspect_verify(t->path, any, &list, &n), 0);
	for (i = 0; i < n; i++) {
		if (list[i].verdict == MFTD_VERDICT_SEALED ||
		    (late && list[i].verdict == MFTD_VERDICT_BEHIND))
			continue;
		if (mftd_verdict_good(list[i].verdict) && open++ == 0)
			continue;
		print_error("stream %s is %s after %llu\n", list[i].stream,
		    mftd_verdict_name(list[i].verdict),
		    (unsigned long long)list[i].seq);
		good = false;
	}
	mftd_inspect_free(list, n);
	return good;
}

/* Counts the parts below dir that are not dormant. */
static int
parts_below(int dir, const char *name)
{
	int n = 0, fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	uint64_t bytes;

	if (d == NULL)
		return errno == ENOENT || mftd_layout_is_dormant(name, &bytes)
		    ? 0
		    : 1;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			n += parts_below(fd, e->d_name);
	closedir(d);
	return n;
}

static bool
nothing_is_left(struct tree *t)
{
	int parts = parts_below(t->fd, ".mft/parts");
	int aside = tree_count(t, ".mft/aside");

	if (parts == 0 && aside <= 0)
		return true;
	print_error("%d parts, %d in aside\n", parts, aside);
	return false;
}

bool
story_holds_together(struct tree *t, bool late)
{
	bool receipts = receipts_hold(t), streams = streams_verify(t, late);

	return nothing_is_left(t) && receipts && streams;
}

/* The directory of a name's parts, whose key is its directory's; -1: none. */
static int
parts_dir(struct tree *t, const char *name)
{
	int fd, dir = -1, top;
	struct dirent *e;
	DIR *d;

	top = openat(t->fd, ".mft/parts/alice", O_RDONLY | O_DIRECTORY);
	d = top >= 0 ? fdopendir(top) : NULL;
	while (d != NULL && dir < 0 && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		fd = openat(top, e->d_name, O_RDONLY | O_DIRECTORY);
		dir = openat(fd, name, O_RDONLY | O_DIRECTORY);
		mftd_fd_close(&fd);
	}
	if (d != NULL)
		closedir(d);
	return dir;
}

int64_t
story_dormant(struct tree *t, const char *name, const char *text)
{
	struct mftd_dormant_look k = { .bytes = 0 };
	int dir = parts_dir(t, name);
	char *data = NULL;
	size_t len = 0;
	bool same;

	if (dir < 0)
		return 0;
	assert_int_equal(mftd_dormant_look(dir, "", &k), 0);
	if (k.name[0] != '\0')
		assert_int_equal(
		    mftd_file_read(dir, k.name, 1024, &data, &len), 0);
	close(dir);
	same = len >= k.bytes &&
	    (len == 0 || memcmp(data, text, (size_t)k.bytes) == 0);
	free(data);
	return same ? (int64_t)k.bytes : -1;
}

int
story_published(struct tree *t, const char *path)
{
	struct told k;
	int i, n = 0;

	read_told(t, &k);
	for (i = 0; i < k.n; i++)
		n += strcmp(k.list[i].rec.path, path) == 0 &&
		    k.list[i].published > 0;
	return n;
}

static void
on_name(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct told *k = data;
	struct mftd_rec_name rec;
	struct mftd_buf *b = mftd_buf_from(payload, len);

	if (type == k->type && mftd_rec_name_get(b, &rec) == 0 &&
	    strcmp(rec.path, k->path) == 0 &&
	    (k->to == NULL || strcmp(rec.to, k->to) == 0))
		k->count++;
	mftd_buf_free(b);
}

int
story_records(struct tree *t, uint32_t type, const char *path, const char *to)
{
	struct told k = { .type = type, .path = path, .to = to };

	rig_records(t->path, on_name, &k);
	return k.count;
}
