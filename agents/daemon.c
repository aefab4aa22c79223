/* Part of mftd; see LICENSE. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ocf/command.h"
#include "ocf/log.h"

#define TICK_MS 20 /* between bind and listen nothing wakes a watcher */
#define DEADLINE_PERCENT 60
#define NO_QUEUE 3 /* exit status of mftd -t */

/* The last line of a command's output: where programs say what is wrong. */
static const char *
last_line(char *text)
{
	char *nl;
	size_t len = strlen(text);

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = '\0';
	nl = strrchr(text, '\n');
	return nl != NULL ? nl + 1 : text;
}

/* mftd -t, with the queue if the agent has one: its exit status or -errno, and
 * what it said last. */
static int
test_configuration(const struct mftd_ocf *ocf, char *out, size_t size)
{
	const char *queue = mftd_ocf_param(ocf, "queue");
	char *argv[] = { (char *)mftd_ocf_param(ocf, "binfile"), "-t", "-f",
		(char *)mftd_ocf_param(ocf, "config"),
		queue != NULL ? "-q" : NULL, (char *)queue, NULL };

	return mftd_ocf_command(argv, mftd_ocf_left_ms(ocf, 80), out, size);
}

int
mftd_daemon_queue(const struct mftd_ocf *ocf)
{
	char out[4096];

	if (test_configuration(ocf, out, sizeof(out)) != NO_QUEUE)
		return MFTD_OCF_SUCCESS;
	mftd_ocf_reason(ocf, "%s", last_line(out));
	return MFTD_OCF_ERR_ARGS;
}

int
mftd_daemon_validate(const struct mftd_ocf *ocf, bool test)
{
	const char *binfile = mftd_ocf_param(ocf, "binfile");
	const char *config = mftd_ocf_param(ocf, "config");
	char out[4096];
	int r;

	if (!mftd_ocf_have_binary(binfile)) {
		mftd_ocf_reason(ocf, "%s is missing", binfile);
		return MFTD_OCF_ERR_INSTALLED;
	}
	if (access(config, R_OK) == -1) {
		mftd_ocf_reason(ocf, "%s: %s", config, strerror(errno));
		return MFTD_OCF_ERR_ARGS;
	}
	if (!test)
		return MFTD_OCF_SUCCESS;
	r = test_configuration(ocf, out, sizeof(out));
	if (r == 0)
		return MFTD_OCF_SUCCESS;
	if (r < 0) {
		mftd_ocf_reason(ocf, "%s -t: %s", binfile, strerror(-r));
		return MFTD_OCF_ERR_GENERIC;
	}
	mftd_ocf_reason(ocf, "%s refused: %s", config, last_line(out));
	return MFTD_OCF_ERR_ARGS;
}

/* Only errors of the exec itself come back, as exit status 127. */
static _Noreturn void
run_daemon(const char *binfile, const char *config, int log)
{
	char *argv[] = { (char *)binfile, "-f", (char *)config, NULL };
	char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		NULL };
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	/* the executor kills the agent's process group, not this session */
	if (setsid() == -1 || null == -1 || chdir("/") == -1 ||
	    dup2(null, 0) == -1 || dup2(log, 1) == -1 || dup2(log, 2) == -1)
		_exit(127);
	close_range(3, ~0U, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	execve(binfile, argv, env);
	dprintf(2, "%s: %s\n", binfile, strerror(errno));
	_exit(127);
}

static int
open_log(const struct mftd_ocf *ocf)
{
	const char *path = mftd_ocf_param(ocf, "logfile");
	char dir[4096];
	char *slash;
	int fd;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash != NULL && slash != dir) {
		*slash = '\0';
		if (mkdir(dir, 0750) == -1 && errno != EEXIST)
			mftd_ocf_log(ocf, MFTD_OCF_LOG_WARN, "mkdir %s: %s",
			    dir, strerror(errno));
	}
	fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd != -1)
		return fd;
	/* no log is no reason not to serve */
	mftd_ocf_log(
	    ocf, MFTD_OCF_LOG_WARN, "open %s: %s", path, strerror(errno));
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

/*
 * Until the socket takes connections: 0; the child ended: -ECHILD; else
 * -ETIMEDOUT or -errno.
 */
