/* Part of mftd; see LICENSE. */
#include "mftd/ssh/hostkeys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/buf.h"
#include "mftd/ssh/internal.h"
#include "mftd/ssh/packet.h"

#define SSH_MSG_GLOBAL_REQUEST 80
#define SSH_MSG_REQUEST_SUCCESS 81
#define ANNOUNCE "hostkeys-00@openssh.com"
#define PROVE "hostkeys-prove-00@openssh.com"
#define PACKET_BYTES 32768 /* keys and signatures of all, with room */

/* libssh's own; numbers of its enum ssh_digest_e. */
typedef struct ssh_signature_struct *signature;
signature pki_do_sign(const ssh_key key, const uint8_t *input, size_t len,
    int digest) __attribute__((weak));
int ssh_pki_export_signature_blob(signature sig, ssh_string *blob)
    __attribute__((weak));
void ssh_signature_free(signature sig) __attribute__((weak));

static const struct {
	enum ssh_keytypes_e type;
	int digest;
} digests[] = {
	{ SSH_KEYTYPE_ED25519, 0 }, /* none */
	{ SSH_KEYTYPE_ECDSA_P256, 2 }, /* SHA-256 */
	{ SSH_KEYTYPE_ECDSA_P384, 3 }, { SSH_KEYTYPE_ECDSA_P521, 4 },
	{ SSH_KEYTYPE_RSA, 4 }, /* unless another one was negotiated */
};

int
mftd_hostkeys_add(struct mftd_hostkeys *k, ssh_key key)
{
	struct mftd_hostkey *h = &k->list[k->n];

	if (k->n == sizeof(k->list) / sizeof(k->list[0]))
		return -ENOSPC;
	h->key = ssh_key_dup(key);
	h->blob = mftd_ssh_key_blob(key, &h->len);
	if (h->key == NULL || h->blob == NULL) {
		ssh_key_free(h->key);
		free(h->blob);
		return -ENOMEM;
	}
	k->n++;
	return 0;
}

void
mftd_hostkeys_free(struct mftd_hostkeys *k)
{
	while (k->n > 0) {
		k->n--;
		ssh_key_free(k->list[k->n].key);
		free(k->list[k->n].blob);
	}
}

int
mftd_hostkeys_announce(const struct mftd_hostkeys *k, ssh_session session)
{
	struct mftd_buf *b = mftd_buf_new(PACKET_BYTES);
	size_t i;
	int r = b != NULL ? 0 : -ENOMEM;

	if (r == 0)
		r = mftd_buf_put_u8(b, SSH_MSG_GLOBAL_REQUEST);
	if (r == 0)
		r = mftd_buf_put_cstring(b, ANNOUNCE);
	if (r == 0)
		r = mftd_buf_put_u8(b, 0); /* no answer */
	for (i = 0; r == 0 && i < k->n; i++)
		r = mftd_buf_put_string(b, k->list[i].blob, k->list[i].len);
	if (r == 0)
		r = mftd_sshpkt_send(
		    session, mftd_buf_data(b), mftd_buf_len(b));
	mftd_buf_free(b);
	return r;
}

static const struct mftd_hostkey *
find(const struct mftd_hostkeys *k, const uint8_t *blob, size_t len)
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (k->list[i].len == len &&
		    memcmp(k->list[i].blob, blob, len) == 0)
			return &k->list[i];
	return NULL;
}

/* A client takes an RSA key's proof only with the digest of its key exchange,
 * where that was with an RSA key (OpenSSH PROTOCOL, section 2.5).  -1: none. */
static int
digest_of(ssh_key key)
{
	enum ssh_keytypes_e type = ssh_key_type(key);
	size_t i;

	if (type == SSH_KEYTYPE_RSA && mftd_sshpkt_rsa_digest() != 0)
		return mftd_sshpkt_rsa_digest();
	for (i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (digests[i].type == type)
			return digests[i].digest;
	return -1;
}

static int
put_signature(
    struct mftd_buf *out, const struct mftd_hostkey *h, struct mftd_buf *data)
{
	ssh_string blob = NULL;
	signature sig = NULL;
	int r = -EIO, digest = digest_of(h->key);

	if (digest >= 0 && pki_do_sign != NULL)
		sig = pki_do_sign(
		    h->key, mftd_buf_data(data), mftd_buf_len(data), digest);
	if (sig != NULL && ssh_pki_export_signature_blob(sig, &blob) == SSH_OK)
		r = mftd_buf_put_string(
		    out, ssh_string_data(blob), ssh_string_len(blob));
	ssh_string_free(blob);
	if (sig != NULL)
		ssh_signature_free(sig);
	return r;
}

/* Signs name, session id and key, with that key. */
static int
prove_one(struct mftd_buf *out, const struct mftd_hostkey *h, const uint8_t *id,
    size_t id_len)
{
	struct mftd_buf *data = mftd_buf_new(PACKET_BYTES);
	int r = data != NULL ? mftd_buf_put_cstring(data, PROVE) : -ENOMEM;

	if (r == 0)
		r = mftd_buf_put_string(data, id, id_len);
	if (r == 0)
		r = mftd_buf_put_string(data, h->blob, h->len);
	if (r == 0)
		r = put_signature(out, h, data);
	mftd_buf_free(data);
	return r;
}

/* in: the keys that the client asks for.  1, 0 or a negative error. */
static int
prove_all(const struct mftd_hostkeys *k, ssh_session session,
    struct mftd_buf *in, struct mftd_buf *out)
{
	uint8_t id[MFTD_SSH_SESSION_ID_BYTES];
	const struct mftd_hostkey *h;
	const uint8_t *blob;
	size_t len, asked = 0;
	int r, id_len;

	id_len = mftd_sshpkt_session_id(session, k->list[0].key, id);
	if (id_len < 0)
		return id_len;
	r = mftd_buf_put_u8(out, SSH_MSG_REQUEST_SUCCESS);
	while (r == 0 && mftd_buf_len(in) > 0) {
		r = mftd_buf_get_string(in, &blob, &len);
		if (r < 0)
			break;
		h = find(k, blob, len);
		if (h == NULL || ++asked > k->n)
			return 0;
		r = prove_one(out, h, id, (size_t)id_len);
	}
	if (r == 0)
		r = mftd_sshpkt_send(
		    session, mftd_buf_data(out), mftd_buf_len(out));
	return r == 0 ? 1 : r;
}

int
mftd_hostkeys_prove(const struct mftd_hostkeys *k, ssh_session session,
    const uint8_t *packet, size_t len)
{
	struct mftd_buf *in = mftd_buf_from(packet, len);
	struct mftd_buf *out = mftd_buf_new(PACKET_BYTES);
	const uint8_t *name;
	uint8_t want_reply;
	size_t n;
	int r = 0;

	if (in == NULL || out == NULL)
		r = -ENOMEM;
	else if (k->n > 0 && mftd_buf_get_string(in, &name, &n) == 0 &&
	    n == strlen(PROVE) && memcmp(name, PROVE, n) == 0 &&
	    mftd_buf_get_u8(in, &want_reply) == 0 && want_reply != 0)
		r = prove_all(k, session, in, out);
	mftd_buf_free(in);
	mftd_buf_free(out);
	return r;
}
