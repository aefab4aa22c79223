/* Part of mftd; see LICENSE. */
#include "mftd/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/text.h"

#define LINE_BYTES 2048

/*
 * The one mutable state outside callback data: where a process logs is a
 * property of the process, as with syslog(3) itself.
 */
static struct {
	bool to_syslog;
	enum mftd_log_level level;
	char process[32];
	char context[160];
} sink = { .level = MFTD_LOG_INFO, .process = "mftd" };

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[MFTD_LOG_ERROR] = { "error", LOG_ERR },
	[MFTD_LOG_WARN] = { "warn", LOG_WARNING },
	[MFTD_LOG_INFO] = { "info", LOG_INFO },
	[MFTD_LOG_DEBUG] = { "debug", LOG_DEBUG },
};

int
mftd_log_open(const char *dest, const char *level)
{
	size_t i;
	bool to_syslog = strcmp(dest, "syslog") == 0;

	if (!to_syslog && strcmp(dest, "stderr") != 0)
		return -EINVAL;
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(level, levels[i].word) == 0)
			break;
	if (i == sizeof(levels) / sizeof(levels[0]))
		return -EINVAL;
	if (to_syslog)
		openlog("mftd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	sink.to_syslog = to_syslog;
	sink.level = (enum mftd_log_level)i;
	return 0;
}

void
mftd_log_process(const char *name)
{
	snprintf(sink.process, sizeof(sink.process), "%s", name);
}

void
mftd_log_context(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sink.context, sizeof(sink.context), fmt, ap);
	va_end(ap);
}

/* Date and time in UTC to the millisecond, with a blank behind it. */
static void
stamp(char *out, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, size - n, ".%03uZ ",
	    (unsigned)(ts.tv_nsec / 1000000) % 1000);
}

void
mftd_log(enum mftd_log_level level, const char *fmt, ...)
{
	char text[LINE_BYTES], safe[LINE_BYTES], line[LINE_BYTES + 321];
	char when[40] = "";
	va_list ap;
	int n;

	if (level > sink.level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!sink.to_syslog)
		stamp(when, sizeof(when));
	n = snprintf(line, sizeof(line), "%s%s %s[%d]%s%s: %s", when,
	    levels[level].word, sink.process, (int)getpid(),
	    sink.context[0] != '\0' ? " " : "", sink.context,
	    mftd_text_safe(text, safe, sizeof(safe)));
	if (n >= (int)sizeof(line) - 1)
		n = sizeof(line) - 2;
	if (sink.to_syslog) {
		syslog(levels[level].priority, "%s", line);
		return;
	}
	line[n++] = '\n'; /* one write: lines of processes do not mix */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nowhere left to say it */
}
