/* Part of mftd; see LICENSE. */
#include "mftd/base/buf.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES 65536 /* reset gives back what is larger */

struct mftd_buf {
	uint8_t *data;
	size_t off, len, size, max; /* waiting bytes: data[off .. off+len) */
	bool borrowed;
};

struct mftd_buf *
mftd_buf_new(size_t max)
{
	struct mftd_buf *b = calloc(1, sizeof(*b));

	if (b != NULL)
		b->max = max;
	return b;
}

struct mftd_buf *
mftd_buf_from(const void *data, size_t len)
{
	struct mftd_buf *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->data = (uint8_t *)(uintptr_t)data; /* never written: borrowed */
	b->len = b->size = b->max = len;
	b->borrowed = true;
	return b;
}

void
mftd_buf_free(struct mftd_buf *b)
{
	if (b == NULL)
		return;
	if (!b->borrowed)
		free(b->data);
	free(b);
}

const uint8_t *
mftd_buf_data(const struct mftd_buf *b)
{
	return b->data != NULL ? b->data + b->off : NULL;
}

size_t
mftd_buf_len(const struct mftd_buf *b)
{
	return b->len;
}

void
mftd_buf_reset(struct mftd_buf *b)
{
	b->off = b->len = 0;
	if (!b->borrowed && b->size > KEEP_BYTES) {
		free(b->data);
		b->data = NULL;
		b->size = 0;
	}
}

int
mftd_buf_consume(struct mftd_buf *b, size_t n)
{
	if (n > b->len)
		return -EBADMSG;
	b->off += n;
	b->len -= n;
	if (b->len == 0 && !b->borrowed)
		b->off = 0;
	return 0;
}

/* Makes room for more bytes behind the waiting ones. */
static int
make_room(struct mftd_buf *b, size_t more)
{
	size_t size;
	uint8_t *data;

	if (b->borrowed)
		return -EROFS;
	if (more > b->max - b->len)
		return -ENOBUFS;
	if (b->off + b->len + more <= b->size)
		return 0;
	if (b->off > 0) {
		memmove(b->data, b->data + b->off, b->len);
		b->off = 0;
		if (b->len + more <= b->size)
			return 0;
	}
	size = b->size != 0 ? b->size : 256;
	while (size < b->len + more)
		size *= 2;
	data = realloc(b->data, size);
	if (data == NULL)
		return -ENOMEM;
	b->data = data;
	b->size = size;
	return 0;
}

int
mftd_buf_reserve(struct mftd_buf *b, size_t len, uint8_t **at)
{
	int r = make_room(b, len);

	if (r < 0)
		return r;
	*at = b->data + b->off + b->len;
	b->len += len;
	return 0;
}

int
mftd_buf_trim(struct mftd_buf *b, size_t n)
{
	if (n > b->len)
		return -EBADMSG;
	b->len -= n;
	return 0;
}

int
mftd_buf_put(struct mftd_buf *b, const void *data, size_t len)
{
	uint8_t *at;
	int r = mftd_buf_reserve(b, len, &at);

	if (r == 0 && len > 0)
		memcpy(at, data, len);
	return r;
}

int
mftd_buf_put_u8(struct mftd_buf *b, uint8_t v)
{
	return mftd_buf_put(b, &v, sizeof(v));
}

int
mftd_buf_put_u32(struct mftd_buf *b, uint32_t v)
{
	v = htobe32(v);
	return mftd_buf_put(b, &v, sizeof(v));
}

int
mftd_buf_put_u64(struct mftd_buf *b, uint64_t v)
{
	v = htobe64(v);
	return mftd_buf_put(b, &v, sizeof(v));
}

int
mftd_buf_put_string(struct mftd_buf *b, const void *data, size_t len)
{
	uint32_t be;
	uint8_t *at;
	int r;

	if (len > UINT32_MAX - sizeof(be))
		return -ENOBUFS;
	r = mftd_buf_reserve(b, sizeof(be) + len, &at);
	if (r < 0)
		return r;
	be = htobe32((uint32_t)len);
	memcpy(at, &be, sizeof(be));
	if (len > 0)
		memcpy(at + sizeof(be), data, len);
	return 0;
}

int
mftd_buf_put_cstring(struct mftd_buf *b, const char *s)
{
	return mftd_buf_put_string(b, s, strlen(s));
}

int
mftd_buf_get(struct mftd_buf *b, void *out, size_t len)
{
	if (len > b->len)
		return -EBADMSG;
	if (len > 0)
		memcpy(out, b->data + b->off, len);
	return mftd_buf_consume(b, len);
}

int
mftd_buf_get_u8(struct mftd_buf *b, uint8_t *v)
{
	return mftd_buf_get(b, v, sizeof(*v));
}

int
mftd_buf_get_u32(struct mftd_buf *b, uint32_t *v)
{
	int r = mftd_buf_get(b, v, sizeof(*v));

	if (r == 0)
		*v = be32toh(*v);
	return r;
}

int
mftd_buf_get_u64(struct mftd_buf *b, uint64_t *v)
{
	int r = mftd_buf_get(b, v, sizeof(*v));

	if (r == 0)
		*v = be64toh(*v);
	return r;
}

/* Looks at the string in front without taking it. */
static int
peek_string(const struct mftd_buf *b, const uint8_t **data, size_t *len)
{
	uint32_t be;

	if (b->len < sizeof(be))
		return -EBADMSG;
	memcpy(&be, b->data + b->off, sizeof(be));
	if (be32toh(be) > b->len - sizeof(be))
		return -EBADMSG;
	*data = b->data + b->off + sizeof(be);
	*len = be32toh(be);
	return 0;
}

int
mftd_buf_get_string(struct mftd_buf *b, const uint8_t **data, size_t *len)
{
	int r = peek_string(b, data, len);

	if (r < 0)
		return r;
	/* not consume(): that may reset off, and *data points inside */
	b->off += sizeof(uint32_t) + *len;
	b->len -= sizeof(uint32_t) + *len;
	return 0;
}

int
mftd_buf_get_cstring(struct mftd_buf *b, char *out, size_t size)
{
	const uint8_t *data;
	size_t len;
	int r = peek_string(b, &data, &len);

	if (r < 0)
		return r;
	if (len >= size)
		return -ENAMETOOLONG;
	if (memchr(data, '\0', len) != NULL)
		return -EBADMSG;
	memcpy(out, data, len);
	out[len] = '\0';
	return mftd_buf_consume(b, sizeof(uint32_t) + len);
}
