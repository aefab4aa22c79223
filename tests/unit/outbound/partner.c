/* Part of mftd; see LICENSE. */
#include "tests/unit/outbound/partner.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mftd/base/clock.h"
#include "mftd/base/limits.h"

#define SSHD "/usr/sbin/sshd"

static const char *
sftp_server(void)
{
	static const char *const places[] = { "/usr/lib/openssh/sftp-server",
		"/usr/libexec/openssh/sftp-server",
		"/usr/lib/ssh/sftp-server" };
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

bool
partner_possible(void)
{
	return access(SSHD, X_OK) == 0 && sftp_server() != NULL;
}

static void
put(const char *dir, const char *name, mode_t mode, const char *fmt, ...)
{
	char path[128];
	va_list ap;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL)
		abort();
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
	chmod(path, mode);
}

static void
make_key(const char *dir, const char *name)
{
	char path[128];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	pid = fork();
	if (pid == 0) {
		execlp("ssh-keygen", "ssh-keygen", "-q", "-t", "ed25519", "-N",
		    "", "-C", "", "-f", path, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		abort();
}

static void
read_line(const char *dir, const char *name, char *out, int size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f == NULL || fgets(out, size, f) == NULL)
		abort();
	fclose(f);
}

static void
write_files(struct partner *p)
{
	make_key(p->dir, "host");
	make_key(p->dir, "key");
	read_line(p->dir, "host.pub", p->host_key, sizeof(p->host_key));
	read_line(p->dir, "key.pub", p->other_key, sizeof(p->other_key));
	/* SHLVL: bash, started by sshd, else reads the user's .bashrc, which
	 * may do anything and take its time */
	put(p->dir, "sshd_config", 0600,
	    "HostKey %s/host\nAuthorizedKeysFile %s/key.pub\n"
	    "StrictModes no\nUsePAM no\nPidFile none\nLogLevel ERROR\n"
	    "PasswordAuthentication no\nPermitRootLogin yes\n"
	    "SetEnv SHLVL=5\nSubsystem sftp %s/sftp\n",
	    p->dir, p->dir, p->dir);
	put(p->dir, "sftp", 0700,
	    "#!/bin/sh\n"
	    "exec 2>>%s/log\n"
	    "if [ -s %s/fault ]; then\n"
	    "\texec strace -qqq -o %s/strace.$$ "
	    "$(cat %s/fault) %s -e -l INFO\n"
	    "fi\n"
	    "exec %s -e -l INFO\n",
	    p->dir, p->dir, p->dir, p->dir, sftp_server(), sftp_server());
	put(p->dir, "fault", 0600, "%s", "");
	put(p->dir, "log", 0600, "%s", "");
}

static int
listen_somewhere(int *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		abort();
	*port = ntohs(sin.sin_port);
	return fd;
}

/* As root sshd wants an empty /run/sshd: one of its own, seen by nobody else.
 */
static void
own_run(void)
{
	if (geteuid() != 0 || access("/run/sshd", X_OK) == 0)
		return;
	if (unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("run", "/run", "tmpfs", 0, "mode=755") == 0)
		mkdir("/run/sshd", 0755);
}

static void
signal_children(pid_t parent, int depth, int sig)
{
	char path[64];
	FILE *f;
	int pid;

	snprintf(
	    path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "r");
	if (f == NULL || depth == 0) {
		if (f != NULL)
			fclose(f);
		return;
	}
	while (fscanf(f, "%d", &pid) == 1) {
		signal_children(pid, depth - 1, sig);
		kill(pid, sig);
	}
	fclose(f);
}

/* Ends what came of the connections.  Orphans come to us, their reaper, so it
 * takes a few rounds. */
static void
clean_up(const struct partner *p)
{
	int i;

	for (i = 0; i < 50; i++) {
		signal_children(getpid(), 5, SIGKILL);
		poll(NULL, 0, 2);
	}
	remove_tree(p->dir);
	_exit(0);
}

static void
serve_one(const struct partner *p, int listener)
{
	char conf[128];
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (fork() != 0) {
		close(fd);
		return;
	}
	signal(SIGCHLD, SIG_DFL);
	snprintf(conf, sizeof(conf), "%s/sshd_config", p->dir);
	dup2(fd, 0);
	dup2(fd, 1);
	execl(SSHD, SSHD, "-i", "-e", "-f", conf, (char *)NULL);
	_exit(127);
}

/* In a session of its own: ^C is the test's, and seen here as its end. */
static void
accept_loop(const struct partner *p, int listener, int guard)
{
	struct pollfd fds[2] = { { .fd = listener, .events = POLLIN },
		{ .fd = guard, .events = POLLIN } };

	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_IGN);
	own_run();
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents != 0)
			clean_up(p);
		if (fds[0].revents != 0)
			serve_one(p, listener);
	}
}

