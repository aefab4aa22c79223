/* Part of mftd; see LICENSE. */
#include "mftd/journal/record.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/path.h"

/* The first error of a row of puts or gets. */
#define STEP(r, call)                 \
	do {                          \
		if ((r) == 0)         \
			(r) = (call); \
	} while (0)

static const char *const names[] = {
	[MFTD_RECORD_OPEN] = "open",
	[MFTD_RECORD_AUDIT] = "audit",
	[MFTD_RECORD_PART] = "part",
	[MFTD_RECORD_RECEIPT] = "receipt",
	[MFTD_RECORD_PUBLISHED] = "published",
	[MFTD_RECORD_ABANDONED] = "abandoned",
	[MFTD_RECORD_RENAME] = "rename",
	[MFTD_RECORD_REMOVE] = "remove",
	[MFTD_RECORD_MKDIR] = "mkdir",
	[MFTD_RECORD_RMDIR] = "rmdir",
	[MFTD_RECORD_SETSTAT] = "setstat",
	[MFTD_RECORD_SEAL] = "seal",
	[MFTD_RECORD_LINK] = "link",
	[MFTD_RECORD_SYMLINK] = "symlink",
	[MFTD_RECORD_DISPOSE] = "dispose",
};

const char *
mftd_record_name(uint32_t type)
{
	if (type >= sizeof(names) / sizeof(names[0]) || names[type] == NULL)
		return "?";
	return names[type];
}

static int
get_id(struct mftd_buf *b, char *out, size_t size)
{
	int r = mftd_buf_get_cstring(b, out, size);

	if (r == 0 && !mftd_id_valid(out))
		r = -MFTD_E_CORRUPT;
	return r;
}

/* An id, or "" for none. */
static int
get_id_or_none(struct mftd_buf *b, char *out, size_t size)
{
	int r = mftd_buf_get_cstring(b, out, size);

	if (r == 0 && out[0] != '\0' && !mftd_id_valid(out))
		r = -MFTD_E_CORRUPT;
	return r;
}

static int
check_path(const char *path)
{
	char clean[MFTD_PATH_BYTES];
	int r = mftd_path_clean(path, strlen(path), clean, sizeof(clean));

	if (r == 0 && strcmp(path, clean) != 0)
		r = -MFTD_E_CORRUPT;
	return r;
}

static int
get_path(struct mftd_buf *b, char *out, size_t size)
{
	int r = mftd_buf_get_cstring(b, out, size);

	return r == 0 ? check_path(out) : r;
}

static int
get_bool(struct mftd_buf *b, bool *out)
{
	uint8_t v;
	int r = mftd_buf_get_u8(b, &v);

	if (r == 0 && v > 1)
		r = -MFTD_E_CORRUPT;
	if (r == 0)
		*out = v == 1;
	return r;
}

/* A payload is exactly one record. */
static int
at_end(const struct mftd_buf *b)
{
	return mftd_buf_len(b) == 0 ? 0 : -MFTD_E_CORRUPT;
}

int
mftd_rec_open_put(struct mftd_buf *b, const struct mftd_rec_open *r)
{
	int e = 0;

	STEP(e, mftd_buf_put_cstring(b, r->node));
	STEP(e, mftd_buf_put_cstring(b, r->incarnation));
	STEP(e, mftd_buf_put_cstring(b, r->volume));
	return e;
}

int
mftd_rec_open_get(struct mftd_buf *b, struct mftd_rec_open *r)
{
	int e = 0;

	STEP(e, get_id(b, r->node, sizeof(r->node)));
	STEP(e, get_id(b, r->incarnation, sizeof(r->incarnation)));
	STEP(e, get_id(b, r->volume, sizeof(r->volume)));
	STEP(e, at_end(b));
	return e;
}

int
mftd_rec_audit_put(struct mftd_buf *b, const struct mftd_rec_audit *r)
{
	int e = 0;

	STEP(e, mftd_buf_put_cstring(b, r->session));
	STEP(e, mftd_buf_put_cstring(b, r->account));
	STEP(e, mftd_buf_put_cstring(b, r->event));
	STEP(e, mftd_buf_put_cstring(b, r->text));
	return e;
}

