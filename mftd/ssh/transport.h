/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_TRANSPORT_H
#define MFTD_SSH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The server's side of SSH (RFC 4251-4254): one connection a process, password
 * and publickey login decided by its owner, and SFTP channels.  All else that a
 * client may ask for is refused.
 */
struct mftd_ssh_server; /* host keys and algorithms */
struct mftd_ssh; /* a connection */
struct mftd_ssh_chan; /* an SFTP channel of it */

/*
 * Reads the host keys (private, OpenSSH or PEM, without passphrase).  One of
 * each type: a client's choice of the algorithm says which is used.  Returns 0;
 * else -errno or -MFTD_E_CONF with words in why.
 */
int mftd_ssh_server_new(char *const *host_keys, size_t n,
    struct mftd_ssh_server **out, char *why, size_t size);

/* Announces one more, of any type, that is not used.  As above. */
int mftd_ssh_server_announce(
    struct mftd_ssh_server *s, const char *path, char *why, size_t size);
void mftd_ssh_server_free(struct mftd_ssh_server *s);

/* The i-th key, host keys before announced ones: its type and its fingerprint
 * as ssh-keygen -l prints it.  0 or -ENOENT: there are no more, -ENOMEM. */
int mftd_ssh_server_key(
    const struct mftd_ssh_server *s, size_t i, char *text, size_t size);

/* Runs a key exchange with itself, so that children of this process find what
 * the crypto library fetches and builds only once.  Returns 0 or -EIO. */
int mftd_ssh_server_warm(struct mftd_ssh_server *s);

enum mftd_ssh_verdict {
	MFTD_SSH_REFUSED,
	MFTD_SSH_PARTIAL, /* a key: the password of that user is needed too */
	MFTD_SSH_ACCEPTED
};

struct mftd_ssh_ops {
	/* Login attempts; accepted lets the client in.  user and password are C
	 * strings as the client sent them, of any length and content.
	 * after_key: the last word on a key was MFTD_SSH_PARTIAL for user, and
	 * nothing was asked for another one since.  key is
	 * the public key blob (RFC 4253 section 6.6); proven: its signature was
	 * verified, else the client only asks whether it would do (RFC 4252
	 * section 7).  May block. */
	enum mftd_ssh_verdict (*password)(
	    void *data, const char *user, const char *password, bool after_key);
	enum mftd_ssh_verdict (*key)(void *data, const char *user,
	    const uint8_t *key, size_t len, bool proven);
	/* A client asks for an SFTP channel.  Returns what the calls below get
	 * as chan_data, or NULL: refused. */
	void *(*open)(void *data, struct mftd_ssh_chan *c);
	/* Bytes of the channel.  Returns how many it takes; the rest is offered
	 * by mftd_ssh_chan_resume only.  Negative: the channel is closed.
	 * Called from mftd_ssh_turn and mftd_ssh_chan_resume. */
	ssize_t (*input)(void *chan_data, const uint8_t *bytes, size_t len);
};

/*
 * Makes a connection of fd, which it takes over on success; ops and data
 * outlive it.  Nothing is sent yet.  NULL without memory.  The server's keys
 * are copied.
 */
struct mftd_ssh *mftd_ssh_new(struct mftd_ssh_server *server, int fd,
    const struct mftd_ssh_ops *ops, void *data);

/* Closes what is open, without a word, and frees all. */
void mftd_ssh_free(struct mftd_ssh *s);

/*
 * Key exchange and login; blocks (an alarm of the caller's bounds it).  0: the
 * client is in.  -MFTD_E_AUTH after max_tries refused attempts,
 * -MFTD_E_PROTOCOL when no common algorithm or nonsense came, -MFTD_E_CLOSED.
 */
int mftd_ssh_login(struct mftd_ssh *s, int max_tries);

/* Tells the client, which is in, of all host keys, so that it learns new ones
 * in time (OpenSSH PROTOCOL, section 2.5).  0 or a negative error. */
int mftd_ssh_announce(struct mftd_ssh *s);

/* Asks the client for a sign of life: a request that needs an answer, be it a
 * refusal.  0 or a negative error. */
int mftd_ssh_keepalive(struct mftd_ssh *s);

/* How many packets came from the client by now. */
uint64_t mftd_ssh_heard(const struct mftd_ssh *s);

/* libssh's words for the last error. */
const char *mftd_ssh_why(const struct mftd_ssh *s);

/*
 * Also wait for events (poll(2)) of fd in mftd_ssh_turn; 0 stops waiting for
 * it.  Up to 4 descriptors.  Not to be called from ops.  Returns 0, -ENOSPC or
 * -ENOMEM.
 */
int mftd_ssh_watch(struct mftd_ssh *s, int fd, short events);

/* Whether the last turn saw one of its events on fd. */
bool mftd_ssh_ready(const struct mftd_ssh *s, int fd);

/*
 * Waits up to timeout_ms (-1: no end) for the connection or a watched
 * descriptor, and handles what the connection brought.  Returns 0,
 * -MFTD_E_CLOSED when the client is gone, -MFTD_E_PROTOCOL when it broke the
 * protocol.
 */
int mftd_ssh_turn(struct mftd_ssh *s, int timeout_ms);

/* The open channels: the first, and the one after c; NULL at the end. */
struct mftd_ssh_chan *mftd_ssh_chan_next(
    struct mftd_ssh *s, const struct mftd_ssh_chan *c);
void *mftd_ssh_chan_data(const struct mftd_ssh_chan *c);

/* What the client did: nothing, ended its input, closed the channel (or
 * ops->input said to). */
enum mftd_ssh_chan_state {
	MFTD_SSH_CHAN_OPEN,
	MFTD_SSH_CHAN_EOF, /* and all of its input was taken */
	MFTD_SSH_CHAN_CLOSED
};
enum mftd_ssh_chan_state mftd_ssh_chan_state(const struct mftd_ssh_chan *c);

/* Offers again what ops->input did not take.  Returns 1 when some was taken, 0
 * when none was or none waits, negative: close the channel. */
int mftd_ssh_chan_resume(struct mftd_ssh_chan *c);

/* How many bytes may be sent now: 0 while the client's window is shut or the
 * socket is full (mftd_ssh_turn waits for it). */
size_t mftd_ssh_chan_room(const struct mftd_ssh_chan *c);

/* Sends up to the room; returns how many bytes were taken, or
 * -MFTD_E_CLOSED. */
ssize_t mftd_ssh_chan_send(
    struct mftd_ssh_chan *c, const uint8_t *bytes, size_t len);

/* Closes the channel with that exit status and frees it. */
void mftd_ssh_chan_close(struct mftd_ssh_chan *c, int status);

/* Says goodbye: sends what waits (up to deadline_ms of mftd_clock_ms) and
 * disconnects. */
void mftd_ssh_disconnect(struct mftd_ssh *s, int64_t deadline_ms);

#endif
