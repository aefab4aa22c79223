/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_INTERNAL_H
#define MFTD_SSH_INTERNAL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include "mftd/base/limits.h"
#include "mftd/ssh/hostkeys.h"
#include "mftd/ssh/transport.h"

/* What the files of mftd/ssh/ share. */

#define WATCH_MAX 4
#define WINDOW_BYTES (8 * 1024 * 1024) /* of a channel */

struct mftd_ssh_server {
	ssh_bind bind;
	struct mftd_hostkeys keys;
};

struct mftd_ssh_chan {
	struct mftd_ssh *ssh;
	ssh_channel channel; /* NULL: this slot is free */
	struct ssh_channel_callbacks_struct calls;
	void *data; /* of ops->open; NULL before the subsystem */
	bool stalled; /* input waits in copy or in libssh */
	bool eof, closed; /* by the client */
	bool broken; /* ops->input said so */
	bool scp; /* notice is for an scp of old */
	const char *notice; /* to be said before it is closed; NULL */
	uint32_t number; /* the client's, of this channel */
	uint32_t window; /* that it may still send */
	size_t held; /* of what it sent, by libssh */
	uint8_t *copy; /* what ops->input left of a read */
	size_t copy_off, copy_len;
};

struct watched {
	int fd;
	short events;
	bool ready;
};

struct mftd_ssh {
	ssh_session session;
	ssh_event event;
	const struct mftd_ssh_ops *ops;
	const struct mftd_hostkeys *keys; /* the server's */
	void *data;
	struct ssh_server_callbacks_struct calls;
	bool in; /* logged in */
	uint32_t opening; /* the client's number of the channel to be opened */
	bool writing; /* inside ssh_channel_write: take nothing */
	int tries, max_tries;
	char partial[MFTD_NAME_BYTES]; /* user whose key was right; "" */
	struct mftd_ssh_chan chans[MFTD_SSH_CHANNELS_MAX];
	struct watched watched[WATCH_MAX];
	char why[MFTD_REASON_BYTES];
};

/* The public blob of a key, of *len bytes, to be freed; NULL without memory. */
uint8_t *mftd_ssh_key_blob(ssh_key key, size_t *len);

/* Prepares s for channel requests (channel.c). */
void mftd_ssh_chans_init(struct mftd_ssh *s);

/* A client's CHANNEL_OPEN (RFC 4254 section 5.1) behind its type: whether it
 * was refused for packets that are too small to be of use. */
bool mftd_ssh_chan_refuse(
    struct mftd_ssh *s, const uint8_t *packet, size_t len);

/* Frees the channels that the client closed before it asked for SFTP, and those
 * for which it asked something else, after saying so. */
void mftd_ssh_chans_sweep(struct mftd_ssh *s);

/* Frees what the channels hold beside libssh's own. */
void mftd_ssh_chans_free(struct mftd_ssh *s);

/* A session over fd whose options are a server's, or NULL; takes fd over when
 * it succeeds (server.c). */
ssh_session mftd_ssh_server_session(struct mftd_ssh_server *server, int fd);

#endif
