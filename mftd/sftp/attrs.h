/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_ATTRS_H
#define MFTD_SFTP_ATTRS_H

#include <stdint.h>
#include <sys/stat.h>

#include "mftd/base/buf.h"

/* ATTRS as a client sent them (draft-ietf-secsh-filexfer-02, section 5):
 * members count only with their SSH_FILEXFER_ATTR_* bit in flags. */
struct mftd_sftp_attrs {
	uint32_t flags;
	uint64_t size;
	uint32_t uid, gid;
	uint32_t mode;
	uint32_t atime, mtime;
};

/* Takes ATTRS off b.  -EBADMSG for a short one and for flags that version 3
 * does not have (what follows them could not be told apart). */
int mftd_sftp_attrs_get(struct mftd_buf *b, struct mftd_sftp_attrs *a);

/* Puts the ATTRS of st: size, ids, mode, times (clamped to 32 bits). */
int mftd_sftp_attrs_put(struct mftd_buf *b, const struct stat *st);

/* The modes that are set for a client's: nothing above 0777, and the owner's
 * access always stays, since publishing and delivery need it. */
mode_t mftd_sftp_file_mode(mode_t mode);

/*
 * Writes a line as of "ls -l" for READDIR: mode, links, owner twice (every file
 * is the account's), size, time in UTC, name (raw bytes).  At most size bytes
 * with the NUL; returns its length.
 */
size_t mftd_sftp_longname(const struct stat *st, const char *owner,
    const char *name, char *out, size_t size);

#endif
