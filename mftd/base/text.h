/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_TEXT_H
#define MFTD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Names of files are any bytes, and so may be other words from outside.  Both
 * of these write a byte that is not UTF-8 (RFC 3629) as "\xff"; what does not
 * fit into size bytes is left out, never half of a character or escape.
 */

/* What a byte may become at most. */
#define MFTD_TEXT_GROWS 6

/* For terminals, logs and mails: besides, what moves a terminal or changes the
 * order of what is read becomes "\u001b" as JSON has it: C0, DEL and C1
 * controls, line separators, and the bidirectional controls of Unicode (UAX 9).
 * So the text of a JSON string stays the same string.  Returns out. */
const char *mftd_text_safe(const char *text, char *out, size_t size);

/* UTF-8 of any bytes.  Whether text was UTF-8 already. */
bool mftd_text_utf8(const char *text, char *out, size_t size);

#endif