int
mftd_rec_audit_get(struct mftd_buf *b, struct mftd_rec_audit *r)
{
	int e = 0;

	STEP(e, get_id_or_none(b, r->session, sizeof(r->session)));
	STEP(e, get_id_or_none(b, r->account, sizeof(r->account)));
	STEP(e, mftd_buf_get_cstring(b, r->event, sizeof(r->event)));
	STEP(e, mftd_buf_get_cstring(b, r->text, sizeof(r->text)));
	STEP(e, at_end(b));
	return e;
}

int
mftd_rec_part_put(struct mftd_buf *b, const struct mftd_rec_part *r)
{
	int e = 0;

	STEP(e, mftd_buf_put_cstring(b, r->part));
	STEP(e, mftd_buf_put_u64(b, r->durable));
	STEP(e, mftd_buf_put_u64(b, r->base));
	return e;
}

int
mftd_rec_part_get(struct mftd_buf *b, struct mftd_rec_part *r)
{
	int e = 0;

	STEP(e, get_id(b, r->part, sizeof(r->part)));
	STEP(e, mftd_buf_get_u64(b, &r->durable));
	STEP(e, mftd_buf_get_u64(b, &r->base));
	STEP(e, at_end(b));
	return e;
}

int
mftd_rec_receipt_put(struct mftd_buf *b, const struct mftd_rec_receipt *r)
{
	int e = 0;

	STEP(e, mftd_buf_put_cstring(b, r->id));
	STEP(e, mftd_buf_put_cstring(b, r->session));
	STEP(e, mftd_buf_put_cstring(b, r->account));
	STEP(e, mftd_buf_put_cstring(b, r->volume));
	STEP(e, mftd_buf_put_cstring(b, r->root));
	STEP(e, mftd_buf_put_cstring(b, r->path));
	STEP(e, mftd_buf_put_cstring(b, r->part));
	STEP(e, mftd_buf_put_u64(b, r->size));
	STEP(e, mftd_buf_put_u64(b, r->inode));
	STEP(e, mftd_buf_put_u8(b, r->has_routes));
	STEP(e, mftd_buf_put_u8(b, r->has_sha256));
	STEP(e, mftd_buf_put(b, r->sha256, sizeof(r->sha256)));
	if (r->folder[0] != '\0')
		STEP(e, mftd_buf_put_cstring(b, r->folder));
	return e;
}

/* The first component of the path, which goes on behind it. */
static int
get_folder(struct mftd_buf *b, struct mftd_rec_receipt *r)
{
	int e = mftd_buf_get_cstring(b, r->folder, sizeof(r->folder));
	size_t len;

	if (e < 0)
		return e;
	len = strlen(r->folder);
	if (len == 0 || strchr(r->folder, '/') != NULL ||
	    strncmp(r->path, r->folder, len) != 0 || r->path[len] != '/')
		return -MFTD_E_CORRUPT;
	return 0;
}

int
mftd_rec_receipt_get(struct mftd_buf *b, struct mftd_rec_receipt *r)
{
	int e = 0;

	STEP(e, get_id(b, r->id, sizeof(r->id)));
	STEP(e, get_id(b, r->session, sizeof(r->session)));
	STEP(e, get_id(b, r->account, sizeof(r->account)));
	STEP(e, get_id(b, r->volume, sizeof(r->volume)));
	STEP(e, get_path(b, r->root, sizeof(r->root)));
	STEP(e, get_path(b, r->path, sizeof(r->path)));
	STEP(e, get_id(b, r->part, sizeof(r->part)));
	STEP(e, mftd_buf_get_u64(b, &r->size));
	STEP(e, mftd_buf_get_u64(b, &r->inode));
	STEP(e, get_bool(b, &r->has_routes));
	STEP(e, get_bool(b, &r->has_sha256));
	STEP(e, mftd_buf_get(b, r->sha256, sizeof(r->sha256)));
	r->folder[0] = '\0';
	if (e == 0 && mftd_buf_len(b) > 0)
		e = get_folder(b, r);
	STEP(e, at_end(b));
	return e;
}

