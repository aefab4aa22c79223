/* Part of mftd; see LICENSE. */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[MFTD_OCF_LOG_ERR] = { "ERROR", LOG_ERR },
	[MFTD_OCF_LOG_WARN] = { "WARNING", LOG_WARNING },
	[MFTD_OCF_LOG_INFO] = { "INFO", LOG_INFO },
	[MFTD_OCF_LOG_DEBUG] = { "DEBUG", LOG_DEBUG },
};

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{ "auth", LOG_AUTH },
	{ "authpriv", LOG_AUTHPRIV },
	{ "cron", LOG_CRON },
	{ "daemon", LOG_DAEMON },
	{ "ftp", LOG_FTP },
	{ "kern", LOG_KERN },
	{ "lpr", LOG_LPR },
	{ "mail", LOG_MAIL },
	{ "news", LOG_NEWS },
	{ "syslog", LOG_SYSLOG },
	{ "user", LOG_USER },
	{ "uucp", LOG_UUCP },
	{ "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 },
};

int
mftd_ocf_log_facility(const char *name)
{
	for (size_t i = 0; i < sizeof(facilities) / sizeof(*facilities); i++)
		if (strcasecmp(facilities[i].name, name) == 0)
			return facilities[i].facility;
	return -1;
}

/* The variable's value, or NULL when it is unset, empty or "none". */
static const char *
setting(const char *name)
{
	const char *v = getenv(name);

	if (v == NULL || *v == '\0' || strcmp(v, "none") == 0)
		return NULL;
	return v;
}

static void
write_all(int fd, const char *line)
{
	ssize_t n = write(fd, line, strlen(line));

	(void)n; /* nowhere left to complain */
}

/* "Nov 20 23:10:48.123": the format of pacemaker.log, so that one can sort. */
static void
wall_clock(char *buf, size_t size)
{
	struct timespec ts;
	struct tm tm;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(day, sizeof(day), "%b %d %H:%M:%S", &tm);
	snprintf(buf, size, "%s.%03ld", day, ts.tv_nsec / 1000000);
}

static bool
log_to_file(const char *path, const char *tag, const char *text)
{
	char line[MFTD_OCF_TEXT_MAX + 256], when[64];
	int fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

	if (fd == -1)
		return false;
	wall_clock(when, sizeof(when));
	snprintf(line, sizeof(line), "%s %s:    %s\n", when, tag, text);
	write_all(fd, line);
	close(fd);
	return true;
}

static void
put(const struct mftd_ocf *ocf, enum mftd_ocf_level level, const char *msg,
    bool on_stderr)
{
	const char *facility_name = setting("HA_LOGFACILITY");
	const char *file = setting("HA_LOGFILE");
	const char *debug = setting("HA_DEBUGLOG");
	char tag[160], text[MFTD_OCF_TEXT_MAX + 16];
	int facility = -1;
	bool written = false;

	if (file == NULL)
		file = setting("HA_logfile");
	snprintf(tag, sizeof(tag), "%s(%.100s)[%d]", ocf->agent->name,
	    ocf->instance, (int)getpid());
	snprintf(text, sizeof(text), "%s: %s", levels[level].word, msg);
	if (!isatty(STDIN_FILENO)) {
		if (facility_name != NULL)
			facility = mftd_ocf_log_facility(facility_name);
		if (facility != -1) {
			openlog(tag, 0, facility);
			syslog(levels[level].priority, "%s", text);
			closelog();
			written = true;
		}
		if (file != NULL && log_to_file(file, tag, text))
			written = true;
		if (debug != NULL &&
		    (file == NULL || strcmp(debug, file) != 0) &&
		    log_to_file(debug, tag, text))
			written = true;
	}
	if (!written && on_stderr)
		fprintf(stderr, "%s: %s\n", tag, text);
}

static void
format(char *buf, size_t size, const char *fmt, va_list ap)
{
	vsnprintf(buf, size, fmt, ap);
	for (char *p = buf; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
}

void
mftd_ocf_log(
    const struct mftd_ocf *ocf, enum mftd_ocf_level level, const char *fmt, ...)
{
	const char *debug = getenv("HA_debug");
	char msg[MFTD_OCF_TEXT_MAX];
	va_list ap;

	if (level == MFTD_OCF_LOG_DEBUG &&
	    (debug == NULL || *debug == '\0' || strcmp(debug, "0") == 0))
		return;
	va_start(ap, fmt);
	format(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	put(ocf, level, msg, true);
}

void
mftd_ocf_reason(const struct mftd_ocf *ocf, const char *fmt, ...)
{
	const char *prefix = getenv("OCF_EXIT_REASON_PREFIX");
	char msg[MFTD_OCF_TEXT_MAX];
	va_list ap;

	if (prefix == NULL || *prefix == '\0')
		prefix = "ocf-exit-reason:";
	va_start(ap, fmt);
	format(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s%s\n", prefix, msg);
	put(ocf, MFTD_OCF_LOG_ERR, msg, false);
}
