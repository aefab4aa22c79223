/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_POLICY_H
#define MFTD_IPC_POLICY_H

#include <stdint.h>

#include "mftd/base/limits.h"

/* A directory elsewhere on the account's volume that shows as an entry of the
 * account's root. */
struct mftd_policy_folder {
	char name[MFTD_NAME_BYTES]; /* one component */
	char path[MFTD_FOLDER_PATH_BYTES]; /* clean, below the volume */
	uint32_t read_only;
};

/*
 * What an account may do, as configured.  auth gives it to the session and to
 * journal when it lets one in, so it is fixed for that session's life.  All
 * zero: everything is allowed, without bounds.
 */
struct mftd_policy {
	uint32_t read_only; /* nothing is written, made, named or removed */
	uint32_t symlinks; /* SYMLINK may make links that stay beneath */
	uint32_t umask; /* bits that new files and directories lose; auth
			 * fills in 022 where none is configured */
	uint32_t has_gid; /* new files and directories get this group */
	uint32_t gid;
	uint32_t sessions_max; /* of the account, on all nodes; 0: no bound */
	uint64_t quota_bytes, quota_files; /* 0: no bound */
	uint64_t in_bytes_s, out_bytes_s; /* of a session; 0: no bound */
	uint32_t n_folders;
	struct mftd_policy_folder folders[MFTD_FOLDERS_MAX];
};

#endif
