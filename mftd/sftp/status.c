/* Part of mftd; see LICENSE. */
#include "mftd/sftp/status.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "mftd/base/err.h"
#include "mftd/sftp/proto.h"

static const struct {
	int err;
	uint32_t code;
	const char *text;
} rows[] = {
	{ 0, SSH_FX_OK, "Success" },
	{ ENOENT, SSH_FX_NO_SUCH_FILE, "No such file" },
	{ ENOTDIR, SSH_FX_NO_SUCH_FILE, "Not a directory" },
	{ EACCES, SSH_FX_PERMISSION_DENIED, "Permission denied" },
	{ EPERM, SSH_FX_PERMISSION_DENIED, "Permission denied" },
	{ EROFS, SSH_FX_PERMISSION_DENIED, "Read-only file system" },
	{ EXDEV, SSH_FX_PERMISSION_DENIED, "Leads out of your directory" },
	{ ELOOP, SSH_FX_PERMISSION_DENIED, "Symbolic link not followed" },
	{ EBADMSG, SSH_FX_BAD_MESSAGE, "Bad message" },
	{ EOPNOTSUPP, SSH_FX_OP_UNSUPPORTED, "Operation unsupported" },
	{ EBADF, SSH_FX_FAILURE, "Invalid handle" },
	{ EDQUOT, SSH_FX_FAILURE, "Quota exceeded" },
	{ EMFILE, SSH_FX_FAILURE, "Too many open handles" },
	{ ENOBUFS, SSH_FX_FAILURE, "Too many requests wait" },
	{ EEXIST, SSH_FX_FAILURE, "File exists" },
	{ MFTD_E_NO_LEASE, SSH_FX_FAILURE, "No quorum: try again" },
	{ MFTD_E_INCOMPLETE, SSH_FX_FAILURE, "Upload incomplete" },
	{ MFTD_E_HELD, SSH_FX_FAILURE, "Another session is writing it" },
	{ MFTD_E_GAP, SSH_FX_FAILURE,
	    "The upload was cut before these bytes: resume at its size" },
	{ MFTD_E_UPWARD, SSH_FX_PERMISSION_DENIED,
	    "A link may lead only to what is below its own directory" },
	{ MFTD_E_SUPERSEDED, SSH_FX_FAILURE, "Superseded by a newer upload" },
};

uint32_t
mftd_sftp_status_of(int err, const char **text)
{
	size_t i;

	err = abs(err);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].err != err)
			continue;
		*text = rows[i].text;
		return rows[i].code;
	}
	*text = mftd_strerror(err);
	return SSH_FX_FAILURE;
}
