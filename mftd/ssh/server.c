/* Part of mftd; see LICENSE. */
#include "mftd/ssh/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/ssh/internal.h"

/*
 * What is offered: no SHA-1, no CBC, no ssh-dss, and no Diffie-Hellman group
 * exchange, which would read a moduli file inside the sandbox.
 */
static const struct {
	enum ssh_bind_options_e option;
	const char *value;
} algorithms[] = {
	{ SSH_BIND_OPTIONS_KEY_EXCHANGE,
	    "curve25519-sha256,curve25519-sha256@libssh.org,"
	    "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
	    "diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,"
	    "diffie-hellman-group14-sha256" },
	{ SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS,
	    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
	    "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256" },
	{ SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES,
	    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
	    "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256" },
	{ SSH_BIND_OPTIONS_CIPHERS_C_S,
	    "aes256-gcm@openssh.com,aes128-gcm@openssh.com,"
	    "chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr" },
	{ SSH_BIND_OPTIONS_CIPHERS_S_C,
	    "aes256-gcm@openssh.com,aes128-gcm@openssh.com,"
	    "chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr" },
	{ SSH_BIND_OPTIONS_HMAC_C_S,
	    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
	    "hmac-sha2-256,hmac-sha2-512" },
	{ SSH_BIND_OPTIONS_HMAC_S_C,
	    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
	    "hmac-sha2-256,hmac-sha2-512" },
};

static int
set_algorithms(ssh_bind bind)
{
	const bool no_config = false;
	const int rsa_bits = 2048;
	size_t i;

	if (ssh_bind_options_set(
		bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no_config) != SSH_OK ||
	    ssh_bind_options_set(
		bind, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_bits) != SSH_OK)
		return -1;
	for (i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (ssh_bind_options_set(bind, algorithms[i].option,
			algorithms[i].value) != SSH_OK)
			return -1;
	return 0;
}

/* libssh says only that it failed: most often the file cannot be read. */
static int
read_key(const char *path, ssh_key *key, char *why, size_t size)
{
	if (access(path, R_OK) < 0) {
		snprintf(why, size, "%s: %s", path, mftd_strerror(-errno));
		return -MFTD_E_CONF;
	}
	if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, key) !=
	    SSH_OK) {
		snprintf(why, size, "%s: not a private key without passphrase",
		    path);
		return -MFTD_E_CONF;
	}
	return 0;
}

int
mftd_ssh_server_announce(
    struct mftd_ssh_server *s, const char *path, char *why, size_t size)
{
	ssh_key key = NULL;
	int r = read_key(path, &key, why, size);

	if (r == 0) {
		r = mftd_hostkeys_add(&s->keys, key);
		if (r < 0)
			snprintf(why, size, "%s: %s", path, mftd_strerror(r));
	}
	ssh_key_free(key);
	return r;
}

