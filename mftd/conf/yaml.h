/* Part of mftd; see LICENSE. */
#ifndef MFTD_CONF_YAML_H
#define MFTD_CONF_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <cyaml/cyaml.h>

/*
 * A YAML file read by a libcyaml schema, with errors that name line and field.
 * libcyaml 1.3.1 tells lines only in its log, and there the line of the event
 * before for an unknown or repeated key; so the file is also kept as a libyaml
 * document, in which fields are found by name.
 *
 * A field is named as in "volumes[1].path" (indices from 0); "" is the whole.
 */
struct mftd_yaml;

#define MFTD_YAML_FILE_BYTES (1024 * 1024) /* a file, at most */

/*
 * Reads file into *data (as schema says; freed by mftd_yaml_data_free) and
 * *y, which must be freed before why goes out of scope.  Unknown keys, aliases,
 * an empty file, a second document, more than 16 levels, a NUL in a text and a
 * number that is not decimal digits behind an optional sign, and a truth value
 * that is none of true, yes, on, false, no and off are errors.
 * On failure -errno, or -MFTD_E_CONF with "FILE:LINE: FIELD: what is wrong" in
 * why (size bytes; may be NULL with 0); nothing is left to free.  Values are
 * never repeated in it: they may be secrets.
 */
int mftd_yaml_load(const char *file, const cyaml_schema_value_t *schema,
    void **data, struct mftd_yaml **y, char *why, size_t size);

/* Says what is wrong with a field of y, in load's why, and returns
 * -MFTD_E_CONF. */
int mftd_yaml_refuse(const struct mftd_yaml *y, const char *field,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Whether the file gives that field. */
bool mftd_yaml_has(const struct mftd_yaml *y, const char *field);

/* Frees y, which may be NULL. */
void mftd_yaml_free(struct mftd_yaml *y);

/* Frees what load made; data may be NULL.  Its parts were allocated by
 * malloc(3), so they may be replaced by the caller's own. */
void mftd_yaml_data_free(const cyaml_schema_value_t *schema, void *data);

#endif
