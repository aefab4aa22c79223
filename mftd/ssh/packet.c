/* Part of mftd; see LICENSE. */
#include "mftd/ssh/packet.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Names and forms of libssh's own, which its headers do not declare; the linker
 * finds them in libssh.a only. */
struct ssh_buffer_struct;
int __real_ssh_packet_global_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user) __attribute__((weak));
int __wrap_ssh_packet_global_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user);
int __real_ssh_packet_channel_open(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user) __attribute__((weak));
int __wrap_ssh_packet_channel_open(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user);
ssh_string __real_ssh_srv_pki_do_sign_sessionid(
    ssh_session session, const ssh_key key, int digest) __attribute__((weak));
ssh_string __wrap_ssh_srv_pki_do_sign_sessionid(
    ssh_session session, const ssh_key key, int digest);
int __wrap__ssh_buffer_pack(
    struct ssh_buffer_struct *buffer, const char *format, size_t argc, ...);
int ssh_buffer_pack_va(struct ssh_buffer_struct *buffer, const char *format,
    size_t argc, va_list ap) __attribute__((weak));
int ssh_global_request(ssh_session session, const char *request,
    struct ssh_buffer_struct *buffer, int reply) __attribute__((weak));
ssh_string ssh_pki_do_sign(ssh_session session,
    struct ssh_buffer_struct *sigbuf, const ssh_key key, int digest)
    __attribute__((weak));

#define SSH_MSG_IGNORE 2
#define CHANNEL_OPEN_CONFIRMATION 91
#define PACKET_USED 1 /* libssh's word for a packet that was handled */

/* The wrapped calls have no other way to find it. */
static struct {
	ssh_session session;
	const struct mftd_sshpkt_ops *ops;
	void *data;
	int rsa_digest;
	/* the packet that ssh_global_request is to send instead of its own */
	const void *bytes;
	size_t len;
	/* set while a signature is made for the sake of what is signed */
	uint8_t *id;
	int id_len;
} watched;

void
mftd_sshpkt_watch(
    ssh_session session, const struct mftd_sshpkt_ops *ops, void *data)
{
	memset(&watched, 0, sizeof(watched));
	watched.session = session;
	watched.ops = ops;
	watched.data = data;
}

int
__wrap_ssh_packet_global_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	if (session == watched.session &&
	    watched.ops->global_request(watched.data, ssh_buffer_get(packet),
		ssh_buffer_get_len(packet)))
		return PACKET_USED;
	return __real_ssh_packet_global_request(session, type, packet, user);
}

int
__wrap_ssh_packet_channel_open(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	if (session == watched.session &&
	    watched.ops->channel_open(watched.data, ssh_buffer_get(packet),
		ssh_buffer_get_len(packet)))
		return PACKET_USED;
	return __real_ssh_packet_channel_open(session, type, packet, user);
}

/* The server's signature in a key exchange. */
ssh_string
__wrap_ssh_srv_pki_do_sign_sessionid(
    ssh_session session, const ssh_key key, int digest)
{
	if (session == watched.session)
		watched.rsa_digest =
		    ssh_key_type(key) == SSH_KEYTYPE_RSA ? digest : 0;
	return __real_ssh_srv_pki_do_sign_sessionid(session, key, digest);
}

int
mftd_sshpkt_rsa_digest(void)
{
	return watched.rsa_digest;
}

static void
take_id(ssh_string text)
{
	size_t n = ssh_string_len(text);

	if (n > MFTD_SSH_SESSION_ID_BYTES)
		return;
	memcpy(watched.id, ssh_string_data(text), n);
	watched.id_len = (int)n;
}

/* Bytes in the place of what was to be packed. */
static int
pack_bytes(struct ssh_buffer_struct *buffer, const void *bytes, size_t len)
{
	return ssh_buffer_add_data(buffer, bytes, (uint32_t)len);
}

static void
put_u32(uint8_t *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof(v));
}

/* A channel's confirmation, with our window.  Its arguments are the type, the
 * two channels, the window and the maximum packet (RFC 4254 section 5.1). */
static int
pack_confirmation(struct ssh_buffer_struct *buffer, va_list ap)
{
	uint8_t out[17];
	int i;

	out[0] = (uint8_t)va_arg(ap, unsigned int);
	for (i = 0; i < 4; i++)
		put_u32(out + 1 + 4 * i, va_arg(ap, uint32_t));
	if (out[0] == CHANNEL_OPEN_CONFIRMATION)
		put_u32(out + 9, watched.ops->window);
	return pack_bytes(buffer, out, sizeof(out));
}

/* The server's packets that are not to be as libssh would have them; by the
 * form of their arguments.  -1: they may. */
static int
pack_ours(struct ssh_buffer_struct *buffer, const char *format, va_list ap)
{
	static const uint8_t ignore[] = { SSH_MSG_IGNORE, 0, 0, 0, 0 };

	if (strcmp(format, "bdddd") == 0)
		return pack_confirmation(buffer, ap);
	/* a window's adjustment, its only use */
	if (strcmp(format, "bdd") == 0)
		return pack_bytes(buffer, ignore, sizeof(ignore));
	return -1;
}

/* Packs the header of a global request, type "b", name "s", want reply "b"; and
 * what a client signs: the session id "S", and the rest "P". */
int
__wrap__ssh_buffer_pack(
    struct ssh_buffer_struct *buffer, const char *format, size_t argc, ...)
{
	va_list ap, first;
	int r = -1;

	va_start(ap, argc);
	va_copy(first, ap);
	if (watched.bytes != NULL && strcmp(format, "bsb") == 0) {
		r = pack_bytes(buffer, watched.bytes, watched.len);
		watched.bytes = NULL;
		goto out;
	}
	if (watched.id != NULL && strcmp(format, "SP") == 0)
		take_id(va_arg(first, ssh_string));
	else if (watched.session != NULL)
		r = pack_ours(buffer, format, first);
	if (r < 0)
		r = ssh_buffer_pack_va(buffer, format, argc, ap);
out:
	va_end(first);
	va_end(ap);
	return r;
}

int
mftd_sshpkt_send(ssh_session session, const void *bytes, size_t len)
{
	int r;

	if (ssh_global_request == NULL)
		return -EIO;
	watched.bytes = bytes;
	watched.len = len;
	r = ssh_global_request(session, "", NULL, 0);
	watched.bytes = NULL;
	return r == SSH_OK ? 0 : -EIO;
}

int
mftd_sshpkt_session_id(
    ssh_session session, ssh_key key, uint8_t out[MFTD_SSH_SESSION_ID_BYTES])
{
	ssh_buffer nothing = ssh_buffer_new();
	ssh_string sig = NULL;

	if (nothing == NULL || ssh_pki_do_sign == NULL)
		goto out;
	watched.id = out;
	watched.id_len = 0;
	/* SHA-512 does for RSA; the other types have a digest of their own */
	sig = ssh_pki_do_sign(session, nothing, key,
	    ssh_key_type(key) == SSH_KEYTYPE_RSA ? 4 : 0);
out:
	watched.id = NULL;
	ssh_string_free(sig);
	ssh_buffer_free(nothing);
	return watched.id_len > 0 ? watched.id_len : -EIO;
}