int
partner_start(struct partner *p)
{
	struct passwd *pw = getpwuid(getuid());
	const char *tmp = getenv("TMPDIR");
	int listener, guard[2];

	memset(p, 0, sizeof(*p));
	if (pw == NULL)
		return -1;
	snprintf(p->dir, sizeof(p->dir), "%s/mftd-partner-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(p->dir) == NULL)
		return -1;
	snprintf(p->in, sizeof(p->in), "%s/in", p->dir);
	snprintf(p->key, sizeof(p->key), "%s/key", p->dir);
	snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	mkdir(p->in, 0700);
	write_files(p);
	listener = listen_somewhere(&p->port);
	if (pipe2(guard, O_CLOEXEC) < 0)
		return -1;
	p->acceptor = fork();
	if (p->acceptor == 0) {
		close(guard[1]);
		accept_loop(p, listener, guard[0]);
	}
	close(guard[0]);
	p->guard = guard[1];
	close(listener);
	p->host_keys[0] = p->host_key;
	p->p = (struct mftd_partner) { .name = (char *)"acme",
		.host = (char *)"127.0.0.1",
		.port = p->port,
		.user = p->user,
		.key_file = p->key,
		.host_keys = p->host_keys,
		.n_host_keys = 1,
		.connections = MFTD_DELIVERS_PARTNER_MAX,
		.connect_s = 10,
		.request_s = 30 };
	return p->acceptor > 0 ? 0 : -1;
}

void
partner_stop(struct partner *p)
{
	close(p->guard);
	if (p->acceptor > 0)
		waitpid(p->acceptor, NULL, 0);
	if (p->dir[0] != '\0')
		remove_tree(p->dir);
}

void
partner_fault(struct partner *p, const char *what)
{
	put(p->dir, "fault", 0600, "%s", what);
}

int
partner_count(const struct partner *p, const char *words)
{
	char path[128], line[1024];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", p->dir);
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, words) != NULL;
	fclose(f);
	return n;
}

/* Whose sshd is gone comes to the acceptor, its reaper. */
static bool
is_idle(void *data)
{
	const struct partner *p = data;
	char path[64];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", p->acceptor,
	    p->acceptor);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	c = getc(f);
	fclose(f);
	return c == EOF;
}

bool
partner_await_idle(const struct partner *p)
{
	return await(is_idle, (void *)(uintptr_t)p);
}

bool
partner_hang_up(struct partner *p)
{
	signal_children(p->acceptor, 5, SIGKILL);
	return partner_await_idle(p);
}

void
partner_fall_silent(struct partner *p)
{
	signal_children(p->acceptor, 5, SIGSTOP);
}

/* How many processes below parent have that name; end: they are killed. */
static int
each_named(pid_t parent, const char *name, bool end)
{
	char path[64], comm[32] = "";
	FILE *f, *g;
	int pid, n = 0;

	snprintf(
	    path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	f = fopen(path, "r");
	while (f != NULL && fscanf(f, "%d", &pid) == 1) {
		n += each_named(pid, name, end);
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		g = fopen(path, "r");
		if (g != NULL && fscanf(g, "%31s", comm) == 1 &&
		    strcmp(comm, name) == 0) {
			n++;
			if (end)
				kill(pid, SIGKILL);
		}
		if (g != NULL)
			fclose(g);
	}
	if (f != NULL)
		fclose(f);
	return n;
}

static bool
has_no_channel(void *data)
{
	const struct partner *p = data;

	return each_named(p->acceptor, "sftp-server", false) == 0;
}

bool
partner_end_channels(struct partner *p)
{
	return each_named(p->acceptor, "sftp-server", true) > 0 &&
	    await(has_no_channel, p);
}

bool
partner_idle(const struct partner *p)
{
	char path[64];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", p->acceptor,
	    p->acceptor);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	c = getc(f);
	fclose(f);
	return c == EOF;
}

bool
partner_has(const struct partner *p, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", p->in, name);
	return lstat(path, &st) == 0;
}

int
partner_names(const struct partner *p)
{
	DIR *d = opendir(p->in);
	int n = 0;

	if (d == NULL)
		return -1;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

bool
await(bool (*cond)(void *data), void *data)
{
	int64_t end = mftd_clock_ms() + 60000;

	while (!cond(data)) {
		if (mftd_clock_ms() > end)
			return false;
		poll(NULL, 0, 5);
	}
	return true;
}

void
make_file(const char *path, uint64_t size, unsigned int seed, uint8_t sum[32])
{
	FILE *f = fopen(path, "w");
	uint64_t i, x = seed;

	if (f == NULL)
		abort();
	for (i = 0; i < size; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		putc((int)(x >> 56), f);
	}
	fclose(f);
	sum_file(path, sum);
}

void
sum_file(const char *path, uint8_t sum[32])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	FILE *f = fopen(path, "r");
	char data[65536];
	size_t n;

	if (f == NULL || md == NULL)
		abort();
	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	while ((n = fread(data, 1, sizeof(data), f)) > 0)
		EVP_DigestUpdate(md, data, n);
	EVP_DigestFinal_ex(md, sum, NULL);
	EVP_MD_CTX_free(md);
	fclose(f);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
