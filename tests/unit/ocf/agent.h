/* Part of mftd; see LICENSE. */
/* An agent for the tests of the library, and a clean environment. */
#ifndef MFTD_TESTS_UNIT_OCF_AGENT_H
#define MFTD_TESTS_UNIT_OCF_AGENT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ocf/ocf.h"

static const struct mftd_ocf_param test_params[] = {
	{ .name = "dir",
	    .type = MFTD_OCF_PATH,
	    .min = 2,
	    .max = 10,
	    .value = "/run/x",
	    .shortdesc = "a <dir>",
	    .longdesc = "\"one\" & two" },
	{ .name = "queue",
	    .type = MFTD_OCF_STRING,
	    .min = 1,
	    .max = 4,
	    .allowed = "abc",
	    .unique_group = "q",
	    .required = true,
	    .shortdesc = "q",
	    .longdesc = "q" },
	{ .name = "port",
	    .type = MFTD_OCF_INTEGER,
	    .min = 1,
	    .max = 65535,
	    .value = "22",
	    .shortdesc = "p",
	    .longdesc = "p" },
	{ .name = "fast",
	    .type = MFTD_OCF_BOOLEAN,
	    .shortdesc = "f",
	    .longdesc = "f" },
};

#define SAVED_STDERR 100

/* Sends stderr to a file; read_stderr() gives what was written so far. */
static inline void
catch_stderr(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	assert_true(fd != -1);
	if (fcntl(SAVED_STDERR, F_GETFD) == -1)
		assert_true(dup2(2, SAVED_STDERR) == SAVED_STDERR);
	assert_true(dup2(fd, 2) == 2);
	close(fd);
}

/* What was caught goes where it belongs: cmocka's messages are in it. */
static inline int
release_stderr(void **state)
{
	char buf[4096];
	ssize_t n, at = 0;

	(void)state;
	if (fcntl(SAVED_STDERR, F_GETFD) == -1)
		return 0;
	for (; (n = pread(2, buf, sizeof(buf), at)) > 0; at += n)
		if (write(SAVED_STDERR, buf, (size_t)n) != n)
			break;
	dup2(SAVED_STDERR, 2);
	return close(SAVED_STDERR);
}

static inline const char *
read_stderr(char *buf, size_t size)
{
	ssize_t n = pread(2, buf, size - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	return buf;
}

static inline int
clean_env(void **state)
{
	int null = open("/dev/null", O_RDWR);

	(void)state;
	clearenv();
	setenv("PATH", "/usr/bin:/bin", 1);
	setenv("TZ", "UTC", 1);
	setenv("OCF_RESKEY_queue", "abc", 1);
	setenv("OCF_RESOURCE_INSTANCE", "res:0", 1);
	if (null == -1 || dup2(null, 0) == -1)
		return -1;
	return null > 2 ? close(null) : 0;
}

#endif
