/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_CERT_H
#define MFTD_INBOUND_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * OpenSSH certificates (OpenSSH PROTOCOL.certkeys).  libssh verifies that the
 * client holds the certified key, and nothing else about it.  All pointers lead
 * into the caller's blob.
 */
struct mftd_cert {
	const uint8_t *signed_part; /* what the authority signed */
	size_t signed_bytes;
	bool is_user;
	const uint8_t *principals; /* packed strings */
	size_t principals_bytes;
	uint64_t after, before; /* valid in [after, before), since the epoch */
	const uint8_t *sources; /* of source-address; NULL: none */
	size_t sources_bytes;
	bool unknown_option; /* critical, and not heeded here */
	const uint8_t *authority; /* its public key blob */
	size_t authority_bytes;
	const uint8_t *signature;
	size_t signature_bytes;
};

/* Whether the public key blob says that it is a certificate. */
bool mftd_cert_is(const uint8_t *blob, size_t len);

/* Takes it apart.  -EBADMSG for what is not wholly one, or not of a known key
 * type. */
int mftd_cert_read(struct mftd_cert *c, const uint8_t *blob, size_t len);

/* Checks the authority's signature: ed25519, ECDSA on the NIST curves, RSA with
 * SHA-256 or SHA-512.  0 or -EBADMSG. */
int mftd_cert_verify(const struct mftd_cert *c);

/* The i-th principal; false behind the last. */
bool mftd_cert_principal(
    const struct mftd_cert *c, size_t i, const uint8_t **name, size_t *len);

/* Whether its source-address forbids that address. */
bool mftd_cert_source_fault(const struct mftd_cert *c, const char *source);

#endif
