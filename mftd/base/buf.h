/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_BUF_H
#define MFTD_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

/*
 * A byte queue with a bound: put at the end, get from the front.  Numbers are
 * big-endian and strings carry a 32-bit length, as in SSH (RFC 4251 section 5)
 * and in the journal's records.  A failed put or get changes nothing.
 */
struct mftd_buf;

/* Returns an empty buffer that never holds more than max bytes, or NULL without
 * memory.  The caller frees it with mftd_buf_free. */
struct mftd_buf *mftd_buf_new(size_t max);

/* A buffer that reads from data, which stays the caller's and must outlive it;
 * puts fail with -EROFS.  NULL without memory. */
struct mftd_buf *mftd_buf_from(const void *data, size_t len);

/* Frees b, which may be NULL. */
void mftd_buf_free(struct mftd_buf *b);

/* Bytes that wait to be got, and how many there are. */
const uint8_t *mftd_buf_data(const struct mftd_buf *b);
size_t mftd_buf_len(const struct mftd_buf *b);

/* Empties b and, if it has grown large, gives the memory back. */
void mftd_buf_reset(struct mftd_buf *b);

/* Drops n bytes from the front.  -EBADMSG when there are fewer. */
int mftd_buf_consume(struct mftd_buf *b, size_t n);

/* Puts return 0, -ENOBUFS beyond the bound, -ENOMEM, or -EROFS. */
int mftd_buf_put(struct mftd_buf *b, const void *data, size_t len);
int mftd_buf_put_u8(struct mftd_buf *b, uint8_t v);
int mftd_buf_put_u32(struct mftd_buf *b, uint32_t v);
int mftd_buf_put_u64(struct mftd_buf *b, uint64_t v);
int mftd_buf_put_string(struct mftd_buf *b, const void *data, size_t len);
int mftd_buf_put_cstring(struct mftd_buf *b, const char *s);

/* Room for len bytes at the end, to be written by the caller before the next
 * call on b: *at points to it.  Returns as the puts. */
int mftd_buf_reserve(struct mftd_buf *b, size_t len, uint8_t **at);

/* Takes the last n bytes off again (what reserve gave and was not used).
 * -EBADMSG when there are fewer. */
int mftd_buf_trim(struct mftd_buf *b, size_t n);

/* Gets return 0, or -EBADMSG when b holds less than asked. */
int mftd_buf_get(struct mftd_buf *b, void *out, size_t len);
int mftd_buf_get_u8(struct mftd_buf *b, uint8_t *v);
int mftd_buf_get_u32(struct mftd_buf *b, uint32_t *v);
int mftd_buf_get_u64(struct mftd_buf *b, uint64_t *v);

/* Points *data at the string's bytes inside b, valid until b changes. */
int mftd_buf_get_string(struct mftd_buf *b, const uint8_t **data, size_t *len);

/* Copies the string into out as a C string.  -EBADMSG also for a NUL inside,
 * -ENAMETOOLONG when it does not fit size bytes. */
int mftd_buf_get_cstring(struct mftd_buf *b, char *out, size_t size);

#endif
