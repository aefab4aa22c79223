/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/sftp/attrs.h"
#include "mftd/sftp/job.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/peer.h"

/* Uploads over a published file that is too large to be copied in one go (on a
 * file system that clones there is nothing to copy, and nothing waits). */
#define MIB (1024u * 1024)
#define SIZE (9u * MIB + 17)
#define W SSH_FXF_WRITE
#define RW (SSH_FXF_READ | SSH_FXF_WRITE)

/* Memory for the copy of a base is not to be had. */
static bool no_memory;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *
__wrap_calloc(size_t n, size_t size)
{
	return no_memory && n * size == sizeof(struct mftd_sftp_job)
	    ? NULL
	    : __real_calloc(n, size);
}

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 131 + i / 4096);
}

/* The published file f, and one that nobody is busy with. */
static void
publish(struct peer *r)
{
	uint8_t *bytes = malloc(SIZE);
	int fd = openat(r->root, "f", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	size_t i;

	assert_non_null(bytes);
	for (i = 0; i < SIZE; i++)
		bytes[i] = byte_at(i);
	assert_int_equal(write(fd, bytes, SIZE), SIZE);
	close(fd);
	free(bytes);
	file_make(r, "other", "");
}

/* f is size bytes of that, with text at off. */
static void
published_is(struct peer *r, size_t size, size_t off, const char *text)
{
	uint8_t *bytes = malloc(SIZE + 1);
	int fd = openat(r->root, "f", O_RDONLY);
	size_t i, n = strlen(text);

	assert_int_equal(read(fd, bytes, SIZE + 1), size);
	for (i = 0; i < size; i++)
		if (bytes[i] !=
		    (i >= off && i < off + n ? (uint8_t)text[i - off]
					     : byte_at(i)))
			fail_msg("byte %zu differs", i);
	close(fd);
	free(bytes);
}

/* The next answer, while the server works. */
static struct answer
next(struct peer *r)
{
	struct answer a;

	while (!peer_take(r, &a)) {
		peer_journal(r);
		assert_int_equal(mftd_sftp_continue(r->s), 0);
	}
	return a;
}

/* Sends m and then a request about another file: that one is answered at once,
 * whatever m has to wait for.  The status of m. */
static uint32_t
status_of(struct peer *r, struct mftd_buf *m)
{
	bool passed = false, answered = false;
	uint32_t id, status = 0;
	struct answer a;

	peer_post(r, m);
	id = r->next_id;
	peer_post(r, req_path(r, SSH_FXP_STAT, "/other"));
	passed = !peer_take(r, &a);
	assert_false(passed); /* one of the two needs nobody */
	for (;; a = next(r)) {
		if (a.id == id) {
			answered = true;
			status = a.status;
			assert_int_equal(a.type, SSH_FXP_STATUS);
		} else {
			passed = true;
			assert_int_equal(a.type, SSH_FXP_ATTRS);
		}
		mftd_buf_free(a.body);
		if (passed && answered)
			return status;
	}
}

static void
write_in_the_middle(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	publish(r);
	h = do_open(r, "/f", W, NULL);
	assert_int_equal(
	    status_of(r, req_write(r, h, 5 * MIB, "mark", 4)), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	published_is(r, SIZE, 5 * MIB, "mark");
}

static void
close_keeps_the_tail(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	publish(r);
	h = do_open(r, "/f", W, NULL);
	assert_int_equal(do_write(r, h, 0, "head"), SSH_FX_OK);
	assert_int_equal(
	    status_of(r, req_handle(r, SSH_FXP_CLOSE, h)), SSH_FX_OK);
	published_is(r, SIZE, 0, "head");
}

static void
append_to_the_end(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	publish(r);
	h = do_open(r, "/f", W | SSH_FXF_APPEND, NULL);
	assert_int_equal(status_of(r, req_write(r, h, 0, "", 0)), SSH_FX_OK);
	assert_int_equal(
	    status_of(r, req_write(r, h, 0, "tail", 4)), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/f", 0), SIZE + 4);
}

static struct mftd_buf *
req_path_size(struct peer *r, const char *path, uint64_t size)
{
	struct mftd_buf *m = req_path(r, SSH_FXP_SETSTAT, path);

	mftd_buf_put_u32(m, SSH_FILEXFER_ATTR_SIZE);
	mftd_buf_put_u64(m, size);
	return m;
}

/* By its name, without a handle; what follows finds it done. */
static void
published_one_is_cut(void **state)
{
	struct mftd_sftp_attrs attrs;
	struct peer *r = *state;
	struct answer a;

	publish(r);
	peer_post(r, req_path_size(r, "/f", SIZE - 20));
	peer_post(r, req_path(r, SSH_FXP_STAT, "/f"));
	a = next(r);
	assert_int_equal(a.status, SSH_FX_OK);
	mftd_buf_free(a.body);
	published_is(r, SIZE - 20, 0, "");
	a = next(r);
	assert_int_equal(mftd_sftp_attrs_get(a.body, &attrs), 0);
	assert_int_equal(attrs.size, SIZE - 20);
	mftd_buf_free(a.body);
	assert_int_equal(
	    status_of(r, req_path_size(r, "/f", 2 * MIB)), SSH_FX_OK);
	published_is(r, 2 * MIB, 0, "");
	assert_int_equal(count_parts(r), 0);
}

/* A request that waits is about the name that its handle's file has by now. */
static void
what_waits_follows_a_rename(void **state)
{
	struct mftd_sftp_attrs attrs;
	struct peer *r = *state;
	struct answer a;
	uint32_t id[5];
	uint64_t h;
	int i;

	publish(r);
	h = do_open(r, "/f", RW, NULL);
	peer_post(r, req_rename(r, "/f", "/g", false));
	id[0] = r->next_id;
	peer_post(r, req_write(r, h, 5 * MIB, "mark", 4));
	id[1] = r->next_id;
	peer_post(r, req_path_size(r, "/g", 1000));
	id[2] = r->next_id;
	peer_post(r, req_path(r, SSH_FXP_STAT, "/g"));
	id[3] = r->next_id;
	peer_post(r, req_handle(r, SSH_FXP_CLOSE, h));
	id[4] = r->next_id;
	for (i = 0; i < 5; i++) {
		a = next(r);
		assert_int_equal(a.id, id[i]);
		if (i == 3) {
			assert_int_equal(
			    mftd_sftp_attrs_get(a.body, &attrs), 0);
			assert_int_equal(attrs.size, 1000);
		} else {
			assert_int_equal(a.status, SSH_FX_OK);
		}
		mftd_buf_free(a.body);
	}
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/g", 0), 1000);
}

/* It has no need of the copy. */
static void
reading_through_a_handle_that_writes(void **state)
{
	struct peer *r = *state;
	char text[16];
	uint8_t want;
	uint64_t h, at;

	publish(r);
	h = do_open(r, "/f", RW, NULL);
	assert_int_equal(do_write(r, h, 0, "head"), SSH_FX_OK);
	assert_int_equal(do_read(r, h, 0, 4, text, sizeof(text)), 0);
	assert_memory_equal(text, "head", 4);
	assert_int_equal(do_read(r, h, 1, 3, text, sizeof(text)), 0);
	assert_memory_equal(text, "ead", 3);
	for (at = 4; at < SIZE; at += MIB) {
		assert_int_equal(do_read(r, h, at, 1, text, sizeof(text)), 0);
		want = byte_at(at);
		assert_memory_equal(text, &want, 1);
	}
	assert_int_equal(
	    do_read(r, h, SIZE, 1, text, sizeof(text)), SSH_FX_EOF);
	assert_false(mftd_sftp_working(r->s));
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	published_is(r, SIZE, 0, "head");
}

static bool
clones(struct peer *r)
{
	int from = openat(r->root, "f", O_RDONLY);
	int to = openat(r->root, "other", O_WRONLY);
	bool yes = ioctl(to, FICLONE, from) == 0;

	close(from);
	close(to);
	return yes;
}

/* Then nothing is published, least of all the beginning alone. */
static void
no_memory_for_the_copy(void **state)
{
	struct peer *r = *state;
	uint32_t status;
	uint64_t h;

	publish(r);
	if (clones(r))
		return; /* nothing is left to be copied */
	h = do_open(r, "/f", W, NULL);
	assert_int_equal(do_write(r, h, 0, "head"), SSH_FX_OK);
	no_memory = true;
	status = do_close(r, h);
	no_memory = false;
	assert_int_equal(status, SSH_FX_FAILURE);
	published_is(r, SIZE, 0, "");
	assert_int_equal(count_parts(r), 0);
}

/* By other hands than ours. */
static void
base_that_is_cut_meanwhile(void **state)
{
	struct peer *r = *state;
	uint64_t h;
	int fd;

	publish(r);
	h = do_open(r, "/f", W, NULL);
	assert_int_equal(do_write(r, h, 0, "head"), SSH_FX_OK);
	if (clones(r))
		return; /* nothing is left to be copied */
	fd = openat(r->root, "f", O_WRONLY);
	assert_int_equal(ftruncate(fd, 3 * MIB), 0);
	close(fd);
	assert_int_equal(
	    status_of(r, req_write(r, h, 8 * MIB, "mark", 4)), SSH_FX_FAILURE);
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/f", 0), 3 * MIB);
}

static void
no_room_for_the_copy(void **state)
{
	struct rlimit was, less;
	struct peer *r = *state;
	uint32_t status;
	uint64_t h;

	publish(r);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	less = was;
	less.rlim_cur = 4 * MIB;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
	h = do_open(r, "/f", W, NULL);
	status = status_of(r, req_write(r, h, 8 * MIB, "mark", 4));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	published_is(r, SIZE, 0, "");
	assert_int_equal(count_parts(r), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		T(write_in_the_middle),
		T(close_keeps_the_tail),
		T(append_to_the_end),
		T(published_one_is_cut),
		T(what_waits_follows_a_rename),
		T(reading_through_a_handle_that_writes),
		T(no_memory_for_the_copy),
		T(base_that_is_cut_meanwhile),
		T(no_room_for_the_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
