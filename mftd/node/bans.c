/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/base/source.h"
#include "mftd/conf/conf.h"
#include "mftd/node/coordinator.h"
#include "mftd/node/score.h"

#define FILE_NAME "bans"
#define LINE_BYTES (2 * MFTD_ADDR_BYTES + 32)
#define FILE_BYTES_MAX (MFTD_BANS_MAX * LINE_BYTES)
#define SAVE_TICK_MS 50

/* After a quorate start, what was said takes a moment to come back; until then
 * the file must not be overwritten by a table that lacks it. */
struct mftd_co_bans {
	struct mftd_score score;
	uint64_t shown; /* hash of what the listener has */
	uint64_t saved; /* and of what the file has, or is given */
	bool restored;
	bool ticking;
	pid_t writer; /* 0: none */
};

struct mftd_co_bans *
mftd_co_bans_new(struct mftd_coordinator *co)
{
	return calloc(1, sizeof(struct mftd_co_bans));
}

void
mftd_co_bans_free(struct mftd_co_bans *b)
{
	if (b != NULL && b->writer > 0)
		waitpid(b->writer, NULL, 0); /* the last word counts */
	free(b);
}

/* ---- the list */

struct list {
	int64_t now_us;
	uint32_t n;
	uint64_t hash;
	struct mftd_msg_ban wire[MFTD_BANS_MAX];
	size_t len;
	char text[FILE_BYTES_MAX];
};

static int
take(void *data, const struct mftd_cluster_ban *ban)
{
	struct list *l = data;
	struct mftd_cidr net;
	const char *at;
	size_t before = l->len;

	if (ban->until_us <= l->now_us || mftd_cidr_parse(ban->net, &net) < 0)
		return 0;
	l->wire[l->n].until_us = ban->until_us;
	l->wire[l->n].bits = net.bits;
	memcpy(l->wire[l->n].address, net.address, sizeof(net.address));
	l->n++;
	l->len += (size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len,
	    "%s %lld %s\n", ban->net, (long long)ban->until_us, ban->why);
	for (at = l->text + before; *at != '\0'; at++)
		l->hash = (l->hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
	return 0;
}

static struct list *
read_table(const struct mftd_coordinator *co)
{
	struct list *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->now_us = mftd_clock_wall_us();
	l->hash = UINT64_C(0xcbf29ce484222325);
	mftd_cluster_bans(co->cluster, take, l);
	return l;
}

static int
count(void *data, const struct mftd_cluster_ban *ban)
{
	if (ban->until_us > mftd_clock_wall_us())
		++*(uint32_t *)data;
	return 0;
}

uint32_t
mftd_co_bans_count(const struct mftd_coordinator *co)
{
	uint32_t n = 0;

	mftd_cluster_bans(co->cluster, count, &n);
	return n;
}

/* ---- the file: for the start of a whole group, or of a node alone */

static int
replace_file(const char *dir, const struct list *l)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = mftd_file_replace(fd, FILE_NAME, l->text, l->len, 0600);
	mftd_fd_close(&fd);
	return r;
}

static void look_later(void *data);

static void
tick(struct mftd_coordinator *co)
{
	struct mftd_co_bans *b = co->bans;

	if (!b->ticking &&
	    mftd_worker_timer(co->w, SAVE_TICK_MS, look_later, co) == 0)
		b->ticking = true;
}

/* A disk may hang, the coordinator must not: a child of its own writes. */
static void
save(struct mftd_coordinator *co, const struct list *l)
{
	struct mftd_co_bans *b = co->bans;
	int none = -1, r;

	tick(co);
	if (b->writer != 0)
		return; /* again when that one is done */
	b->writer = fork();
	if (b->writer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		mftd_fd_keep_only(&none, 1);
		r = replace_file(co->w->conf->state_dir, l);
		_exit(r < 0 ? 1 : 0);
	}
	if (b->writer < 0) {
		b->writer = 0;
		log_warn("bans are not kept: %s", strerror(errno));
		return;
	}
	b->saved = l->hash;
}

