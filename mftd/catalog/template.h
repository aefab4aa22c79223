/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_TEMPLATE_H
#define MFTD_CATALOG_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a route calls a file at the other end: text with words in braces.
 *
 *   {name}    the file's name as it is
 *   {stem}    without its last suffix; {suffix} that, with its dot, or nothing
 *   {date}    20270131, when it was uploaded, in UTC; {time} 235959
 *   {year} {month} {day}    of that date: 2027, 01, 31
 *   {seq}     the route's number of this file, from 1; {seq:6} with zeros
 */
#define MFTD_TEMPLATE_BYTES 256

struct mftd_template_values {
	const char *name;
	int64_t time_us; /* of the upload, since the epoch */
	uint64_t seq;
};

/* NULL, or what is wrong with a template. */
const char *mftd_template_fault(const char *template);

/* Whether it asks for {seq}. */
bool mftd_template_counts(const char *template);

/* The name; one that no file can have (longer than 255 bytes, ".", "..", with
 * a slash) or a template at fault: -EINVAL. */
int mftd_template_make(const char *template,
    const struct mftd_template_values *v, char *out, size_t size);

/*
 * Whether name may be what template makes of some file's name, which it tells
 * apart by the text around its words: without any, "{stem}", it tells nothing,
 * and it is false.  Words of one file are not compared with each other, so it
 * is true of a few names more.  At fault, or a name above 255 bytes: false.
 */
bool mftd_template_may_make(const char *template, const char *name);

/*
 * mftd_template_make of a folder's path, "archive/{year}/{month}": the words of
 * time only. What is made is clean (base/path.h) and not in .mft.
 */
const char *mftd_template_folder_fault(const char *template);
int mftd_template_folder_make(
    const char *template, int64_t time_us, char *out, size_t size);

#endif
