/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_STATE_H
#define MFTD_SFTP_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/journal/folders.h"
#include "mftd/sftp/handle.h"
#include "mftd/sftp/job.h"
#include "mftd/sftp/op.h"
#include "mftd/sftp/part.h"
#include "mftd/sftp/server.h"
#include "mftd/sftp/wait.h"

/* The request that is being handled; the gate has filled in what its rule says
 * it needs. */
struct mftd_sftp_req {
	uint8_t type;
	uint32_t id;
	struct mftd_buf *args; /* what the gate did not take */
	char path[MFTD_PATH_BYTES]; /* clean */
	char path2[MFTD_PATH_BYTES];
	struct mftd_sftp_handle *handle;
	struct mftd_sftp_handle *handle2; /* copy-data's */
	unsigned n_paths; /* of them are about what lies there */
	bool below; /* it changes names */
};

/* All of a server's state (design section 3: one struct). */
struct mftd_sftp {
	struct mftd_sftp_env env;
	struct mftd_buf *in; /* a packet that is not whole, or stalled */
	struct mftd_buf *out;
	bool started; /* INIT was answered */
	bool fatal; /* nothing more may be answered: the channel is cut */
	bool links; /* symbolic links are followed (vfs.h) */
	struct mftd_folders folders; /* of env.policy */
	struct mftd_sftp_handles handles;
	struct mftd_sftp_parts parts;
	struct mftd_sftp_ops ops; /* asked of journal */
	struct mftd_sftp_ops closing; /* to be synced, then asked */
	struct mftd_sftp_ops syncing; /* for which a sync is under way */
	struct mftd_sftp_jobs jobs; /* long ones, done in slices */
	unsigned n_jobs;
	uint8_t *slice; /* of the job whose turn it is, or NULL */
	unsigned n_ops; /* in all four */
	unsigned n_syncs; /* under way, also those of no op */
	struct mftd_sftp_wait wait; /* requests put off */
	bool changed; /* something ended that others may wait for */
	struct mftd_sftp_req req;
};

/*
 * What a request's function returns: 0, it has answered; a negative error, to
 * be answered as a status; or one of these.  STALL: nothing was done or
 * answered yet, the same packet is handled again when something has changed.
 */
enum mftd_sftp_outcome {
	MFTD_SFTP_ANSWERED = 0,
	MFTD_SFTP_LATER = 1, /* an op will answer */
	MFTD_SFTP_STALL = 2,
};

#endif
