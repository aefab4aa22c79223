/* Part of mftd; see LICENSE. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"
#include "mftd/base/lock.h"
#include "mftd/base/log.h"
#include "mftd/catalog/secret.h"
#include "mftd/conf/conf.h"
#include "mftd/inbound/bind.h"
#include "mftd/inbound/keys.h"
#include "mftd/node/parent.h"

#define WAIT_FOR_PREDECESSOR_MS 10000
#define NO_QUEUE 3 /* exit status of -t: the agent tells it from the others */

static void
usage(FILE *f)
{
	fprintf(f,
	    "usage: mftd [-htV] [-f FILE] [-q QUEUE]\n"
	    "Serves managed file transfer on this node, in the foreground.\n"
	    "  -f FILE   the node's configuration (" SYSCONFDIR
	    "/mft/mftd.yaml)\n"
	    "  -h        print this\n"
	    "  -q QUEUE  with -t: check also that it names this queue\n"
	    "  -t        only check the configuration; silent when it is "
	    "right\n"
	    "  -V        print the version\n"
	    "See mftd(8) and mftd.yaml(5).\n");
}

/* Makes a directory that belongs to the daemon's user. */
static int
own_directory(const char *path, mode_t mode, const struct passwd *pw)
{
	int r = mftd_mkdir_all(AT_FDCWD, path, 0755);

	if (r < 0)
		return r;
	if (pw != NULL && chown(path, pw->pw_uid, pw->pw_gid) < 0)
		return -errno;
	return pw != NULL && chmod(path, mode) < 0 ? -errno : 0;
}

/* 1: some lock of the run directory is held: a worker of an earlier daemon is
 * alive.  0, or -errno. */
static int
any_lock_held(const char *run_dir)
{
	struct dirent *e;
	char path[512];
	DIR *d;
	int r = 0;

	d = opendir(run_dir);
	if (d == NULL)
		return -errno;
	while (r == 0 && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 5, ".lock") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", run_dir, e->d_name);
		r = mftd_lock_held(path);
	}
	closedir(d);
	return r;
}

/* All of a predecessor's processes must be gone before we begin: that is what
 * our first word to the group says.  One that is just ending is waited for. */
static int
take_daemon_lock(const struct mftd_conf *conf)
{
	const struct timespec pause = { 0, 50 * 1000 * 1000 };
	int64_t deadline = mftd_clock_ms() + WAIT_FOR_PREDECESSOR_MS;
	char path[512];
	int fd;

	while ((fd = any_lock_held(conf->run_dir)) == 1 &&
	    mftd_clock_ms() < deadline)
		nanosleep(&pause, NULL); /* a lock's end is no event */
	snprintf(path, sizeof(path), "%s/mftd.lock", conf->run_dir);
	fd = fd == 1 ? -EAGAIN : fd == 0 ? mftd_lock_take(path) : fd;
	if (fd == -EAGAIN)
		log_error("another mftd, or a worker of it, is alive: a lock "
			  "in %s is held",
		    conf->run_dir);
	else if (fd < 0)
		log_error("%s: %s", path, mftd_strerror(fd));
	return fd;
}

static int
drop_privileges(const struct passwd *pw)
{
	if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -errno;
	return 0;
}

/* With root's rights: directories and ports.  Then never again. */
static int
set_up(const struct mftd_conf *conf, int *listen_fds, int *lock_fd)
{
	struct passwd *pw = NULL;
	int n, r;

	if (geteuid() == 0) {
		errno = 0;
		pw = getpwnam(conf->user);
		if (pw == NULL) {
			log_error("there is no user %s (systemd-sysusers makes "
				  "it, or set user:)",
			    conf->user);
			return -ENOENT;
		}
	}
	umask(022);
	if ((r = own_directory(conf->run_dir, 0755, pw)) < 0 ||
	    (r = own_directory(conf->state_dir, 0700, pw)) < 0) {
		log_error("%s, %s: %s", conf->run_dir, conf->state_dir,
		    mftd_strerror(r));
		return r;
	}
	n = mftd_bind_all(conf, listen_fds);
	if (n < 0)
		return n;
	if (pw != NULL && (r = drop_privileges(pw)) < 0) {
		log_error("cannot become %s: %s", conf->user, mftd_strerror(r));
		return r;
	}
	*lock_fd = take_daemon_lock(conf);
	return *lock_fd < 0 ? *lock_fd : n;
}