static int
wait_ready(
    const struct mftd_ocf *ocf, const struct mftd_service *svc, int pidfd)
{
	int ino = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p[2] = { { pidfd, POLLIN, 0 }, { ino, POLLIN, 0 } };
	char events[4096];
	int64_t left;
	int fd, r;

	for (;;) {
		left = mftd_ocf_left_ms(ocf, DEADLINE_PERCENT);
		/* again and again: the daemon may make the directory */
		inotify_add_watch(ino, svc->rundir, IN_CREATE | IN_MOVED_TO);
		fd = mftd_service_connect(svc, left);
		if (fd >= 0)
			close(fd);
		r = fd >= 0 ? 0 : fd;
		if (r != -ENOENT)
			break;
		poll(p, 2, left < TICK_MS ? (int)left : TICK_MS);
		if (p[0].revents != 0) {
			r = -ECHILD;
			break;
		}
		while (read(ino, events, sizeof(events)) > 0)
			;
	}
	if (ino != -1)
		close(ino);
	return r;
}

static int
explain(const struct mftd_ocf *ocf, int r)
{
	int code;

	if (r != -ECHILD) {
		mftd_ocf_reason(ocf, "the daemon does not answer%s%s",
		    r == -ETIMEDOUT ? " in time" : ": ",
		    r == -ETIMEDOUT ? "" : strerror(-r));
		return MFTD_OCF_ERR_GENERIC;
	}
	/* with a configuration that is refused no other try would help */
	code = mftd_daemon_validate(ocf, true);
	if (code != MFTD_OCF_SUCCESS)
		return code;
	mftd_ocf_reason(ocf, "the daemon ended at once, see %s",
	    mftd_ocf_param(ocf, "logfile"));
	return MFTD_OCF_ERR_GENERIC;
}

/* With the turn taken: somebody else's daemon may be there by now. */
static int
start_alone(const struct mftd_ocf *ocf, const struct mftd_service *svc)
{
	int log = -1, pidfd = -1, r;
	pid_t pid;

	r = mftd_service_connect(svc, mftd_ocf_left_ms(ocf, DEADLINE_PERCENT));
	if (r >= 0) {
		close(r);
		return 0;
	}
	if (r != -ENOENT)
		return r;
	if ((log = open_log(ocf)) == -1 || (pid = fork()) == -1)
		goto fail;
	if (pid == 0)
		run_daemon(mftd_ocf_param(ocf, "binfile"),
		    mftd_ocf_param(ocf, "config"), log);
	mftd_ocf_log(
	    ocf, MFTD_OCF_LOG_INFO, "started the daemon, pid %d", (int)pid);
	if ((pidfd = pidfd_open(pid, 0)) == -1)
		goto fail;
	r = wait_ready(ocf, svc, pidfd);
	goto out;
fail:
	r = -errno;
out:
	if (pidfd != -1)
		close(pidfd);
	if (log != -1)
		close(log);
	return r;
}

/* Beside the run directory, which the daemon makes. Root's alone: whoever may
 * open it may lock it. */
static int
open_turn(const struct mftd_ocf *ocf, const struct mftd_service *svc)
{
	char path[MFTD_SERVICE_RUNDIR_MAX + sizeof(".start")];
	size_t len = strlen(svc->rundir);
	int fd;

	while (len > 1 && svc->rundir[len - 1] == '/')
		len--;
	snprintf(path, sizeof(path), "%.*s.start", (int)len, svc->rundir);
	fd = open(
	    path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd == -1)
		mftd_ocf_reason(ocf, "%s: %s", path, strerror(errno));
	return fd;
}

int
mftd_daemon_start(const struct mftd_ocf *ocf, const struct mftd_service *svc)
{
	int code = mftd_daemon_validate(ocf, false);
	int turn, r = -ETIMEDOUT;

	if (code != MFTD_OCF_SUCCESS)
		return code;
	turn = open_turn(ocf, svc);
	if (turn == -1)
		return MFTD_OCF_ERR_GENERIC;
	while (mftd_ocf_left_ms(ocf, DEADLINE_PERCENT) > 0) {
		if (flock(turn, LOCK_EX | LOCK_NB) == 0) {
			r = start_alone(ocf, svc);
			break;
		}
		poll(NULL, 0, TICK_MS);
	}
	close(turn);
	return r == 0 ? MFTD_OCF_SUCCESS : explain(ocf, r);
}
