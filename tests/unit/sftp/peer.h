/* Part of mftd; see LICENSE. */
#ifndef MFTD_TESTS_UNIT_SFTP_PEER_H
#define MFTD_TESTS_UNIT_SFTP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mftd/base/buf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/server.h"
#include "tests/unit/journal/tree.h"

/*
 * A server on a directory of its own, a client that speaks to it byte for byte,
 * and the far end of its channel to journal: that does to the file system what
 * journal would (without its durability), or what a test tells it.
 */
struct peer {
	struct tree volume;
	int root, parts;
	struct mftd_lease *lease;
	struct mftd_syncer *syncer; /* NULL: the server syncs by itself */
	struct mftd_chan *session, *journal; /* journal NULL: the real one */
	uint64_t next_part, next_ref, bytes_in, bytes_out, published;
	const struct mftd_policy *policy; /* NULL: none */
	const int *folder_fds;
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
	struct mftd_msg_part told; /* the last PART */
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
void peer_open(struct peer *r, bool volume);
void peer_close(struct peer *r);

/* For cmocka_unit_test_setup_teardown: peer_open below the volume's top, and
 * peer_start. */
int peer_setup(void **state);
int peer_teardown(void **state);

/* The same with a policy, which the test may change as it goes. */
void peer_open_policy(struct peer *r, const struct mftd_policy *policy);

/* A server of a session that the real journal has opened: its id, its channel,
 * the account's root and parts; they stay the caller's. */
void peer_over(struct peer *r, const char *session, const char *volume_id,
    struct mftd_chan *journal, int root, int parts);

/* The same with the account's policy; fds: of its folders. */
void peer_over_policy(struct peer *r, const char *session,
    const char *volume_id, struct mftd_chan *journal, int root, int parts,
    const struct mftd_policy *policy, const int *fds);

/* From now on syncs are done in threads (before the first request). */
void peer_threads(struct peer *r);

/* Waits until a sync is done, and lets the server go on. */
void peer_hear_sync(struct peer *r);

/* The server has had INIT and answered. */
void peer_start(struct peer *r);

/* Carries out what journal was asked, and hands over its answers. */
void peer_journal(struct peer *r);

/* Answers the i-th that was held back. */
void peer_answer_held(struct peer *r, unsigned i, int err);

/* A packet under construction: peer_new, mftd_buf_put_*, peer_send. */
struct mftd_buf *peer_new(struct peer *r, uint8_t type, uint32_t *id);

/* Sends it (frees b) without waiting for the answer. */
void peer_post(struct peer *r, struct mftd_buf *b);

/* Feeds bytes to the server, all of them unless it stalls or gives up; returns
 * how many it took. */
size_t peer_feed(struct peer *r, const uint8_t *data, size_t len);

/* Takes the next answer off the output; false when there is none. */
bool peer_take(struct peer *r, struct answer *a);

/* Sends and takes the answer, which must come and be this request's. */
struct answer peer_ask(struct peer *r, struct mftd_buf *b);

/* As peer_ask, for the status code alone. */
uint32_t peer_status(struct peer *r, struct mftd_buf *b);

/* Requests. */
struct mftd_buf *req_path(struct peer *r, uint8_t type, const char *path);
struct mftd_buf *req_handle(struct peer *r, uint8_t type, uint64_t h);
struct mftd_buf *req_open(
    struct peer *r, const char *path, uint32_t flags, int mode);
struct mftd_buf *req_read(
    struct peer *r, uint64_t h, uint64_t off, uint32_t len);
struct mftd_buf *req_write(
    struct peer *r, uint64_t h, uint64_t off, const void *data, size_t len);
struct mftd_buf *req_rename(
    struct peer *r, const char *from, const char *to, bool posix);
struct mftd_buf *req_setsize(struct peer *r, uint64_t h, uint64_t size);

/* Opens; 0 stands for a refused one (no handle's bytes are all zero), its
 * status is then in *status unless that is NULL. */
uint64_t do_open(
    struct peer *r, const char *path, uint32_t flags, uint32_t *status);
uint64_t do_opendir(struct peer *r, const char *path);
uint32_t do_write(struct peer *r, uint64_t h, uint64_t off, const char *text);
uint32_t do_close(struct peer *r, uint64_t h);

/* The size that STAT, LSTAT or FSTAT tells, or -(status). */
int64_t do_stat(struct peer *r, uint8_t type, const char *path, uint64_t h);

/* Reads up to 64 KiB at off into text as a C string; the status otherwise
 * (EOF: 1), 0 when read. */
uint32_t do_read(struct peer *r, uint64_t h, uint64_t off, uint32_t len,
    char *text, size_t size);

/* The published file, from the side: its content must be text. */
void file_make(struct peer *r, const char *path, const char *text);
void file_is(struct peer *r, const char *path, const char *text);
bool file_exists(struct peer *r, const char *path);

/* How many files lie under parts. */
unsigned count_parts(struct peer *r);

#endif
