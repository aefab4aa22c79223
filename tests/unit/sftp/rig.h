/* Part of mftd; see LICENSE. */
#ifndef MFTD_TESTS_UNIT_SFTP_RIG_H
#define MFTD_TESTS_UNIT_SFTP_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mftd/base/buf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/sftp/server.h"

/*
 * A server on a directory of its own, a client that speaks to it byte for byte,
 * and the far end of its channel to journal: that does to the file system what
 * journal would (without its durability), or what a test tells it.
 */
struct rig {
	char dir[64];
	int root, parts;
	struct mftd_lease *lease;
	struct mftd_chan *session, *journal;
	uint64_t next_part, next_ref, bytes_in, bytes_out, published;
	struct mftd_sftp_env env;
	struct mftd_sftp *s;
	uint32_t next_id;
	struct mftd_buf *left; /* not taken by the server yet */
	/* what journal does: err 0 carries it out; hold leaves it unanswered */
	int err;
	bool hold;
	unsigned asked; /* messages that journal got */
	struct mftd_msg last; /* the last of them; its data is in last_data */
	uint8_t last_data[MFTD_MSG_BYTES];
	uint64_t refs[64]; /* held back */
	unsigned n_refs;
	int in_error; /* of mftd_sftp_input */
};

/* One answer. */
struct answer {
	uint8_t type;
	uint32_t id;
	uint32_t status; /* of STATUS */
	char text[256];
	struct mftd_buf *body; /* behind the id (of STATUS: behind the code) */
};

/* A fresh server, INIT not yet sent; volume: the root is the volume's top. */
void rig_open(struct rig *r, bool volume);
void rig_close(struct rig *r);

/* The server has had INIT and answered. */
void rig_start(struct rig *r);

/* Carries out what journal was asked, and hands over its answers. */
void rig_journal(struct rig *r);

/* Answers the i-th that was held back. */
void rig_answer_held(struct rig *r, unsigned i, int err);

/* A packet under construction: rig_new, mftd_buf_put_*, rig_send. */
struct mftd_buf *rig_new(struct rig *r, uint8_t type, uint32_t *id);

/* Sends it (frees b) without waiting for the answer. */
void rig_post(struct rig *r, struct mftd_buf *b);

/* Feeds bytes to the server, all of them unless it stalls or gives up; returns
 * how many it took. */
size_t rig_feed(struct rig *r, const uint8_t *data, size_t len);

/* Takes the next answer off the output; false when there is none. */
bool rig_take(struct rig *r, struct answer *a);

/* Sends and takes the answer, which must come and be this request's. */
struct answer rig_ask(struct rig *r, struct mftd_buf *b);

/* As rig_ask, for the status code alone. */
uint32_t rig_status(struct rig *r, struct mftd_buf *b);

/* Requests. */
struct mftd_buf *req_path(struct rig *r, uint8_t type, const char *path);
struct mftd_buf *req_handle(struct rig *r, uint8_t type, uint64_t h);
struct mftd_buf *req_open(
    struct rig *r, const char *path, uint32_t flags, int mode);
struct mftd_buf *req_read(
    struct rig *r, uint64_t h, uint64_t off, uint32_t len);
struct mftd_buf *req_write(
    struct rig *r, uint64_t h, uint64_t off, const void *data, size_t len);
struct mftd_buf *req_rename(
    struct rig *r, const char *from, const char *to, bool posix);
struct mftd_buf *req_setsize(struct rig *r, uint64_t h, uint64_t size);

/* Opens; 0 stands for a refused one (no handle's bytes are all zero), its
 * status is then in *status unless that is NULL. */
uint64_t do_open(
    struct rig *r, const char *path, uint32_t flags, uint32_t *status);
uint64_t do_opendir(struct rig *r, const char *path);
uint32_t do_write(struct rig *r, uint64_t h, uint64_t off, const char *text);
uint32_t do_close(struct rig *r, uint64_t h);

/* The size that STAT, LSTAT or FSTAT tells, or -(status). */
int64_t do_stat(struct rig *r, uint8_t type, const char *path, uint64_t h);

/* Reads up to 64 KiB at off into text as a C string; the status otherwise
 * (EOF: 1), 0 when read. */
uint32_t do_read(struct rig *r, uint64_t h, uint64_t off, uint32_t len,
    char *text, size_t size);

/* The published file, from the side: its content must be text. */
void file_make(struct rig *r, const char *path, const char *text);
void file_is(struct rig *r, const char *path, const char *text);
bool file_exists(struct rig *r, const char *path);

/* How many files lie under parts. */
unsigned count_parts(struct rig *r);

#endif
