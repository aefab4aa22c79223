/* Part of mftd; see LICENSE. */
#ifndef MFTD_HOOK_SIGN_H
#define MFTD_HOOK_SIGN_H

#include <stddef.h>

#define MFTD_HOOK_SIGNATURE_BYTES 64

/*
 * The signature of a POST as Standard Webhooks has it (standardwebhooks.com,
 * "Signature scheme"): "v1," and the base64 of HMAC-SHA256 (RFC 2104) over
 * ID.TIMESTAMP.BODY.  A secret "whsec_BASE64" is the bytes that this stands
 * for, any other one its own bytes.  Returns 0, -EINVAL for a whsec_ that is no
 * base64, or -EIO.
 */
int mftd_hook_sign(const char *secret, const char *id, long long timestamp,
    const char *body, char out[MFTD_HOOK_SIGNATURE_BYTES]);

#endif
