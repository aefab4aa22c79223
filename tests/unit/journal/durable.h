/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_DURABLE_H
#define TESTS_UNIT_JOURNAL_DURABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Looks at each system call of a process (steps.h: watch) and knows which files
 * and directories it has changed and not synced since.  When it promises
 * something there must be none: when it sends an answer to a session or the
 * catalog, marks a stream as recovered or says where its recovery begins,
 * before it takes anything of a stream away, and before it takes a delivered
 * source away or drops the proof of that.  A file must be durable before it is
 * renamed, and one of the journal before its name is; growth of what an account
 * uses before it publishes.  So a missing sync is found without a power cut, on
 * any file system, whether that one would have forgiven it or not.  What a
 * process that is killed left undone counts for the one that is watched next.
 */
struct durable;

/* session: it is a session's process: what it promises is that a part is
 * durable when it asks to publish it. */
struct durable *durable_new(bool session);
void durable_watch(void *durable, pid_t pid, int nr, const uint64_t args[6]);

/* Somebody who is not watched wrote to the file: the process must sync it. */
void durable_wrote(struct durable *d, const char *path);

/* The promises that were seen (answers are JOURNAL_RESULT, SESSION_READY,
 * DISPOSED, RECOVERED), and whether nothing was undone at any of them; what was
 * is printed. */
unsigned durable_answers(const struct durable *d);
bool durable_good(const struct durable *d);
void durable_free(struct durable *d);

/* Runs body, which returns 0, in a process of its own that is watched. */
void durable_run(struct durable *d, int (*body)(void *data), void *data);

/* The same, once.  Whether so many promises at least were seen, all in order,
 * and nothing is undone at its end. */
bool durable_in_order(int (*body)(void *data), void *data, unsigned promises);

#endif
