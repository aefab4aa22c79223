/* Part of mftd; see LICENSE. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSTEM_PATH "/usr/sbin:/usr/bin:/sbin:/bin"

static _Noreturn void
child(char *const *argv, int out)
{
	const char *path = getenv("PATH");
	char all[4096];
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	if (null == -1 || dup2(null, 0) == -1 || dup2(out, 1) == -1 ||
	    dup2(out, 2) == -1)
		_exit(127);
	close_range(3, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(all, sizeof(all), "%s%s" SYSTEM_PATH, path != NULL ? path : "",
	    path != NULL ? ":" : "");
	setenv("PATH", all, 1);
	execvp(argv[0], argv);
	_exit(127);
}

/* Reads what is there. Returns false at the end of the pipe. */
static bool
drain(int fd, char *out, size_t size, size_t *used)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return n == -1 && (errno == EAGAIN || errno == EINTR);
	if ((size_t)n > size - 1 - *used)
		n = (ssize_t)(size - 1 - *used);
	memcpy(out + *used, buf, (size_t)n);
	*used += (size_t)n;
	out[*used] = '\0';
	return true;
}

/* Until the child is gone (its own children may keep the pipe). */
static int
watch(int pidfd, int fd, int64_t end_ms, char *out, size_t size)
{
	struct pollfd p[2] = { { pidfd, POLLIN, 0 }, { fd, POLLIN, 0 } };
	size_t used = 0;

	for (;;) {
		int64_t left = end_ms - mftd_ocf_now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(p, 2, (int)left) == -1 && errno != EINTR)
			return -errno;
		if (p[1].revents != 0 && !drain(fd, out, size, &used))
			p[1].fd = -1;
		if (p[0].revents != 0 && p[1].revents == 0)
			return 0;
		if (p[1].fd == -1)
			p[1].revents = 0;
	}
}

int
mftd_ocf_command(char *const *argv, int64_t timeout_ms, char *out, size_t size)
{
	int64_t end_ms = mftd_ocf_now_ms() + timeout_ms;
	int pipefd[2] = { -1, -1 }, pidfd = -1, status, r;
	pid_t pid = -1;

	out[0] = '\0';
	if (pipe2(pipefd, O_CLOEXEC) == -1 ||
	    fcntl(pipefd[0], F_SETFL, O_NONBLOCK) == -1 || (pid = fork()) == -1)
		goto fail;
	if (pid == 0)
		child(argv, pipefd[1]);
	close(pipefd[1]);
	pipefd[1] = -1;
	if ((pidfd = pidfd_open(pid, 0)) == -1)
		goto fail;
	r = watch(pidfd, pipefd[0], end_ms, out, size);
	goto out;
fail:
	r = -errno;
out:
	if (pid > 0) {
		if (r < 0)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
			;
		if (r == 0)
			r = WIFEXITED(status) ? WEXITSTATUS(status)
					      : 128 + WTERMSIG(status);
	}
	for (int i = 0; i < 2; i++)
		if (pipefd[i] != -1)
			close(pipefd[i]);
	if (pidfd != -1)
		close(pidfd);
	return r;
}
