/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"

/* The trees of this process that are still there, to be removed whatever ends
 * it. */
#define LEFT_MAX 8
static char left[LEFT_MAX][4096];
static pid_t owner;

static int remove_one(
    const char *path, const struct stat *st, int kind, struct FTW *ftw);

static void
clean_up(void)
{
	int i;

	if (getpid() != owner)
		return;
	for (i = 0; i < LEFT_MAX; i++)
		if (left[i][0] != '\0')
			nftw(left[i], remove_one, 16,
			    FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void
interrupted(int sig)
{
	clean_up();
	_exit(128 + sig);
}

static void
remember(const char *path)
{
	int i;

	if (owner != getpid()) {
		owner = getpid();
		memset(left, 0, sizeof(left));
		atexit(clean_up);
		signal(SIGINT, interrupted);
		signal(SIGTERM, interrupted);
		signal(SIGHUP, interrupted);
	}
	for (i = 0; i < LEFT_MAX; i++)
		if (left[i][0] == '\0') {
			snprintf(left[i], sizeof(left[i]), "%s", path);
			return;
		}
}

void
tree_make(struct tree *t)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(t->path, sizeof(t->path), "%s/mftd-test-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(t->path));
	remember(t->path);
	t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(t->fd >= 0);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void
tree_remove(struct tree *t)
{
	int i;

	mftd_fd_close(&t->fd);
	for (i = 0; i < LEFT_MAX; i++)
		if (strcmp(left[i], t->path) == 0)
			left[i][0] = '\0';
	nftw(t->path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void
tree_write(struct tree *t, const char *path, const char *text)
{
	int fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(mftd_fd_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

bool
tree_holds(struct tree *t, const char *path, const char *text)
{
	char *data;
	size_t len;
	bool same;
	int r = mftd_file_read(t->fd, path, 1 << 20, &data, &len);

	if (r < 0)
		return text == NULL && r == -ENOENT;
	same =
	    text != NULL && len == strlen(text) && memcmp(data, text, len) == 0;
	free(data);
	return same;
}

uint64_t
tree_inode(struct tree *t, const char *path)
{
	struct stat st;

	if (fstatat(t->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return st.st_ino;
}

int
tree_count(struct tree *t, const char *path)
{
	int n = 0, fd = openat(t->fd, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n +=
		    strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

const struct mftd_signer *
tree_signer(void)
{
	static struct mftd_signer *signer;
	struct tree t;

	if (signer == NULL) {
		tree_make(&t);
		assert_int_equal(mftd_signer_open(t.fd, &signer), 0);
		tree_remove(&t);
	}
	return signer;
}
