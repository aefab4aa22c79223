/* Part of mftd; see LICENSE. */
#include "mftd/control/control.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"
#include "mftd/base/log.h"
#include "mftd/control/wire.h"

struct client {
	TAILQ_ENTRY(client) link;
	struct mftd_control *control;
	uint64_t id;
	int fd;
	char *out; /* the reply that is being sent, or NULL */
	size_t out_len, out_done;
};

struct mftd_control {
	qb_loop_t *loop;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	mftd_control_fn fn;
	void *data;
	uint64_t next_id;
	int n_clients;
	TAILQ_HEAD(, client) clients;
};

static void
client_end(struct client *cl)
{
	struct mftd_control *c = cl->control;

	qb_loop_poll_del(c->loop, cl->fd);
	TAILQ_REMOVE(&c->clients, cl, link);
	c->n_clients--;
	mftd_fd_close(&cl->fd);
	free(cl->out);
	free(cl);
}

static int client_ready(int fd, int revents, void *data);

/* Sends what the socket takes.  0: all of it; -EAGAIN; or the client is
 * gone. */
static int
client_flush(struct client *cl)
{
	ssize_t n;

	while (cl->out != NULL) {
		n = mftd_control_send_piece(
		    cl->fd, cl->out + cl->out_done, cl->out_len - cl->out_done);
		if (n < 0)
			return (int)n;
		cl->out_done += (size_t)n;
		if (cl->out_done == cl->out_len) {
			free(cl->out);
			cl->out = NULL;
		}
	}
	return 0;
}

static void
client_request(struct client *cl, const char *text, size_t len)
{
	json_error_t err;
	json_t *req = json_loadb(text, len, 0, &err);

	if (!json_is_object(req))
		mftd_control_reply(cl->control, cl->id,
		    json_pack("{s:b, s:s}", "ok", 0, "reason",
			"the request is not a JSON object"));
	else
		cl->control->fn(cl->control->data, cl->id, req);
	json_decref(req);
}

static int
client_ready(int fd, int revents, void *data)
{
	char text[MFTD_CONTROL_REQUEST_BYTES];
	struct client *cl = data;
	ssize_t n;

	if ((revents & POLLOUT) != 0 && cl->out != NULL) {
		n = client_flush(cl);
		if (n < 0 && n != -EAGAIN) {
			client_end(cl);
			return 0;
		}
		if (n == 0)
			qb_loop_poll_mod(cl->control->loop, QB_LOOP_MED, fd,
			    POLLIN, cl, client_ready);
	}
	if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return 0;
	n = recv(fd, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* a second request before the answer, or one too large: not ours */
	if (n <= 0 || (size_t)n > sizeof(text) || cl->out != NULL)
		client_end(cl);
	else
		client_request(cl, text, (size_t)n);
	return 0;
}

static int
accept_ready(int fd, int revents, void *data)
{
	struct mftd_control *c = data;
	struct client *cl;
	int cfd;

	cfd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (cfd < 0)
		return 0;
	cl = c->n_clients < MFTD_CONTROL_CLIENTS_MAX ? calloc(1, sizeof(*cl))
						     : NULL;
	if (cl == NULL) {
		log_warn("control: more than %d clients: refused",
		    MFTD_CONTROL_CLIENTS_MAX);
		close(cfd);
		return 0;
	}
	cl->control = c;
	cl->fd = cfd;
	cl->id = ++c->next_id;
	if (qb_loop_poll_add(
		c->loop, QB_LOOP_MED, cfd, POLLIN, cl, client_ready) < 0) {
		close(cfd);
		free(cl);
		return 0;
	}
	TAILQ_INSERT_TAIL(&c->clients, cl, link);
	c->n_clients++;
	return 0;
}

int
mftd_control_open(qb_loop_t *loop, const char *path, mftd_control_fn fn,
    void *data, struct mftd_control **out)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct mftd_control *c;
	int r;

	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	TAILQ_INIT(&c->clients);
	c->loop = loop;
	c->fn = fn;
	c->data = data;
	r = -ENAMETOOLONG;
	c->fd = -1;
	if (snprintf(c->path, sizeof(c->path), "%s", path) >=
	    (int)sizeof(c->path))
		goto fail;
	memcpy(sun.sun_path, c->path, sizeof(c->path));
	c->fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		goto fail_errno;
	unlink(path);
	if (bind(c->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    chmod(path, 0660) < 0 || listen(c->fd, 64) < 0 ||
	    qb_loop_poll_add(
		loop, QB_LOOP_HIGH, c->fd, POLLIN, c, accept_ready) < 0)
		goto fail_errno;
	*out = c;
	return 0;
fail_errno:
	r = -errno;
fail:
	mftd_fd_close(&c->fd);
	free(c);
	return r;
}

void
mftd_control_close(struct mftd_control *c)
{
	if (c == NULL)
		return;
	while (!TAILQ_EMPTY(&c->clients))
		client_end(TAILQ_FIRST(&c->clients));
	qb_loop_poll_del(c->loop, c->fd);
	mftd_fd_close(&c->fd);
	unlink(c->path);
	free(c);
}

int
mftd_control_reply(struct mftd_control *c, uint64_t client, json_t *reply)
{
	struct client *cl;
	int r;

	TAILQ_FOREACH(cl, &c->clients, link)
		if (cl->id == client)
			break;
	if (cl == NULL || cl->out != NULL) {
		json_decref(reply);
		return -ENOENT;
	}
	cl->out = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (cl->out == NULL) {
		shutdown(cl->fd, SHUT_RDWR); /* the loop ends it */
		return -ENOMEM;
	}
	cl->out_len = strlen(cl->out);
	cl->out_done = 0;
	r = client_flush(cl);
	if (r == -EAGAIN)
		qb_loop_poll_mod(c->loop, QB_LOOP_MED, cl->fd, POLLIN | POLLOUT,
		    cl, client_ready);
	else if (r < 0)
		shutdown(cl->fd, SHUT_RDWR);
	return 0;
}
