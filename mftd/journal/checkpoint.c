/* Part of mftd; see LICENSE. */
#include "mftd/journal/checkpoint.h"

#include <errno.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/journal/seqfile.h"

int
mftd_checkpoint_write(int stream_dir, uint64_t seq)
{
	return mftd_seqfile_write(stream_dir, MFTD_STREAM_CHECKPOINT, seq);
}

int
mftd_checkpoint_read(int stream_dir, uint64_t *seq)
{
	return mftd_seqfile_read(stream_dir, MFTD_STREAM_CHECKPOINT, seq);
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