static int
serve(const struct mftd_conf *conf)
{
	int listen_fds[MFTD_LISTEN_MAX], lock_fd = -1, n, fd;

	/* 0, 1 and 2 must be something, or a socket would become them */
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	mftd_fd_close(&fd);
	n = set_up(conf, listen_fds, &lock_fd);
	if (n < 0)
		return 1;
	return mftd_parent_run(conf, listen_fds, n, lock_fd);
}

/* NULL, or why the daemon's user cannot use the key of passwords. */
static const char *
secret_key_fault(const struct mftd_conf *conf, const struct passwd *pw)
{
	struct mftd_secret_key key;
	struct stat st;
	int r = mftd_secret_key_read(conf->secret_key, &key);

	explicit_bzero(&key, sizeof(key));
	if (r < 0)
		return mftd_secret_key_fault(r);
	/* root reads all; its group may be one of the user's */
	if (pw != NULL && stat(conf->secret_key, &st) == 0 &&
	    (st.st_mode & S_IRGRP) == 0 &&
	    (st.st_uid != pw->pw_uid || (st.st_mode & S_IRUSR) == 0))
		return "is a file that the user may not read";
	return NULL;
}

/* What the configuration names must be there: 0, or 2 after a message.  A
 * volume may be mounted later, so its absence is only mentioned. */
static int
check_ground(const struct mftd_conf *conf)
{
	const struct passwd *pw = getpwnam(conf->user);
	const char *fault = NULL;
	char why[MFTD_REASON_BYTES];
	struct stat st;
	size_t i;
	int r = 0;

	if (pw == NULL) {
		fprintf(
		    stderr, "mftd: user: there is no user %s\n", conf->user);
		r = 2;
	}
	if (mftd_keys_check(conf, why, sizeof(why)) < 0) {
		fprintf(stderr, "mftd: host keys: %s\n", why);
		r = 2;
	}
	if (conf->secret_key != NULL)
		fault = secret_key_fault(conf, pw);
	if (fault != NULL) {
		fprintf(stderr, "mftd: secret_key: %s: %s\n", conf->secret_key,
		    fault);
		r = 2;
	}
	for (i = 0; i < conf->n_volumes; i++)
		if (stat(conf->volumes[i].path, &st) < 0 ||
		    !S_ISDIR(st.st_mode))
			fprintf(stderr,
			    "mftd: volumes: %s is not there (yet?)\n",
			    conf->volumes[i].path);
	return r;
}

/* -t: 0, 2 after a message, or NO_QUEUE if there is no such queue (NULL: none
 * is asked for). */
static int
check(const struct mftd_conf *conf, const char *file, const char *queue)
{
	/* first: agents take the last line for the reason */
	if (queue == NULL && !mftd_conf_has_queue(conf, MFTD_DEFAULT_QUEUE))
		fprintf(stderr,
		    "mftd: queues: without " MFTD_DEFAULT_QUEUE
		    " there can be no hooks and no expected_by\n");
	if (queue == NULL || mftd_conf_has_queue(conf, queue))
		return check_ground(conf);
	fprintf(
	    stderr, "mftd: %s: queues: there is no queue %s\n", file, queue);
	return NO_QUEUE;
}

int
main(int argc, char **argv)
{
	const char *file = SYSCONFDIR "/mft/mftd.yaml", *queue = NULL;
	struct mftd_conf *conf = NULL;
	char why[512] = "";
	bool only_check = false;
	int c, r;

	while ((c = getopt(argc, argv, "f:hq:tV")) != -1)
		switch (c) {
		case 'f':
			file = optarg;
			break;
		case 'q':
			queue = optarg;
			break;
		case 't':
			only_check = true;
			break;
		case 'V':
			puts("mftd " MFTD_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	if (optind != argc || (queue != NULL && !only_check)) {
		usage(stderr);
		return 2;
	}
	r = mftd_conf_load(file, &conf, why, sizeof(why));
	if (r < 0) {
		fprintf(stderr, "mftd: %s%s%s\n", r == -MFTD_E_CONF ? "" : file,
		    r == -MFTD_E_CONF ? "" : ": ",
		    r == -MFTD_E_CONF ? why : mftd_strerror(r));
		return 2;
	}
	r = mftd_log_open(conf->log, conf->log_level);
	mftd_log_process("parent");
	if (r == 0)
		r = only_check ? check(conf, file, queue) : serve(conf);
	mftd_conf_free(conf);
	return r == 0 || r == 2 || r == NO_QUEUE ? r : 1;
}