static void
look_later(void *data)
{
	struct mftd_coordinator *co = data;
	struct mftd_co_bans *b = co->bans;
	int status = 0;
	pid_t pid;

	b->ticking = false;
	if (b->writer > 0) {
		pid = waitpid(b->writer, &status, WNOHANG);
		if (pid == 0) {
			tick(co);
			return;
		}
		b->writer = 0;
		if (pid < 0 || status != 0)
			log_warn("bans are not kept over a restart: cannot "
				 "write %s/" FILE_NAME,
			    co->w->conf->state_dir);
	}
	mftd_co_bans_look(co, false);
}

/* Says one line of the file again. */
static void
restore_line(struct mftd_coordinator *co, const char *line)
{
	struct mftd_cluster_ban ban = { 0 };
	struct mftd_cidr net;
	long long until;

	_Static_assert(MFTD_ADDR_BYTES == 96, "the format below");
	if (sscanf(line, "%95s %lld %95[ -~]", ban.net, &until, ban.why) < 2 ||
	    mftd_cidr_parse(ban.net, &net) < 0) {
		log_warn("%s/" FILE_NAME ": a line is left out",
		    co->w->conf->state_dir);
		return;
	}
	ban.until_us = until;
	if (ban.until_us > mftd_clock_wall_us() &&
	    mftd_cluster_ban(co->cluster, &ban) < 0)
		log_warn("ban of %s is lost", ban.net);
}

