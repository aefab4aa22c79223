/* Part of mftd; see LICENSE. */
#include "mftd/catalog/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"

void
mftd_sqlite_give_away(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (geteuid() != 0 || slash == NULL)
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path + 1), path);
	/* a failure shows when the daemon opens it */
	if (stat(dir, &st) == 0 && chown(path, st.st_uid, st.st_gid) < 0)
		log_warn("%s: %s", path, mftd_strerror(errno));
}

void
mftd_sqlite_close_to_others(const char *path)
{
	static const char *const beside[] = { "", "-wal", "-shm" };
	char name[PATH_MAX];
	struct stat st;
	size_t i;
	int fd;

	/* only a new one is opened: close(2) of another would release locks
	 * that this process has through SQLite */
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	mftd_fd_close(&fd); /* what is wrong is said when SQLite opens it */
	for (i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", path, beside[i]);
		if (stat(name, &st) == 0 && (st.st_mode & 077) != 0 &&
		    chmod(name, 0600) < 0)
			log_warn("%s: %s", name, mftd_strerror(errno));
	}
}
