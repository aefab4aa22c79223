/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_REMOTE_WIRE_H
#define MFTD_OUTBOUND_REMOTE_WIRE_H

#include "mftd/base/buf.h"
#include "mftd/outbound/remote.h"

/* How requests become packets and answers are taken; remote.c does that, and
 * requests.c says what is asked. */

/* draft-ietf-secsh-filexfer-02, sections 3 and 7 */
#define FXP_INIT 1
#define FXP_VERSION 2
#define FXP_OPEN 3
#define FXP_CLOSE 4
#define FXP_READ 5
#define FXP_WRITE 6
#define FXP_LSTAT 7
#define FXP_FSTAT 8
#define FXP_SETSTAT 9
#define FXP_FSETSTAT 10
#define FXP_OPENDIR 11
#define FXP_READDIR 12
#define FXP_REMOVE 13
#define FXP_REALPATH 16
#define FXP_RENAME 18
#define FXP_STATUS 101
#define FXP_HANDLE 102
#define FXP_DATA 103
#define FXP_NAME 104
#define FXP_ATTRS 105
#define FXP_EXTENDED 200
#define FXP_EXTENDED_REPLY 201
#define SFTP_VERSION 3
#define OPEN_READ 0x01
#define OPEN_WRITE 0x02
#define OPEN_CREAT 0x08
#define OPEN_TRUNC 0x10
#define OPEN_EXCL 0x20
#define ATTR_SIZE 0x01
#define ATTR_UIDGID 0x02
#define ATTR_PERMISSIONS 0x04
#define ATTR_TIMES 0x08
#define ATTR_EXTENDED 0x80000000u
#define STATUS_OK 0
#define STATUS_EOF 1
#define STATUS_NO_SUCH_FILE 2
#define STATUS_PERMISSION_DENIED 3
#define STATUS_OP_UNSUPPORTED 8

#define CHUNK_BYTES 32768 /* every server takes that much (section 3) */
#define CHUNK_MOST 261120 /* OpenSSH's bound, where limits@ allows it */
#define FLIGHT_BYTES (4 << 20) /* written and not yet answered */
#define FLIGHT_REQUESTS 256
#define REQUEST_BYTES (3 * MFTD_PATH_BYTES)
#define OUT_BYTES (2 * CHUNK_BYTES) /* kept to be sent together */

/* A request on its way. */
struct flying {
	uint32_t id;
	uint8_t want; /* type of its answer; 0: this place is free */
	void *out; /* what that fills; NULL for a STATUS */
	size_t bytes; /* of a WRITE */
	struct mftd_remote_answer *answer;
};

struct mftd_remote {
	struct mftd_ssh_client *c;
	struct mftd_buf *packet; /* the one that is being made */
	struct mftd_buf *out;
	struct mftd_buf *in;
	uint32_t id;
	struct flying flying[FLIGHT_REQUESTS]; /* by id */
	size_t n_flying, flying_bytes;
	uint64_t answers; /* that came */
	int64_t heard_ms; /* the last of them, or VERSION */
	size_t chunk, read_chunk;
	bool has_sync, has_limits, has_posix_rename, has_check_file;
	char why[MFTD_REASON_BYTES];
	char offers[1024]; /* names of its extensions, a space before each */
};

/* Starts a request in m->packet: its type and a new id; _path: and a name;
 * _file: and a handle.  Further fields are put behind it. */
int mftd_remote_begin(struct mftd_remote *m, uint8_t type);
int mftd_remote_begin_path(
    struct mftd_remote *m, uint8_t type, const char *path);
int mftd_remote_begin_file(
    struct mftd_remote *m, uint8_t type, const struct mftd_remote_file *f);

/* Takes ATTRS out of m->in. */
int mftd_remote_take_attrs(struct mftd_remote *m, struct mftd_remote_attrs *a);

/* Takes a NAME out of m->in. */
int mftd_remote_take_names(
    struct mftd_remote *m, struct mftd_remote_names *names);

/* The server does not speak the protocol: notes what is wrong. */
int mftd_remote_broken(struct mftd_remote *m, const char *what);

/* Sends what was started; want and out as in struct flying.  _with: and bytes
 * behind it. */
int mftd_remote_submit(struct mftd_remote *m, uint8_t want, void *out,
    struct mftd_remote_answer *answer);
int mftd_remote_submit_with(struct mftd_remote *m, uint8_t want, void *out,
    struct mftd_remote_answer *answer, const void *more, size_t more_len);

#endif
