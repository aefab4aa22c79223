/* Part of mftd; see LICENSE. */
/*
 * What an agent remembers of its resource from one call to the next: a line in
 * a file of the directory that resource agents have for that, HA_RSCTMP or
 * /run/resource-agents, which is root's and empty after a boot.
 */
#ifndef MFTD_OCF_MEMORY_H
#define MFTD_OCF_MEMORY_H

#include "ocf.h"

enum {
	MFTD_OCF_MEMORY_MAX = 256, /* bytes of a line and its NUL */
	MFTD_OCF_MEMORY_PATH_MAX = 512, /* bytes of its file's name and NUL */
};

/*
 * The file for `kind`, a word of the agent's own; of an instance's name what is
 * not a letter, a digit or one of "_.-" becomes '_'. Returns path.
 */
const char *mftd_ocf_memory_path(const struct mftd_ocf *ocf, const char *kind,
    char path[static MFTD_OCF_MEMORY_PATH_MAX]);

/*
 * Reads the line. Returns 0; -ENOENT if there is none; -EPERM if the file is
 * not a plain one of this process's user; or another -errno. text is "" then.
 */
int mftd_ocf_memory_read(const struct mftd_ocf *ocf, const char *kind,
    char text[static MFTD_OCF_MEMORY_MAX]);

/*
 * Writes it, in place: who has written once does not need room for it again
 * when the file system is full. Returns 0 or -errno.
 */
int mftd_ocf_memory_write(
    const struct mftd_ocf *ocf, const char *kind, const char *text);

/* Returns 0, also if there was none, or -errno. */
int mftd_ocf_memory_forget(const struct mftd_ocf *ocf, const char *kind);

#endif
