/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_REQUEST_H
#define MFTD_SFTP_REQUEST_H

#include <sys/statvfs.h>

#include "mftd/sftp/state.h"

/*
 * One function for each kind of request; the tables that lead to them are in
 * server.c and extended.c.  They return an mftd_sftp_outcome or a negative
 * error, which becomes the status.
 */

/* What a kind of request needs from the gate before its function is called. */
enum mftd_sftp_need {
	MFTD_SFTP_PATH = 1, /* a path, clean, no pending op about it */
	MFTD_SFTP_PATH2 = 2, /* a second one */
	MFTD_SFTP_HANDLE = 4, /* a handle whose part is not busy */
	MFTD_SFTP_CHANGE = 8, /* names change: not the root's own */
	MFTD_SFTP_TEXT = 16, /* the path is only looked at as text */
};

/* The gate: takes the paths or the handle off req->args.  0, STALL, or the
 * error to answer. */
int mftd_sftp_gate(
    struct mftd_sftp *s, struct mftd_sftp_req *req, unsigned needs);

/* Takes a handle's name off the request. */
int mftd_sftp_take_handle(struct mftd_sftp *s, struct mftd_sftp_req *req,
    struct mftd_sftp_handle **out);

/* What the request's handles and paths claim (wait.h); valid as long as they
 * are. */
void mftd_sftp_claim(
    const struct mftd_sftp_req *req, struct mftd_sftp_claims *c);

/* The gate's last step: STALL when something under way, or a request that came
 * before and waits, conflicts with the claims. */
int mftd_sftp_gate_wait(struct mftd_sftp *s, const struct mftd_sftp_req *req);

/* 0 when nothing is left of the request, else -EBADMSG. */
int mftd_sftp_req_end(const struct mftd_sftp_req *req);

/* open.c */
int mftd_sftp_on_open(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* A descriptor, to read, of what the account sees at path: an upload, or what
 * is published.  Only *limit bytes of it are there.  0, MFTD_SFTP_STALL or
 * -errno. */
int mftd_sftp_open_seen(
    struct mftd_sftp *s, const char *path, int *fd, uint64_t *limit);

/* io.c */
int mftd_sftp_on_read(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_write(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* close.c */
int mftd_sftp_on_close(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_fsync(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* Begins to sync the parts whose CLOSE came, together; when one is done journal
 * is asked to publish it. */
void mftd_sftp_close_flush(struct mftd_sftp *s);

/* dir.c */
int mftd_sftp_on_opendir(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_readdir(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* stat.c */
int mftd_sftp_on_stat(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_lstat(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_fstat(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_setstat(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_lsetstat(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_fsetstat(struct mftd_sftp *s, struct mftd_sftp_req *req);
/* The reply of statvfs@openssh.com (OpenSSH PROTOCOL, section 4.3).  0 or
 * -ENOMEM with nothing answered. */
int mftd_sftp_reply_statvfs(
    struct mftd_sftp *s, uint32_t id, const struct statvfs *v);
int mftd_sftp_on_statvfs(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_fstatvfs(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* name.c */
int mftd_sftp_on_remove(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_mkdir(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_rmdir(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_rename(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_posix_rename(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_realpath(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* link.c */
int mftd_sftp_on_readlink(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_symlink(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_hardlink(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* whoami.c */
int mftd_sftp_on_home(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_expand(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_users(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* checkfile.c, copydata.c */
int mftd_sftp_on_check_handle(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_check_name(struct mftd_sftp *s, struct mftd_sftp_req *req);
int mftd_sftp_on_copy_data(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* extended.c */
int mftd_sftp_on_extended(struct mftd_sftp *s, struct mftd_sftp_req *req);

/* Puts the names and versions of what it has into VERSION's payload. */
int mftd_sftp_extensions_put(struct mftd_buf *b);

#endif
