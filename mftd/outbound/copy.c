/* Part of mftd; see LICENSE. */
#include "mftd/outbound/copy.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include <openssl/evp.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

#define PIECE_BYTES (1024 * 1024)

/* What is summed up is read from where it is to be: of a clone the clone, else
 * what is written, so that it is read once. */
static int
copy_pieces(int from, int to, uint64_t size, bool cloned, EVP_MD_CTX *sum,
    uint8_t *piece)
{
	uint64_t at, want;
	ssize_t n;
	int r = 0;

	for (at = 0; r == 0 && at < size; at += (uint64_t)n) {
		want = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;
		n = mftd_fd_pread_full(
		    cloned ? to : from, piece, (size_t)want, (int64_t)at);
		if (n < 0)
			return (int)n;
		if ((uint64_t)n < want)
			return -MFTD_E_CORRUPT;
		if (EVP_DigestUpdate(sum, piece, (size_t)n) != 1)
			return -EIO;
		if (!cloned)
			r = mftd_fd_pwrite_full(
			    to, piece, (size_t)n, (int64_t)at);
		if (r == 0 && !cloned)
			r = mftd_sync_start(to, (int64_t)at, (int64_t)n);
	}
	return r;
}

int
mftd_copy(int from, int to, uint64_t size, uint8_t sha256[MFTD_SHA256_BYTES])
{
	bool cloned = size > 0 && ioctl(to, FICLONE, from) == 0;
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	uint8_t *piece = malloc(PIECE_BYTES);
	int r = -ENOMEM;

	if (sum == NULL || piece == NULL)
		goto out;
	r = EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
	if (r == 0)
		r = copy_pieces(from, to, size, cloned, sum, piece);
	if (r == 0 && EVP_DigestFinal_ex(sum, sha256, NULL) != 1)
		r = -EIO;
out:
	EVP_MD_CTX_free(sum);
	free(piece);
	return r;
}