int
mftd_rec_outcome_put(struct mftd_buf *b, const struct mftd_rec_outcome *r)
{
	int e = 0;

	STEP(e, mftd_buf_put_cstring(b, r->receipt));
	STEP(e, mftd_buf_put_cstring(b, r->part));
	STEP(e, mftd_buf_put_cstring(b, r->reason));
	return e;
}

int
mftd_rec_outcome_get(struct mftd_buf *b, struct mftd_rec_outcome *r)
{
	int e = 0;

	STEP(e, get_id_or_none(b, r->receipt, sizeof(r->receipt)));
	STEP(e, get_id(b, r->part, sizeof(r->part)));
	STEP(e, mftd_buf_get_cstring(b, r->reason, sizeof(r->reason)));
	STEP(e, at_end(b));
	return e;
}

int
mftd_rec_name_put(struct mftd_buf *b, const struct mftd_rec_name *r)
{
	int e = 0;

	STEP(e, mftd_buf_put_cstring(b, r->session));
	STEP(e, mftd_buf_put_cstring(b, r->account));
	STEP(e, mftd_buf_put_cstring(b, r->volume));
	STEP(e, mftd_buf_put_cstring(b, r->path));
	STEP(e, mftd_buf_put_cstring(b, r->to));
	STEP(e, mftd_buf_put_u64(b, r->inode));
	if (r->cause[0] != '\0')
		STEP(e, mftd_buf_put_cstring(b, r->cause));
	if (r->found) {
		STEP(e, mftd_buf_put_u64(b, r->bytes));
		STEP(e, mftd_buf_put_u64(b, (uint64_t)r->mtime_ns));
	}
	return e;
}

/* What may follow a cause. */
static int
get_found(struct mftd_buf *b, struct mftd_rec_name *r)
{
	uint64_t mtime_ns = 0;
	int e = 0;

	r->bytes = 0;
	r->found = mftd_buf_len(b) > 0;
	if (r->found) {
		STEP(e, mftd_buf_get_u64(b, &r->bytes));
		STEP(e, mftd_buf_get_u64(b, &mtime_ns));
	}
	r->mtime_ns = (int64_t)mtime_ns;
	return e;
}

int
mftd_rec_name_get(struct mftd_buf *b, struct mftd_rec_name *r)
{
	int e = 0;

	STEP(e, get_id_or_none(b, r->session, sizeof(r->session)));
	STEP(e, get_id_or_none(b, r->account, sizeof(r->account)));
	STEP(e, get_id(b, r->volume, sizeof(r->volume)));
	STEP(e, get_path(b, r->path, sizeof(r->path)));
	STEP(e, mftd_buf_get_cstring(b, r->to, sizeof(r->to)));
	STEP(e, mftd_buf_get_u64(b, &r->inode));
	r->cause[0] = '\0';
	if (e == 0 && mftd_buf_len(b) > 0)
		e = get_id(b, r->cause, sizeof(r->cause));
	STEP(e, get_found(b, r));
	STEP(e, at_end(b));
	if (e == 0 && (r->account[0] == '\0') != r->found)
		e = -MFTD_E_CORRUPT;
	/* either somebody asked for it, or a delivery is its cause */
	if (e == 0 && (r->session[0] == '\0') != (r->cause[0] != '\0'))
		e = -MFTD_E_CORRUPT;
	if (e == 0 && r->to[0] != '\0')
		e = check_path(r->to);
	return e;
}

int
mftd_rec_seal_put(struct mftd_buf *b, const struct mftd_rec_seal *r)
{
	int e = 0;

	STEP(e, mftd_buf_put_cstring(b, r->stream));
	STEP(e, mftd_buf_put_u64(b, r->seq));
	STEP(e, mftd_buf_put(b, r->hash, sizeof(r->hash)));
	return e;
}

int
mftd_rec_seal_get(struct mftd_buf *b, struct mftd_rec_seal *r)
{
	int e = 0;

	STEP(e, get_id(b, r->stream, sizeof(r->stream)));
	STEP(e, mftd_buf_get_u64(b, &r->seq));
	STEP(e, mftd_buf_get(b, r->hash, sizeof(r->hash)));
	STEP(e, at_end(b));
	return e;
}
