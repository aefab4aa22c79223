/* Part of mftd; see LICENSE. */
/*
 * Logging as ocf-shellfuncs does it: a terminal gets everything; else
 * HA_LOGFACILITY names a syslog facility, HA_LOGFILE (or HA_logfile) and
 * HA_DEBUGLOG each a file that gets a line; with none of them it is stderr,
 * which the executor logs. Pacemaker gives its own log as HA_LOGFILE.
 */
#ifndef MFTD_OCF_LOG_H
#define MFTD_OCF_LOG_H

#include "ocf.h"

enum mftd_ocf_level {
	MFTD_OCF_LOG_ERR,
	MFTD_OCF_LOG_WARN,
	MFTD_OCF_LOG_INFO,
	MFTD_OCF_LOG_DEBUG, /* only with HA_debug set and not 0 */
};

/* Lines are cut at MFTD_OCF_TEXT_MAX, control characters become '?'. */
void mftd_ocf_log(const struct mftd_ocf *ocf, enum mftd_ocf_level level,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Why the exit code is what it is: a line with OCF_EXIT_REASON_PREFIX on
 * stderr, which Pacemaker shows (its first 128 characters), and in the log.
 */
void mftd_ocf_reason(const struct mftd_ocf *ocf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A syslog facility by name ("daemon", "local3"), -1 if there is none. */
int mftd_ocf_log_facility(const char *name);

#endif
