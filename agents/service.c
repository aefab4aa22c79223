/* Part of mftd; see LICENSE. */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_POLL_MS 20 /* the kernel tells nobody that a lock went away */

static const char *const state_words[] = { "stopped", "started", "promoted" };
static const char *const health_words[] = { "ok", "degraded", "refused" };

enum mftd_ocf_code
mftd_service_code(
    enum mftd_service_state state, enum mftd_service_health health)
{
	static const enum mftd_ocf_code codes[3][3] = {
		/* ok, degraded, refused */
		[MFTD_SERVICE_STOPPED] = { MFTD_OCF_NOT_RUNNING,
		    MFTD_OCF_NOT_RUNNING, MFTD_OCF_NOT_RUNNING },
		[MFTD_SERVICE_STARTED] = { MFTD_OCF_SUCCESS, MFTD_OCF_DEGRADED,
		    MFTD_OCF_ERR_GENERIC },
		[MFTD_SERVICE_PROMOTED] = { MFTD_OCF_RUNNING_PROMOTED,
		    MFTD_OCF_DEGRADED_PROMOTED, MFTD_OCF_FAILED_PROMOTED },
	};

	return codes[state][health];
}

static int
word_index(const char *const words[3], const char *word)
{
	for (int i = 0; word != NULL && i < 3; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

/* The word in the lock file. Only the daemon's own words count. */
static enum mftd_service_state
lock_role(int fd)
{
	char buf[16] = "";

	if (pread(fd, buf, sizeof(buf) - 1, 0) > 0 &&
	    strcmp(buf, "promoted\n") == 0)
		return MFTD_SERVICE_PROMOTED;
	return MFTD_SERVICE_STARTED;
}

enum mftd_service_state
mftd_service_lock(const struct mftd_service *svc)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	enum mftd_service_state state = MFTD_SERVICE_STARTED;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s%s%s.lock", svc->rundir, svc->name,
	    svc->queue != NULL ? "-" : "",
	    svc->queue != NULL ? svc->queue : "");
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) == -1)
		return errno == ENOENT ? MFTD_SERVICE_STOPPED : state;
	if (fcntl(fd, F_OFD_GETLK, &lk) == 0 && lk.l_type == F_UNLCK)
		state = MFTD_SERVICE_STOPPED;
	else
		state = lock_role(fd);
	close(fd);
	return state;
}

bool
mftd_service_wait_gone(const struct mftd_service *svc, int64_t timeout_ms)
{
	int64_t end_ms = mftd_ocf_now_ms() + timeout_ms;

	while (mftd_service_lock(svc) != MFTD_SERVICE_STOPPED) {
		if (mftd_ocf_now_ms() >= end_ms)
			return false;
		poll(NULL, 0, LOCK_POLL_MS);
	}
	return true;
}

int
mftd_service_connect(const struct mftd_service *svc, int64_t timeout_ms)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	int fd, r;

	if (timeout_ms <= 0)
		return -ETIMEDOUT;
	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock",
		svc->rundir) >= (int)sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	/* bounds connect as well: it waits while the backlog is full */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0 &&
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	r = errno;
	close(fd);
	if (r == ECONNREFUSED) /* a socket file whose daemon is gone */
		return -ENOENT;
	return r == EAGAIN ? -ETIMEDOUT : -r;
}

/* The names of a notify list; NULL when out of memory. */
static json_t *
node_array(const char *list)
{
	char name[MFTD_OCF_NODE_MAX + 1];
	json_t *array = json_array();
	int r;

	while ((r = mftd_ocf_notify_next(&list, name)) != 0)
		if (r > 0)
			json_array_append_new(array, json_string(name));
	return array;
}

