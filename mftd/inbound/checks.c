/* Part of mftd; see LICENSE. */
#include "mftd/inbound/checks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"
#include "mftd/base/log.h"
#include "mftd/base/source.h"
#include "mftd/catalog/password.h"

#define CHILD_DEADLINE_S 60

struct job {
	TAILQ_ENTRY(job) link;
	struct mftd_checks *all;
	void (*done)(void *data, bool ok); /* NULL: cancelled */
	void *data;
	pid_t pid; /* 0: waits */
	int fd; /* the child's answer */
	char source[MFTD_ADDR_BYTES];
	char password[MFTD_SECRET_BYTES];
	char hash[MFTD_PASSWORD_HASH_BYTES];
};

struct mftd_checks {
	qb_loop_t *loop;
	TAILQ_HEAD(, job) jobs;
	int running, waiting;
};

struct mftd_checks *
mftd_checks_new(qb_loop_t *loop)
{
	struct mftd_checks *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->loop = loop;
	TAILQ_INIT(&c->jobs);
	return c;
}

static void
job_free(struct job *j)
{
	TAILQ_REMOVE(&j->all->jobs, j, link);
	mftd_fd_close(&j->fd);
	explicit_bzero(j->password, sizeof(j->password));
	free(j);
}

void
mftd_checks_free(struct mftd_checks *c)
{
	struct job *j;

	if (c == NULL)
		return;
	while ((j = TAILQ_FIRST(&c->jobs)) != NULL) {
		if (j->pid > 0) {
			qb_loop_poll_del(c->loop, j->fd);
			kill(j->pid, SIGKILL);
			waitpid(j->pid, NULL, 0);
		}
		job_free(j);
	}
	free(c);
}

static void start_some(struct mftd_checks *c);

static int
on_answer(int fd, int revents, void *data)
{
	struct job *j = data;
	struct mftd_checks *c = j->all;
	char answer = 0;
	ssize_t n;

	n = read(fd, &answer, 1);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n != 1)
		log_error("a password check ended without an answer");
	qb_loop_poll_del(c->loop, fd);
	kill(j->pid, SIGKILL); /* it has nothing left to do */
	waitpid(j->pid, NULL, 0);
	c->running--;
	if (j->done != NULL)
		j->done(j->data, n == 1 && answer == 'y');
	job_free(j);
	start_some(c);
	return 0;
}

/* The child: no channel of auth stays open in it. */
static _Noreturn void
run(const struct job *j, int out)
{
	char answer;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "mftd:check");
	signal(SIGALRM, SIG_DFL);
	alarm(CHILD_DEADLINE_S);
	if (dup2(out, 3) < 0)
		_exit(1);
	close_range(4, ~0U, 0);
	answer = mftd_password_verify(j->password, j->hash) == 0 ? 'y' : 'n';
	if (write(3, &answer, 1) != 1)
		_exit(1);
	_exit(0);
}

static int
start(struct job *j)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	j->pid = fork();
	if (j->pid == 0)
		run(j, fds[1]);
	r = j->pid < 0 ? -errno : 0;
	close(fds[1]);
	if (r == 0) {
		r = qb_loop_poll_add(
		    j->all->loop, QB_LOOP_LOW, fds[0], POLLIN, j, on_answer);
		if (r < 0) {
			kill(j->pid, SIGKILL);
			waitpid(j->pid, NULL, 0);
		}
	}
	if (r < 0) {
		close(fds[0]);
		j->pid = 0;
		return r;
	}
	j->fd = fds[0];
	return 0;
}

static bool
source_busy(const struct mftd_checks *c, const char *source)
{
	const struct job *j;

	TAILQ_FOREACH(j, &c->jobs, link)
		if (j->pid > 0 && strcmp(j->source, source) == 0)
			return true;
	return false;
}

/* The first that may start, or NULL. */
static struct job *
pick(struct mftd_checks *c)
{
	struct job *j;

	if (c->running >= MFTD_AUTH_POOL)
		return NULL;
	TAILQ_FOREACH(j, &c->jobs, link)
		if (j->pid == 0 && !source_busy(c, j->source))
			return j;
	return NULL;
}

static void
start_some(struct mftd_checks *c)
{
	struct job *j;
	int r;

	while ((j = pick(c)) != NULL) {
		c->waiting--;
		r = start(j);
		if (r == 0) {
			c->running++;
			continue;
		}
		log_error("password check: %s", strerror(-r));
		if (j->done != NULL)
			j->done(j->data, false);
		job_free(j);
	}
}

int
mftd_checks_add(struct mftd_checks *c, const char *source, const char *password,
    const char *hash, void (*done)(void *data, bool ok), void *data)
{
	struct mftd_cidr net;
	struct job *j;

	if (c->waiting >= MFTD_AUTH_QUEUE_MAX)
		return -ENOBUFS;
	if (mftd_source_of(source, &net) < 0)
		return -EINVAL;
	if (strlen(password) >= sizeof(j->password) ||
	    strlen(hash) >= sizeof(j->hash))
		return -ENAMETOOLONG;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -ENOMEM;
	j->all = c;
	j->done = done;
	j->data = data;
	j->fd = -1;
	mftd_source_text(&net, j->source, sizeof(j->source));
	snprintf(j->password, sizeof(j->password), "%s", password);
	snprintf(j->hash, sizeof(j->hash), "%s", hash);
	TAILQ_INSERT_TAIL(&c->jobs, j, link);
	c->waiting++;
	start_some(c);
	return 0;
}

void
mftd_checks_cancel(struct mftd_checks *c, const void *data)
{
	struct job *j, *next;

	for (j = TAILQ_FIRST(&c->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->data != data)
			continue;
		j->done = NULL;
		if (j->pid == 0) {
			c->waiting--;
			job_free(j);
		}
	}
}
