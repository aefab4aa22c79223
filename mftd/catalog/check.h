/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_CHECK_H
#define MFTD_CATALOG_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/conf/conf.h"
#include "mftd/conf/yaml.h"

/* Checks of an objects file, and where what they refuse stands: the entry
 * index of the list of that name. */
struct mftd_check {
	const struct mftd_yaml *y;
	const struct mftd_conf *conf; /* this node's, or NULL */
	const char *list;
	size_t index;
};

struct mftd_account;

/* The i-th account of the file that data is, NULL behind the last. */
typedef const struct mftd_account *(*mftd_account_at_fn)(
    const void *data, size_t i);

/* Refuses the entry's field with those words; _entry: one entry of a list in
 * that field.  Both return -MFTD_E_CONF. */
int mftd_check_refuse(
    const struct mftd_check *p, const char *name, const char *words);
int mftd_check_refuse_entry(const struct mftd_check *p, const char *name,
    size_t index, const char *words);

/* Whether the file gives the field. */
bool mftd_check_given(const struct mftd_check *p, const char *name);

/* Whether text holds no control character. */
bool mftd_check_plain(const char *text);

/* NULL, or what is wrong with a directory below the volume. */
const char *mftd_check_path_fault(const char *path);

/* A size, "10", "64K", "2M", "5G", "1T", with those of the units that are
 * allowed: at least 1, below 2^63.  text may be NULL: *out stays.  0 or
 * -MFTD_E_CONF. */
int mftd_check_size(const struct mftd_check *p, const char *name,
    const char *text, const char *units, uint64_t *out);

/* Public keys, "type base64 [comment]".  0 or -MFTD_E_CONF. */
int mftd_check_keys(
    const struct mftd_check *p, const char *name, char **keys, size_t n);

/* Refuses the field where mftd.yaml has no queue "default": its owner is the
 * one that runs hooks (hook/hooks.h).  0 or -MFTD_E_CONF. */
int mftd_check_hooks_run(const struct mftd_check *p, const char *name);

#endif
