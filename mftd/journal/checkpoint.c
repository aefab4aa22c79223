/* Part of mftd; see LICENSE. */
#include "mftd/journal/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"

#define TEXT_BYTES_MAX 32

int
mftd_checkpoint_write(int stream_dir, uint64_t seq)
{
	char text[TEXT_BYTES_MAX];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", seq);

	return mftd_file_replace(
	    stream_dir, MFTD_STREAM_CHECKPOINT, text, (size_t)n, 0640);
}

int
mftd_checkpoint_read(int stream_dir, uint64_t *seq)
{
	size_t len;
	char *text;
	int end = 0;
	int r = mftd_file_read(
	    stream_dir, MFTD_STREAM_CHECKPOINT, TEXT_BYTES_MAX, &text, &len);

	if (r < 0)
		return r == -EFBIG ? -MFTD_E_CORRUPT : r;
	/* one that is not whole would be another number */
	r = sscanf(text, "%" SCNu64 "\n%n", seq, &end) == 1 &&
		(size_t)end == len && len > 0 && text[len - 1] == '\n'
	    ? 0
	    : -MFTD_E_CORRUPT;
	free(text);
	return r;
}

int
mftd_checkpoint_open(
    int stream_dir, const char *stream, struct mftd_reader **out)
{
	uint64_t seq;
	int r = mftd_reader_open(stream_dir, stream, out);

	if (r < 0)
		return r;
	r = mftd_checkpoint_read(stream_dir, &seq);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = mftd_reader_seek(*out, seq);
	if (r == 0)
		return 0;
	log_warn("stream=%s: its checkpoint cannot be used: %s", stream,
	    mftd_strerror(r));
	mftd_reader_close(*out);
	return mftd_reader_open(stream_dir, stream, out);
}