void
mftd_co_bans_ready(struct mftd_coordinator *co)
{
	struct mftd_co_bans *b = co->bans;
	char *text = NULL, *line, *rest;
	size_t len;
	int fd, r, n = 0;

	if (b->restored)
		return;
	b->restored = true;
	if (!mftd_cluster_founder(co->cluster)) {
		mftd_co_bans_look(co, true);
		return;
	}
	fd = open(co->w->conf->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno
		   : mftd_file_read(fd, FILE_NAME, FILE_BYTES_MAX, &text, &len);
	mftd_fd_close(&fd);
	if (r < 0 && r != -ENOENT)
		log_warn("%s/" FILE_NAME ": %s", co->w->conf->state_dir,
		    mftd_strerror(r));
	if (r < 0)
		return;
	for (line = strtok_r(text, "\n", &rest);
	     line != NULL && n++ < MFTD_BANS_MAX;
	     line = strtok_r(NULL, "\n", &rest))
		restore_line(co, line);
	free(text);
}

/* ---- to the listener, and to disk */

static void
show(struct mftd_coordinator *co, const struct list *l)
{
	const struct mftd_msg_bans head = { .n = l->n };

	if (mftd_worker_send_tail(co->w, co->listener, MFTD_MSG_BANS, 0, &head,
		sizeof(head), l->wire, l->n * sizeof(l->wire[0])) == 0)
		co->bans->shown = l->hash;
}

void
mftd_co_bans_look(struct mftd_coordinator *co, bool force)
{
	struct mftd_co_bans *b = co->bans;
	struct list *l = read_table(co);

	if (l == NULL)
		return;
	if (co->listener != NULL && (force || b->shown != l->hash))
		show(co, l);
	if (b->restored && mftd_cluster_settled(co->cluster) &&
	    b->saved != l->hash)
		save(co, l);
	else if (b->restored && b->saved != l->hash)
		tick(co);
	free(l);
}

/* ---- who fails */

static const char *const words[MFTD_FAILURE_COUNT] = { "password", "key",
	"tries", "no SSH", "no login in time" };

void
mftd_co_bans_failure(
    struct mftd_coordinator *co, const struct mftd_msg_failure *f)
{
	const struct mftd_conf *conf = co->w->conf;
	struct mftd_cluster_ban ban = { 0 };
	struct mftd_cidr source;
	size_t i;

	if (conf->ban.failures == 0 || f->kind >= MFTD_FAILURE_COUNT ||
	    mftd_source_of(f->peer, &source) < 0)
		return;
	for (i = 0; i < conf->proxy_from.n; i++)
		if (mftd_source_within(&conf->proxy_from.net[i], &source))
			return; /* that would be everybody */
	for (i = 0; i < conf->ban_exempt.n; i++)
		if (mftd_source_within(&conf->ban_exempt.net[i], &source))
			return;
	if (!mftd_score_fail(&co->bans->score, &source, mftd_clock_ms(),
		conf->ban.failures, (int64_t)conf->ban.window_s * 1000))
		return;
	mftd_source_text(&source, ban.net, sizeof(ban.net));
	snprintf(ban.why, sizeof(ban.why), "%d failures, last: %s",
	    conf->ban.failures, words[f->kind]);
	ban.until_us =
	    mftd_clock_wall_us() + (int64_t)conf->ban.time_s * 1000000;
	log_warn(
	    "%s is kept out for %d s: %s", ban.net, conf->ban.time_s, ban.why);
	if (mftd_cluster_ban(co->cluster, &ban) < 0)
		log_warn("the group is not told of it");
}

/* ---- control */

static json_t *
failure(const char *reason)
{
	return json_pack("{s:b, s:s}", "ok", 0, "reason", reason);
}

static int
add_row(void *data, const struct mftd_cluster_ban *ban)
{
	int64_t left = ban->until_us - mftd_clock_wall_us();

	if (left <= 0)
		return 0;
	return json_array_append_new(data,
	    json_pack("{s:s, s:s, s:I, s:I}", "net", ban->net, "why", ban->why,
		"until_us", (json_int_t)ban->until_us, "seconds_left",
		(json_int_t)((left + 999999) / 1000000)));
}

/* An address means its source, a network itself. */
static int
net_of(const char *text, struct mftd_cidr *net)
{
	int r = strchr(text, '/') != NULL ? mftd_cidr_parse(text, net)
					  : mftd_source_of(text, net);

	/* not everybody at once, by a slip of the hand */
	return r == 0 && net->bits != 0 && net->bits != 96 ? 0 : -EINVAL;
}

static json_t *
add_ban(struct mftd_coordinator *co, const char *net, const char *seconds)
{
	struct mftd_cluster_ban ban = { .why = "by hand" };
	char *end = NULL;
	long s = seconds != NULL ? strtol(seconds, &end, 10)
				 : co->w->conf->ban.time_s;
	int r;

	if ((end != NULL && (*end != '\0' || end == seconds)) || s < 1 ||
	    s > MFTD_BAN_S_MAX)
		return failure("seconds: 1 to 31536000");
	snprintf(ban.net, sizeof(ban.net), "%s", net);
	ban.until_us = mftd_clock_wall_us() + (int64_t)s * 1000000;
	log_warn("%s is kept out for %ld s: by hand", net, s);
	r = mftd_cluster_ban(co->cluster, &ban);
	return r < 0 ? failure(mftd_strerror(r)) : json_pack("{s:b}", "ok", 1);
}

json_t *
mftd_co_cmd_ban(struct mftd_coordinator *co, uint64_t client, json_t *req)
{
	const char *action = json_string_value(json_object_get(req, "action"));
	const char *text = json_string_value(json_object_get(req, "address"));
	struct mftd_cidr net;
	char name[MFTD_ADDR_BYTES];
	json_t *list;
	int r;

	if (action != NULL && strcmp(action, "list") == 0) {
		list = json_array();
		mftd_cluster_bans(co->cluster, add_row, list);
		return json_pack("{s:b, s:o}", "ok", 1, "bans", list);
	}
	if (action == NULL || text == NULL || net_of(text, &net) < 0)
		return failure("not an address or network");
	mftd_source_text(&net, name, sizeof(name));
	if (strcmp(action, "add") == 0)
		return add_ban(co, name,
		    json_string_value(json_object_get(req, "seconds")));
	if (strcmp(action, "remove") != 0)
		return failure("ban: only list, add, remove");
	mftd_score_forget(&co->bans->score, &net);
	r = mftd_cluster_unban(co->cluster, name);
	if (r == -ENOENT)
		return failure("is not kept out: see ban list");
	return r < 0 ? failure(mftd_strerror(r)) : json_pack("{s:b}", "ok", 1);
}
