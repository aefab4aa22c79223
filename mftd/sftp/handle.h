/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_HANDLE_H
#define MFTD_SFTP_HANDLE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

struct mftd_sftp_names;
struct mftd_sftp_part;

/* On the wire: slot and generation, 4 bytes each. */
#define MFTD_SFTP_HANDLE_BYTES 8

enum mftd_sftp_kind {
	MFTD_SFTP_FILE, /* a published file, or a part read only */
	MFTD_SFTP_PART, /* an upload */
	MFTD_SFTP_DIR
};

struct mftd_sftp_handle {
	enum mftd_sftp_kind kind;
	uint32_t slot, generation;
	bool may_read, may_write, append;
	int fd; /* FILE, else -1 */
	uint64_t limit; /* FILE: so many bytes are there */
	struct mftd_sftp_part *part; /* PART; the holder counts it as a user */
	DIR *dir; /* DIR */
	struct mftd_sftp_names *parts; /* DIR: names of uploads into it */
	bool dir_end; /* DIR: all its entries were told, and … */
	bool parts_end; /* … the uploads too */
	char *path; /* as opened, and of what is read: as renamed since */
	uint64_t bytes_read;
};

/* The open handles of one server.  Only what this table gave out, and has not
 * taken back, is accepted from the client: a generation is never used twice. */
struct mftd_sftp_handles {
	struct mftd_sftp_handle *slots[MFTD_SFTP_HANDLES_MAX];
	uint32_t generation;
};

/* Makes a handle of that kind for path (copied).  -EMFILE when the table is
 * full, -ENOMEM. */
int mftd_sftp_handle_new(struct mftd_sftp_handles *t, enum mftd_sftp_kind kind,
    const char *path, struct mftd_sftp_handle **out);

/* Whether there is room for one more. */
bool mftd_sftp_handle_room(const struct mftd_sftp_handles *t);

/* Takes h out of the table, closes what it has open and frees it.  Its part is
 * the caller's to let go. */
void mftd_sftp_handle_free(
    struct mftd_sftp_handles *t, struct mftd_sftp_handle *h);

/* The handle that the client's bytes name, or NULL. */
struct mftd_sftp_handle *mftd_sftp_handle_find(
    const struct mftd_sftp_handles *t, const uint8_t *name, size_t len);

/* Writes h's name for the client. */
void mftd_sftp_handle_name(
    const struct mftd_sftp_handle *h, uint8_t name[MFTD_SFTP_HANDLE_BYTES]);

/* from was renamed to to: what is read at or below it has its new name. Without
 * memory it keeps the old one. */
void mftd_sftp_handles_renamed(
    struct mftd_sftp_handles *t, const char *from, const char *to);

#endif
