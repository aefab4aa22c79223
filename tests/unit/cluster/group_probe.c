/* Part of mftd; see LICENSE. */
/*
 * A member of the group for people and for group_lab.py: says what it is told
 * on stdin, and writes each event and each answer as one line.
 *
 *	group_probe NODE LEASE_MS
 *	session N | gone | fenced NODE | config N | status | close
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/cluster/cluster.h"

struct probe {
	qb_loop_t *loop;
	struct mftd_cluster *cluster;
	struct mftd_cluster_conf conf;
	struct mftd_lease *lease;
	const struct mftd_cluster_events *events;
	char incarnation[MFTD_ID_BYTES];
	char boot_id[MFTD_ID_BYTES];
	unsigned int said;
	char line[256];
	size_t len;
};

static void
on_quorum(void *data, bool quorate)
{
	printf("quorum %d\n", quorate);
}

static void
on_recover(void *data, const char *incarnation)
{
	struct probe *p = data;

	printf("recover %s\n", incarnation);
	if (mftd_cluster_recovered(p->cluster, incarnation, 0) < 0)
		printf("error recovered\n");
}

static void
on_config(void *data, uint64_t version)
{
	printf("config %llu\n", (unsigned long long)version);
}

static void
join(void *data)
{
	struct probe *p = data;
	qb_loop_timer_handle timer;
	int ret;

	mftd_cluster_close(p->cluster);
	p->cluster = NULL;
	(void)mftd_id_incarnation(
	    p->conf.node, p->incarnation, sizeof(p->incarnation));
	ret = mftd_cluster_open(
	    p->loop, &p->conf, p->lease, p->events, p, &p->cluster);
	if (ret == 0) {
		printf("open %s\n", p->incarnation);
		return;
	}
	(void)qb_loop_timer_add(
	    p->loop, QB_LOOP_MED, UINT64_C(200000000), p, join, &timer);
}

static void
on_restart(void *data, const char *why)
{
	struct probe *p = data;

	printf("restart %s\n", why);
	(void)qb_loop_job_add(p->loop, QB_LOOP_MED, p, join);
}

static void
on_changed(void *data)
{
}

static const struct mftd_cluster_events events = { on_quorum, on_recover,
	on_config, on_restart, on_changed };

static int
show(void *data, const struct mftd_cluster_node *n)
{
	printf(" %s:%s%s%s:%u", n->incarnation, n->member ? "member" : "",
	    n->lost ? "lost" : "", n->recovered ? "recovered" : "",
	    n->sessions);
	return 0;
}

static void
status(struct probe *p)
{
	if (p->cluster == NULL) {
		printf("status ready=0 quorate=0 lease=0 rows\n");
		return;
	}
	printf("status ready=%d quorate=%d lease=%d rows",
	    mftd_cluster_ready(p->cluster), mftd_cluster_quorate(p->cluster),
	    mftd_lease_held(p->lease));
	(void)mftd_cluster_nodes(p->cluster, show, NULL);
	printf("\n");
}

static int
add_sessions(struct probe *p, unsigned long n)
{
	struct mftd_cluster_session s = { "", "alice", "192.0.2.1:22", 1 };
	int ret = 0;

	while (n-- > 0 && ret == 0) {
		snprintf(
		    s.id, sizeof(s.id), "%s-%x", p->incarnation, ++p->said);
		ret = mftd_cluster_session_add(p->cluster, &s);
	}
	return ret;
}

static void
command(struct probe *p, const char *line)
{
	int ret = 0;

	if (strcmp(line, "status") == 0)
		status(p);
	else if (p->cluster == NULL)
		ret = -ENOTCONN;
	else if (strncmp(line, "session ", 8) == 0)
		ret = add_sessions(p, strtoul(line + 8, NULL, 10));
	else if (strcmp(line, "gone") == 0)
		ret = mftd_cluster_gone(p->cluster);
	else if (strncmp(line, "fenced ", 7) == 0)
		ret = mftd_cluster_fenced(p->cluster, line + 7);
	else if (strncmp(line, "config ", 7) == 0)
		ret = mftd_cluster_config(
		    p->cluster, strtoull(line + 7, NULL, 10));
	else
		qb_loop_stop(p->loop);
	if (ret < 0)
		printf("error %s: %s\n", line, strerror(-ret));
}

static int
on_input(int32_t fd, int32_t revents, void *data)
{
	struct probe *p = data;
	ssize_t n = read(fd, p->line + p->len, sizeof(p->line) - 1 - p->len);
	char *end;

	if (n <= 0) {
		qb_loop_stop(p->loop);
		return -1;
	}
	p->len += (size_t)n;
	p->line[p->len] = '\0';
	while ((end = strchr(p->line, '\n')) != NULL) {
		*end = '\0';
		command(p, p->line);
		p->len -= (size_t)(end + 1 - p->line);
		memmove(p->line, end + 1, p->len + 1);
	}
	return 0;
}

static int
read_boot_id(char out[MFTD_ID_BYTES])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	int ret = -EIO;

	if (f != NULL && fscanf(f, "%63s", out) == 1)
		ret = 0;
	if (f != NULL)
		fclose(f);
	return ret;
}

int
main(int argc, char **argv)
{
	static struct probe p;

	if (argc != 3 || read_boot_id(p.boot_id) < 0)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)mftd_log_open("stderr", "debug");
	p.loop = qb_loop_create();
	p.lease = mftd_lease_new();
	p.events = &events;
	p.conf = (struct mftd_cluster_conf) { argv[1], p.incarnation, p.boot_id,
		false, atoi(argv[2]) };
	if (qb_loop_poll_add(p.loop, QB_LOOP_MED, 0, POLLIN, &p, on_input) < 0)
		return 2;
	join(&p);
	qb_loop_run(p.loop);
	mftd_cluster_close(p.cluster);
	return 0;
}
