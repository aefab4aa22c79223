/* Part of mftd; see LICENSE. */
#include "listener.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS "/proc/self/net/unix"
#define LINES_MAX 8192 /* looked at */
#define LINE_MAX_BYTES 256 /* a path has 108 */
#define LISTENING 10 /* TCP_LISTEN of the kernel, of all families */
#define ANSWER_BYTES 8192 /* netlink(7): no larger one comes */
#define ANSWERS_MAX 256

/* Whether a path is name's, with an '@' for each NUL, as the kernel shows them
 * in /proc: an abstract one, or in a directory. */
static bool
is_named(const char *path, const char *name)
{
	const char *end = path + strcspn(path, "\n"), *last = end;
	size_t len = strlen(name);

	while (last > path && last[-1] != '/')
		last--;
	if (*last == '@')
		last++;
	return strncmp(last, name, len) == 0 &&
	    (last[len] == '@' || last + len == end);
}

/* ---- /proc */

/* The inode of the line's socket, if it is the one, else 0: seven fields, then
 * the path; of a listener the flag of accepting (__SO_ACCEPTCON). */
static uint32_t
of_line(const char *line, const char *name)
{
	unsigned inode;
	int path = 0;

	/* there are many others, and to scan costs */
	if (strstr(line, name) == NULL ||
	    sscanf(line, "%*s %*s %*s 00010000 %*s %*s %u %n", &inode, &path) !=
		1 ||
	    path == 0 || !is_named(line + path, name))
		return 0;
	return inode;
}

int
mftd_ocf_listener_proc(const char *name, uint32_t *inode)
{
	FILE *f = fopen(SOCKETS, "re");
	char line[LINE_MAX_BYTES];

	*inode = 0;
	if (f == NULL)
		return -errno;
	for (int i = 0; *inode == 0 && i < LINES_MAX &&
	     fgets(line, sizeof(line), f) != NULL;
	     i++)
		*inode = of_line(line, name);
	fclose(f);
	return 0;
}

/* ---- sock_diag */

static int
ask(int fd)
{
	const struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} all = {
		.head = { .nlmsg_len = sizeof(all),
		    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = AF_UNIX,
		    .udiag_states = 1 << LISTENING,
		    .udiag_show = UDIAG_SHOW_NAME },
	};

	return send(fd, &all, sizeof(all), 0) == -1 ? -errno : 0;
}

/* The inode of the message's socket, if it is the one, else 0. */
static uint32_t
of_message(const struct nlmsghdr *head, const char *name)
{
	const struct unix_diag_msg *msg = NLMSG_DATA(head);
	const struct rtattr *attr = (const struct rtattr *)(msg + 1);
	size_t left = head->nlmsg_len, len;
	char path[128];

	if (left < NLMSG_LENGTH(sizeof(*msg)))
		return 0;
	left -= NLMSG_LENGTH(sizeof(*msg));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		len = RTA_PAYLOAD(attr);
		if (attr->rta_type != UNIX_DIAG_NAME || len >= sizeof(path))
			continue;
		memcpy(path, RTA_DATA(attr), len);
		for (size_t i = 0; i < len; i++)
			if (path[i] == '\0')
				path[i] = '@';
		path[len] = '\0';
		return is_named(path, name) ? msg->udiag_ino : 0;
	}
	return 0;
}

/* One answer of several messages. 1: the last one, 0: more to come, -errno. */
static int
read_answer(const char *buf, size_t len, const char *name, uint32_t *inode)
{
	const struct nlmsghdr *head = (const struct nlmsghdr *)buf;

	for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
		if (head->nlmsg_type == NLMSG_DONE)
			return 1;
		if (head->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(head))
			    ->error;
		if (*inode == 0)
			*inode = of_message(head, name);
	}
	return 0;
}

int
mftd_ocf_listener_diag(const char *name, uint32_t *inode)
{
	_Alignas(struct nlmsghdr) char buf[ANSWER_BYTES];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	int r = fd == -1 ? -errno : ask(fd);
	ssize_t n;

	*inode = 0;
	/* the kernel answers while it is asked: there is nothing to wait for */
	for (int i = 0; r == 0; i++) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
		if (n == -1)
			r = -errno;
		else if (n > (ssize_t)sizeof(buf) || i == ANSWERS_MAX)
			r = -EMSGSIZE;
		else
			r = read_answer(buf, (size_t)n, name, inode);
	}
	if (fd != -1)
		close(fd);
	return r < 0 ? r : 0;
}

uint32_t
mftd_ocf_listener(const char *name)
{
	uint32_t inode;

	if (mftd_ocf_listener_diag(name, &inode) < 0 &&
	    mftd_ocf_listener_proc(name, &inode) < 0)
		return 0;
	return inode;
}
