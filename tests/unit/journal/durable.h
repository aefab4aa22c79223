/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_DURABLE_H
#define TESTS_UNIT_JOURNAL_DURABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Looks at each system call of a process (steps.h: watch) and knows which files
 * and directories it has changed and not synced since.  When it sends an answer
 * to a session, or marks a stream as recovered, there must be none.  So a
 * missing sync is found without a power cut, on any file system, whether that
 * one would have forgiven it or not.  What a process that is killed left undone
 * counts for the one that is watched next.
 */
struct durable;

/* session: it is a session's process: what it promises is that a part is
 * durable when it asks to publish it. */
struct durable *durable_new(bool session);
void durable_watch(void *durable, pid_t pid, int nr, const uint64_t args[6]);

/* Answers to requests (JOURNAL_RESULT, SESSION_READY, RECOVERED) and marks that
 * were seen, and whether nothing was undone at any of them; what was is
 * printed. */
unsigned durable_answers(const struct durable *d);
bool durable_good(const struct durable *d);
void durable_free(struct durable *d);

#endif
