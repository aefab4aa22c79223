/* Part of mftd; see LICENSE. */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "ocf/command.h"

#define AGAIN_MS 500 /* a door that was full may let in the next one */
#define PAYLOAD 64 /* bytes */

/* The files of one check, all in memory: /proc/PID/fd/N, as sftp sees them. */
struct files {
	int batch, sent, came;
	char sent_bytes[PAYLOAD];
};

static void
path_of(int fd, char *path, size_t size)
{
	snprintf(path, size, "/proc/%d/fd/%d", (int)getpid(), fd);
}

/* No route takes what ends in .tmp; the pid keeps two checks apart. */
static bool
write_batch(const struct files *f)
{
	char sent[64], came[64], name[64], text[512];
	int len;

	path_of(f->sent, sent, sizeof(sent));
	path_of(f->came, came, sizeof(came));
	snprintf(name, sizeof(name), "mft-check-%d.tmp", (int)getpid());
	len = snprintf(text, sizeof(text), "put %s %s\nget %s %s\nrm %s\n",
	    sent, name, name, came, name);
	return write(f->batch, text, (size_t)len) == len;
}

static bool
open_files(struct files *f)
{
	f->batch = memfd_create("batch", MFD_CLOEXEC);
	f->sent = memfd_create("sent", MFD_CLOEXEC);
	f->came = memfd_create("came", MFD_CLOEXEC);
	return f->batch != -1 && f->sent != -1 && f->came != -1 &&
	    getrandom(f->sent_bytes, PAYLOAD, 0) == PAYLOAD &&
	    write(f->sent, f->sent_bytes, PAYLOAD) == PAYLOAD && write_batch(f);
}

static void
close_files(const struct files *f)
{
	const int fds[] = { f->batch, f->sent, f->came };

	for (int i = 0; i < 3; i++)
		if (fds[i] != -1)
			close(fds[i]);
}

static bool
came_back(const struct files *f)
{
	char bytes[PAYLOAD + 1];

	return pread(f->came, bytes, sizeof(bytes), 0) == PAYLOAD &&
	    memcmp(bytes, f->sent_bytes, PAYLOAD) == 0;
}

/* The last line of what sftp said, cut to what fits. */
static void
last_words(char *out, char text[static MFTD_CHECK_TEXT_MAX])
{
	size_t len = strlen(out);
	char *nl;

	while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == '\r'))
		out[--len] = '\0';
	/* "Connection closed" stands behind the line that says why */
	if ((nl = strrchr(out, '\n')) != NULL &&
	    strncmp(nl + 1, "Connection closed", 17) == 0)
		*nl = '\0';
	nl = strrchr(out, '\n');
	snprintf(text, MFTD_CHECK_TEXT_MAX, "%s", nl != NULL ? nl + 1 : out);
}

enum mftd_check
mftd_check_meaning(int status, const char *out)
{
	if (status == 0)
		return MFTD_CHECK_WELL;
	if (status == -ETIMEDOUT)
		return MFTD_CHECK_HANGS;
	if (status == 1 || strstr(out, "Permission denied") != NULL)
		return MFTD_CHECK_REFUSED;
	return MFTD_CHECK_FAILED;
}

enum mftd_ocf_code
mftd_check_code(enum mftd_check check, bool storage)
{
	switch (check) {
	case MFTD_CHECK_WELL:
		return MFTD_OCF_SUCCESS;
	case MFTD_CHECK_UNSET:
	case MFTD_CHECK_REFUSED:
		return MFTD_OCF_DEGRADED;
	case MFTD_CHECK_HANGS:
	case MFTD_CHECK_FAILED:
		break;
	}
	return storage ? MFTD_OCF_DEGRADED : MFTD_OCF_ERR_GENERIC;
}

static int
run_sftp(const struct mftd_ocf *ocf, const struct files *f, int64_t left_ms,
    char *out, size_t size)
{
	const char *address = mftd_ocf_param(ocf, "check_address");
	char batch[64], where[512];
	char *argv[] = { "sftp", "-b", batch, "-F", "/dev/null", "-P",
		(char *)mftd_ocf_param(ocf, "check_port"), "-i",
		(char *)mftd_ocf_param(ocf, "check_key"), "-o",
		"IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o",
		"PreferredAuthentications=publickey", "-o",
		"StrictHostKeyChecking=no", "-o",
		"UserKnownHostsFile=/dev/null", "-o",
		"GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "--",
		where, NULL };

	path_of(f->batch, batch, sizeof(batch));
	snprintf(where, sizeof(where),
	    strchr(address, ':') != NULL ? "%s@[%s]" : "%s@%s",
	    mftd_ocf_param(ocf, "check_user"), address);
	return mftd_ocf_command(argv, left_ms, out, size);
}

enum mftd_check
mftd_check_run(const struct mftd_ocf *ocf, int64_t timeout_ms,
    char text[static MFTD_CHECK_TEXT_MAX])
{
	int64_t end_ms = mftd_ocf_now_ms() + timeout_ms, left;
	struct files f = { -1, -1, -1, "" };
	enum mftd_check what = MFTD_CHECK_FAILED;
	bool again = false;
	char out[4096];
	int r;

	*text = '\0';
	if (mftd_ocf_param(ocf, "check_user") == NULL ||
	    mftd_ocf_param(ocf, "check_key") == NULL)
		return MFTD_CHECK_UNSET;
	if (!open_files(&f)) {
		snprintf(text, MFTD_CHECK_TEXT_MAX, "%s", strerror(errno));
		goto out;
	}
	for (;;) {
		left = end_ms - mftd_ocf_now_ms();
		r = run_sftp(ocf, &f, left > 0 ? left : 0, out, sizeof(out));
		/* one more try that ran out of time says nothing new */
		if (again && r == -ETIMEDOUT)
			break;
		what = mftd_check_meaning(r, out);
		last_words(out, text);
		left = end_ms - mftd_ocf_now_ms();
		if (what != MFTD_CHECK_FAILED || left <= AGAIN_MS)
			break;
		poll(NULL, 0, AGAIN_MS);
		again = true;
	}
	if (what == MFTD_CHECK_WELL && !came_back(&f)) {
		snprintf(text, MFTD_CHECK_TEXT_MAX,
		    "what was put is not what came back");
		what = MFTD_CHECK_FAILED;
	}
out:
	close_files(&f);
	return what;
}
