/* Part of mftd; see LICENSE. */
#include "mftd/journal/seqfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

#define TEXT_BYTES_MAX 32

int
mftd_seqfile_write(int stream_dir, const char *name, uint64_t seq)
{
	char text[TEXT_BYTES_MAX];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", seq);

	return mftd_file_replace(stream_dir, name, text, (size_t)n, 0640);
}

int
mftd_seqfile_read(int stream_dir, const char *name, uint64_t *seq)
{
	size_t len;
	char *text;
	int end = 0;
	int r = mftd_file_read(stream_dir, name, TEXT_BYTES_MAX, &text, &len);

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
