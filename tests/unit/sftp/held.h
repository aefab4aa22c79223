/* Part of mftd; see LICENSE. */
#ifndef MFTD_TESTS_UNIT_SFTP_HELD_H
#define MFTD_TESTS_UNIT_SFTP_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/buf.h"
#include "tests/unit/sftp/peer.h"

/*
 * Syncs one by one, as a test lets them: the linker leads the calls here that
 * stand in held.c (--wrap).  Of one file, the held one, which is known by its
 * mode, each fdatasync waits to be allowed; no file is cloned.
 */
#define HELD_MODE 0640
#define HELD_PACKET (256u * 1024)

struct held {
	unsigned begun; /* syncs of the held file's data */
	unsigned failing; /* which of them fails; 0: none */
	int synced; /* its descriptor */
	bool fail_start; /* the next start of write-back fails */
	bool fail_entry; /* the next sync of a directory fails */
	unsigned entries; /* syncs of directories */
	bool deaf; /* journal's queue is full whenever a PART comes */
	bool let_at_wait; /* all is allowed once the server waits for a sync */
};

extern struct held held;

/* For cmocka_unit_test_setup_teardown: a peer whose server syncs in threads;
 * all is allowed. */
int held_setup(void **state);
int held_teardown(void **state);

/* The first n syncs may end. */
void held_allow(unsigned n);

/* Until the n-th has begun; how many have. */
void held_await(unsigned n);
unsigned held_begun(void);

/* The n-th ends, and the server hears of it, and journal what that says. */
void held_let(struct peer *p, unsigned n);

/* Opens an upload that is the held file; p->asked is counted from there. */
uint64_t held_open(struct peer *p, const char *path, uint32_t flags);

/* Writes what lies between the two, which are whole packets apart. */
void held_fill(struct peer *p, uint64_t h, uint64_t from, uint64_t to);

/* Writes so many bytes at off. */
void held_put(struct peer *p, uint64_t h, uint64_t off, size_t len);

/* fsync@openssh.com; its status. */
struct mftd_buf *held_fsync(struct peer *p, uint64_t h);
uint32_t held_do_fsync(struct peer *p, uint64_t h);

/* The next answer is there, with that status. */
void held_answered(struct peer *p, uint32_t status);

/* The session ends; p->asked is what journal hears of that. */
void held_end(struct peer *p);

#endif
