/* Part of mftd; see LICENSE. */
#include "mftd/ssh/packet.h"

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

/* Packs the header of a global request, type "b", name "s", want reply "b"; and
 * what a client signs: the session id "S", and the rest "P". */
int
__wrap__ssh_buffer_pack(
    struct ssh_buffer_struct *buffer, const char *format, size_t argc, ...)
{
	va_list ap, first;
	int r;

	va_start(ap, argc);
	if (watched.bytes != NULL && strcmp(format, "bsb") == 0) {
		r = ssh_buffer_add_data(
		    buffer, watched.bytes, (uint32_t)watched.len);
		watched.bytes = NULL;
	} else {
		if (watched.id != NULL && strcmp(format, "SP") == 0) {
			va_copy(first, ap);
			take_id(va_arg(first, ssh_string));
			va_end(first);
		}
		r = ssh_buffer_pack_va(buffer, format, argc, ap);
	}
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
