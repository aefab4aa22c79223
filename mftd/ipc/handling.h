/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_HANDLING_H
#define MFTD_IPC_HANDLING_H

#include <stdint.h>

#include "mftd/base/limits.h"

/* What is done where the final name exists at the partner. */
enum mftd_if_exists {
	MFTD_IF_EXISTS_FAIL,
	MFTD_IF_EXISTS_NUMBER, /* another name: name-1.txt, name-2.txt, … */
	MFTD_IF_EXISTS_OVERWRITE, /* by posix-rename@openssh.com */
	MFTD_IF_EXISTS_SKIP, /* the same file: nothing; else as FAIL */
	MFTD_IF_EXISTS_COUNT
};

/*
 * How a file is handled at its partner, as the delivery's route said when the
 * delivery was made.  All zero: as if the route said nothing.
 */
struct mftd_handling {
	uint32_t if_exists; /* enum mftd_if_exists */
	uint32_t resume; /* what a cut try left is gone on with */
	uint32_t preserve; /* the source's mtime; else one of the delivery's own
			    */
	uint32_t mode; /* permissions; 0: what the server gives */
	char temp_suffix[MFTD_TEMP_SUFFIX_BYTES]; /* behind the final name */
	char temp_directory[MFTD_TEMP_DIRECTORY_BYTES];
	char trigger[MFTD_TRIGGER_BYTES]; /* template of its name; "": none */
	char trigger_line[MFTD_TRIGGER_BYTES]; /* the one in it, if any */
};

/* How it was found that the partner has all of the file. */
enum mftd_verification {
	MFTD_VERIFIED_NOT, /* not yet */
	MFTD_VERIFIED_SIZE,
	MFTD_VERIFIED_HASH, /* SHA-256 by the server */
	MFTD_VERIFIED_READ, /* SHA-256 of what was read back */
	MFTD_VERIFIED_COUNT
};

/* What a delivery's row keeps of its way to the partner. */
struct mftd_progress {
	uint32_t temp_try; /* whose temporary name it has; 0: none yet */
	uint32_t number; /* in the final name; 0: it is as the route calls it */
	uint32_t verified; /* enum mftd_verification */
	uint32_t skipped; /* the partner had it: no rename was asked for */
	uint32_t may_be_there; /* a try has perhaps published it, before a
				  person had it sent again */
	uint32_t unused;
};

#endif