static char *
request_text(const struct mftd_service *svc, const char *action,
    const struct mftd_ocf_notify *notify, int64_t timeout_ms)
{
	json_t *root;
	char *text;

	/* a little less than we wait, so that its reason arrives */
	root = json_pack("{s:s, s:s, s:s, s:I}", "cmd", "service", "service",
	    svc->name, "action", action, "deadline_ms",
	    (json_int_t)timeout_ms * 9 / 10);
	if (svc->queue != NULL)
		json_object_set_new(root, "queue", json_string(svc->queue));
	if (notify != NULL)
		json_object_set_new(root, "notify",
		    json_pack("{s:s, s:s, s:o, s:o, s:o}", "type", notify->type,
			"operation", notify->operation, "stop",
			node_array(notify->stop), "start",
			node_array(notify->start), "active",
			node_array(notify->active)));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

/* One packet, at most size bytes. Returns its length or -errno. */
static ssize_t
receive(int fd, char *buf, size_t size, int64_t end_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	int64_t left = end_ms - mftd_ocf_now_ms();
	ssize_t n;

	if (left <= 0 || poll(&p, 1, (int)left) == 0)
		return -ETIMEDOUT;
	n = recv(fd, buf, size, MSG_DONTWAIT | MSG_TRUNC);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	return (size_t)n > size ? -EPROTO : n;
}

/* The packets of a reply: '+' or '.', then text. Returns length or -errno. */
static ssize_t
receive_reply(int fd, char *text, size_t size, int64_t end_ms)
{
	char *packet = malloc(MFTD_SERVICE_PACKET_MAX);
	size_t used = 0;
	ssize_t n;

	if (packet == NULL)
		return -ENOMEM;
	for (;;) {
		n = receive(fd, packet, MFTD_SERVICE_PACKET_MAX, end_ms);
		if (n == 0)
			continue;
		if (n < 0)
			break;
		if ((*packet != '+' && *packet != '.') ||
		    (size_t)n - 1 > size - used) {
			n = -EPROTO;
			break;
		}
		memcpy(text + used, packet + 1, (size_t)n - 1);
		used += (size_t)n - 1;
		if (*packet == '.') {
			n = (ssize_t)used;
			break;
		}
	}
	free(packet);
	return n;
}

/* An answer to notify is only ok or not; all others say what the service is.
 */
static int
parse_reply(const struct mftd_service *svc, bool notify, const char *text,
    size_t len, struct mftd_service_answer *answer)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *reason, *life, *state_word, *health_word;
	json_t *ok = json_object_get(root, "ok");
	int state, health, r = -EPROTO;

	if (!json_is_boolean(ok))
		goto out;
	reason = json_string_value(json_object_get(root, "reason"));
	state_word = json_string_value(json_object_get(root, "state"));
	health_word = json_string_value(json_object_get(root, "health"));
	state = word_index(state_words, state_word);
	health = word_index(health_words, health_word);
	answer->ok = json_is_true(ok);
	answer->killed =
	    !answer->ok && json_is_true(json_object_get(root, "killed"));
	snprintf(answer->reason, sizeof(answer->reason), "%s",
	    reason != NULL && *reason != '\0' ? reason : "no reason given");
	life = json_string_value(json_object_get(root, "incarnation"));
	if (life != NULL && strcspn(life, " \t\n") == strlen(life))
		snprintf(answer->life, sizeof(answer->life), "%s", life);
	if (answer->ok && !notify &&
	    (state == -1 || health == -1 ||
		(svc->queue == NULL && state == MFTD_SERVICE_PROMOTED)))
		goto out;
	answer->state =
	    state == -1 ? MFTD_SERVICE_STOPPED : (enum mftd_service_state)state;
	answer->health = answer->ok && health != -1
	    ? (enum mftd_service_health)health
	    : MFTD_SERVICE_REFUSED;
	r = 0;
out:
	json_decref(root);
	return r;
}

int
mftd_service_request(const struct mftd_service *svc, const char *action,
    const struct mftd_ocf_notify *notify, int64_t timeout_ms,
    struct mftd_service_answer *answer)
{
	int64_t end_ms = mftd_ocf_now_ms() + timeout_ms;
	char *text = NULL, *reply = NULL;
	int fd = -1, r = -ENOMEM;
	ssize_t n;

	memset(answer, 0, sizeof(*answer));
	if ((text = request_text(svc, action, notify, timeout_ms)) == NULL ||
	    (reply = malloc(MFTD_SERVICE_REPLY_MAX)) == NULL)
		goto out;
	if ((r = fd = mftd_service_connect(svc, timeout_ms)) < 0)
		goto out;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) == -1) {
		r = errno == EAGAIN  ? -ETIMEDOUT
		    : errno == EPIPE ? -ECONNRESET
				     : -errno;
		goto out;
	}
	n = receive_reply(fd, reply, MFTD_SERVICE_REPLY_MAX, end_ms);
	r = n < 0 ? (int)n
		  : parse_reply(svc, notify != NULL, reply, (size_t)n, answer);
out:
	if (fd >= 0)
		close(fd);
	free(reply);
	free(text);
	return r;
}
