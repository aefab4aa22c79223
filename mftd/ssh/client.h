/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_CLIENT_H
#define MFTD_SSH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * An SSH connection to a partner with one channel, its "sftp" subsystem, as a
 * stream of bytes both ways (RFC 4251 to 4254, by libssh).  Calls block, each
 * with a deadline.  One connection a process (ssh/shim.h).  What SFTP packets
 * are is outbound/remote.h's.
 */
struct mftd_ssh_client;

/* What has been achieved, in this order. */
enum mftd_ssh_stage {
	MFTD_SSH_RESOLVED, /* "192.0.2.1:22", the first address */
	MFTD_SSH_CONNECTED, /* the address */
	MFTD_SSH_KNOWN, /* "ssh-ed25519 SHA256:…", a pinned host key */
	MFTD_SSH_LOGGED_IN, /* the key file */
	MFTD_SSH_STARTED, /* the subsystem */
	MFTD_SSH_STAGES
};

/* Whom to call and how.  Nothing is trusted on first use: the server's key
 * must be one of host_keys. */
struct mftd_ssh_target {
	const char *host; /* a name or numeric address */
	int port;
	char *const *other_hosts; /* HOST, HOST:PORT, [V6]:PORT: called in this
				     order when nothing answers at host */
	size_t n_other_hosts;
	const char *address; /* "192.0.2.1:22", "[2001:db8::1]:22": call just
				this instead of host, port and other_hosts;
				NULL */
	const char *user;
	const char *key_file; /* private key, unencrypted; or NULL */
	const char *password; /* or NULL */
	char *const *host_keys; /* "type base64 [comment]" */
	size_t n_host_keys;
	const char *source; /* our address, numeric; NULL: any */
	/* names with commas between; NULL: libssh's, of the ciphers AES-GCM
	 * first */
	const char *key_exchanges, *ciphers, *macs;
	int connect_ms; /* for TCP, and again for each step of the login */
	int request_ms; /* without any progress of a read or write */
	/* Asked at least each 200 ms of waiting and before each write: 0, or
	 * the error with which to give up.  May be NULL. */
	int (*go_on)(void *data);
	/* Told of each stage with what it came to.  May be NULL. */
	void (*told)(void *data, enum mftd_ssh_stage stage, const char *what);
	void *data;
};

/*
 * Calls, checks the host key, logs in, starts the subsystem.  A host that
 * cannot be reached, or ends the connection before the login, gives way to the
 * next one; what it says of keys and logins is final. t must outlive the
 * client.  Errors: -errno of connect, -ETIMEDOUT, -MFTD_E_PARTNER_KEY,
 * -MFTD_E_AUTH (also a key file that does not do), -MFTD_E_CLOSED,
 * -MFTD_E_PROTOCOL, or go_on's; -MFTD_E_NOT_CONFIGURED where `address` was
 * called in vain, in whatever way, and is none of the hosts' any more; what
 * happened stands in why (size bytes).
 */
int mftd_ssh_client_open(const struct mftd_ssh_target *t,
    struct mftd_ssh_client **out, char *why, size_t size);

/* A host key that a server offers. */
struct mftd_ssh_offer {
	char line[MFTD_KEY_BYTES]; /* "type base64" */
	char print[MFTD_REASON_BYTES]; /* "type SHA256:…" */
};

/* Calls, and looks at the host key that goes with a signature algorithm
 * ("ssh-ed25519", "rsa-sha2-512"); of t only the address and the times count.
 * -ENOENT: the server has none; else errors as of open. */
int mftd_ssh_scan(const struct mftd_ssh_target *t, const char *algorithm,
    struct mftd_ssh_offer *out, char *why, size_t size);

/* Ends the connection; c may be NULL. */
void mftd_ssh_client_close(struct mftd_ssh_client *c);

/* Whether the server has ended the connection, or the channel, while nothing
 * was asked of it. */
bool mftd_ssh_client_is_closed(struct mftd_ssh_client *c);

/* The peer's numeric address with its port, in the form of t->address. */
const char *mftd_ssh_client_address(const struct mftd_ssh_client *c);

/* Why the last call failed, in libssh's words or ours. */
const char *mftd_ssh_client_why(const struct mftd_ssh_client *c);

/* Writes all len bytes to the channel, waiting for its window.  0, or
 * -ETIMEDOUT, -MFTD_E_CLOSED, or go_on's error; then the stream is lost. */
int mftd_ssh_client_write(
    struct mftd_ssh_client *c, const void *data, size_t len);

/* Reads exactly len bytes.  As above. */
int mftd_ssh_client_read(struct mftd_ssh_client *c, void *data, size_t len);

#endif
