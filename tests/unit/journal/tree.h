/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_TREE_H
#define TESTS_UNIT_JOURNAL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/journal/head.h"

/* A temporary directory of a test, removed with all below it. */
struct tree {
	char path[4096];
	int fd;
};

void tree_make(struct tree *t);
void tree_remove(struct tree *t);

/* Writes text to path below the tree. */
void tree_write(struct tree *t, const char *path, const char *text);

/* Whether path holds exactly text; NULL: whether there is no such path. */
bool tree_holds(struct tree *t, const char *path, const char *text);

uint64_t tree_inode(struct tree *t, const char *path);

/* How many entries the directory path has. */
int tree_count(struct tree *t, const char *path);

/* A key to sign streams with, the same all through a process. */
const struct mftd_signer *tree_signer(void);

#endif
