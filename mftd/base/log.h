/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_LOG_H
#define MFTD_BASE_LOG_H

/*
 * One line per event: level, process, correlation context, text.  To stderr
 * (with the time; the journal adds its own), or syslog.  The line's context is
 * the correlation id of the session or delivery this process works for.
 */
enum mftd_log_level {
	MFTD_LOG_ERROR,
	MFTD_LOG_WARN,
	MFTD_LOG_INFO,
	MFTD_LOG_DEBUG
};

/*
 * Sets where lines go and from which level on; called once per process before
 * threads.  dest: "stderr" or "syslog"; level: error, warn, info, debug.
 * Returns 0, or -EINVAL for an unknown word (nothing is changed).
 */
int mftd_log_open(const char *dest, const char *level);

/* Names this process in its lines ("journal"); the name is copied. */
void mftd_log_process(const char *name);

/* Sets the context of later lines ("session=… account=…"), copied; "" ends. */
void mftd_log_context(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

void mftd_log(enum mftd_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) mftd_log(MFTD_LOG_ERROR, __VA_ARGS__)
#define log_warn(...) mftd_log(MFTD_LOG_WARN, __VA_ARGS__)
#define log_info(...) mftd_log(MFTD_LOG_INFO, __VA_ARGS__)
#define log_debug(...) mftd_log(MFTD_LOG_DEBUG, __VA_ARGS__)

#endif