int
mftd_ssh_server_key(
    const struct mftd_ssh_server *s, size_t i, char *text, size_t size)
{
	unsigned char *hash = NULL;
	char *print = NULL;
	ssh_key key;
	size_t len;

	if (i >= s->keys.n)
		return -ENOENT;
	key = s->keys.list[i].key;
	if (ssh_get_publickey_hash(
		key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
		print = ssh_get_fingerprint_hash(
		    SSH_PUBLICKEY_HASH_SHA256, hash, len);
	ssh_clean_pubkey_hash(&hash);
	if (print != NULL)
		snprintf(text, size, "%s %s",
		    ssh_key_type_to_char(ssh_key_type(key)), print);
	ssh_string_free_char(print);
	return print != NULL ? 0 : -ENOMEM;
}

/* libssh has one place for all curves of ECDSA. */
static enum ssh_keytypes_e
place(ssh_key key)
{
	enum ssh_keytypes_e type = ssh_key_type(key);

	return type == SSH_KEYTYPE_ECDSA_P384 || type == SSH_KEYTYPE_ECDSA_P521
	    ? SSH_KEYTYPE_ECDSA_P256
	    : type;
}

/* Of two keys for one place, libssh would keep the last and say nothing. */
static int
add_host_key(
    struct mftd_ssh_server *s, const char *path, char *why, size_t size)
{
	ssh_key key = NULL;
	size_t i;
	int r;

	r = mftd_ssh_server_announce(s, path, why, size);
	if (r == 0)
		r = read_key(path, &key, why, size);
	if (r < 0)
		return r;
	for (i = 0; i + 1 < s->keys.n; i++)
		if (place(s->keys.list[i].key) == place(key)) {
			ssh_key_free(key);
			snprintf(why, size,
			    "%s: a second key of its type can only be one of "
			    "next_host_keys",
			    path);
			return -MFTD_E_CONF;
		}
	/* takes the key over */
	if (ssh_bind_options_set(s->bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) !=
	    SSH_OK) {
		ssh_key_free(key);
		snprintf(why, size, "%s: %s", path, ssh_get_error(s->bind));
		return -MFTD_E_CONF;
	}
	return 0;
}

int
mftd_ssh_server_new(char *const *host_keys, size_t n,
    struct mftd_ssh_server **out, char *why, size_t size)
{
	struct mftd_ssh_server *s;
	size_t i;
	int r = -ENOMEM;

	snprintf(why, size, "no memory");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return r;
	ssh_init(); /* a static libssh may not have done it */
	ssh_set_log_level(SSH_LOG_NOLOG);
	s->bind = ssh_bind_new();
	if (s->bind == NULL)
		goto out;
	r = -MFTD_E_CONF;
	snprintf(why, size, "no host key is configured");
	if (n == 0)
		goto out;
	if (set_algorithms(s->bind) < 0) {
		snprintf(why, size, "%s", ssh_get_error(s->bind));
		goto out;
	}
	for (i = 0; i < n; i++) {
		r = add_host_key(s, host_keys[i], why, size);
		if (r < 0)
			goto out;
	}
	*out = s;
	return 0;
out:
	mftd_ssh_server_free(s);
	return r;
}

void
mftd_ssh_server_free(struct mftd_ssh_server *s)
{
	if (s == NULL)
		return;
	mftd_hostkeys_free(&s->keys);
	ssh_bind_free(s->bind);
	free(s);
}

ssh_session
mftd_ssh_server_session(struct mftd_ssh_server *server, int fd)
{
	ssh_session session = ssh_new();
	int copy;

	if (session == NULL)
		return NULL;
	/* libssh closes what it was given even when it refuses it */
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	/* "no" to SSH_OPTIONS_COMPRESSION still offers it */
	if (copy < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_COMPRESSION_C_S, "none") < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_COMPRESSION_S_C, "none") < 0) {
		mftd_fd_close(&copy);
		ssh_free(session);
		return NULL;
	}
	if (ssh_bind_accept_fd(server->bind, session, copy) != SSH_OK) {
		ssh_free(session);
		return NULL;
	}
	close(fd);
	return session;
}

/* A client for the handshake of warming; takes fd over. */
static ssh_session
warm_client(int fd)
{
	ssh_session c = ssh_new();
	const bool no_config = false;
	const socket_t sock = fd;

	if (c == NULL)
		return NULL;
	if (ssh_options_set(c, SSH_OPTIONS_HOST, "localhost") < 0 ||
	    ssh_options_set(c, SSH_OPTIONS_PROCESS_CONFIG, &no_config) < 0 ||
	    ssh_options_set(c, SSH_OPTIONS_COMPRESSION, "no") < 0 ||
	    ssh_options_set(c, SSH_OPTIONS_FD, &sock) < 0) {
		ssh_free(c);
		return NULL;
	}
	ssh_set_blocking(c, 0);
	return c;
}

/* Both sides take turns; each waits for nothing. */
static int
warm_handshake(ssh_session c, ssh_session s)
{
	int i, rc = SSH_AGAIN, rs = SSH_AGAIN;

	for (i = 0; i < 100; i++) {
		if (rc == SSH_AGAIN)
			rc = ssh_connect(c);
		if (rs == SSH_AGAIN)
			rs = ssh_handle_key_exchange(s);
		if (rc == SSH_ERROR || rs == SSH_ERROR)
			return -EIO;
		if (rc == SSH_OK && rs == SSH_OK)
			return 0;
	}
	return -EIO;
}

int
mftd_ssh_server_warm(struct mftd_ssh_server *server)
{
	ssh_session c = NULL, s = NULL;
	int fds[2], r = -EIO;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	c = warm_client(fds[0]);
	if (c != NULL)
		fds[0] = -1;
	s = mftd_ssh_server_session(server, fds[1]);
	if (s != NULL)
		fds[1] = -1;
	if (c != NULL && s != NULL) {
		ssh_set_blocking(s, 0);
		r = warm_handshake(c, s);
	}
	if (c != NULL)
		ssh_free(c);
	if (s != NULL)
		ssh_free(s);
	mftd_fd_close(&fds[0]);
	mftd_fd_close(&fds[1]);
	return r;
}
