/* Part of mftd; see LICENSE. */
#include "mftd/catalog/handling_file.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/catalog/handling.h"
#include "mftd/catalog/partner_path.h"
#include "mftd/catalog/template.h"

static int
check_word(const struct mftd_check *p, const char *name, const char *word,
    const char *const *words, const char *what, uint32_t *out)
{
	int i = word != NULL ? mftd_handling_word(words, word) : 0;

	if (i < 0)
		return mftd_check_refuse(p, name, what);
	*out = (uint32_t)i;
	return 0;
}

static int
check_words(const struct mftd_check *p, struct mftd_route *r)
{
	const struct mftd_handling_words *w = &r->words;
	int e = check_word(p, "if_exists", w->if_exists, mftd_if_exists_words,
	    "must be fail, number, overwrite or skip", &r->at.if_exists);

	if (e == 0)
		e = check_word(p, "resume", w->resume, mftd_resume_words,
		    "must be restart or verify", &r->at.resume);
	if (e == 0)
		e = check_word(p, "mtime", w->mtime, mftd_mtime_words,
		    "must be unique or preserve", &r->at.preserve);
	return e;
}

static int
check_mode(const struct mftd_check *p, struct mftd_route *r)
{
	char *end = NULL;
	long v = 0;

	if (r->words.mode == NULL)
		return 0;
	if (isdigit((unsigned char)r->words.mode[0]))
		v = strtol(r->words.mode, &end, 8);
	if (end == NULL || *end != '\0' || v < 1 || v > 0777)
		return mftd_check_refuse(
		    p, "mode", "must be octal, \"001\" to \"777\"");
	r->at.mode = (uint32_t)v;
	return 0;
}

/* ---- temporary names */

/* Moves *at to its next component that is not ".", and returns the length of
 * that: 0 at the end. */
static size_t
next_part(const char **at)
{
	size_t len = 0;

	do {
		*at += len;
		*at += strspn(*at, "/");
		len = strcspn(*at, "/");
	} while (len == 1 && **at == '.');
	return len;
}

/* Whether a has its temporary names where b's files come, and its own do not.
 */
static bool
sends_into(const struct mftd_route *a, const struct mftd_route *b)
{
	const char *temp = a->at.temp_directory;

	return temp[0] != '\0' &&
	    mftd_partner_path_may_be_one(temp, b->directory) &&
	    !mftd_partner_path_is_one(temp, a->directory);
}

/* A way back up could be one into the directory itself. */
static bool
leads_up(const char *path)
{
	size_t n;

	for (; (n = next_part(&path)) > 0; path += n)
		if (n == 2 && strncmp(path, "..", 2) == 0)
			return true;
	return false;
}

static void
put_place(char *why, size_t size, const char *what, const struct mftd_route *r,
    bool sure)
{
	snprintf(why, size, "%s the %s of route %s%s", sure ? "is" : "may be",
	    what, r->name,
	    sure ? ""
		 : " (only the partner knows where a login starts: write "
		   "its folders in one way)");
}

/* What one sends there under a temporary name could be the other's file. */
static int
check_places(
    const struct mftd_check *p, const struct mftd_route *list, size_t i)
{
	char why[MFTD_NAME_BYTES + 160];
	const char *temp;
	size_t k;

	for (k = 0; k < i; k++) {
		if (list[k].partner == NULL ||
		    strcmp(list[k].partner, list[i].partner) != 0)
			continue;
		temp = list[i].at.temp_directory;
		put_place(why, sizeof(why), "directory", &list[k],
		    mftd_partner_path_is_one(temp, list[k].directory));
		if (sends_into(&list[i], &list[k]))
			return mftd_check_refuse(p, "temp_directory", why);
		temp = list[k].at.temp_directory;
		put_place(why, sizeof(why), "temp_directory", &list[k],
		    mftd_partner_path_is_one(temp, list[i].directory));
		if (sends_into(&list[k], &list[i]))
			return mftd_check_refuse(p, "directory", why);
	}
	return 0;
}

static int
check_temp(const struct mftd_check *p, const struct mftd_route *r)
{
	const struct mftd_handling *at = &r->at;

	if (!mftd_check_plain(at->temp_suffix) ||
	    strchr(at->temp_suffix, '/') != NULL)
		return mftd_check_refuse(
		    p, "temp_suffix", "holds a slash or a control character");
	if (!mftd_check_plain(at->temp_directory))
		return mftd_check_refuse(
		    p, "temp_directory", "holds a control character");
	if (leads_up(at->temp_directory))
		return mftd_check_refuse(p, "temp_directory", "holds a \"..\"");
	if (at->temp_suffix[0] == '\0' && at->temp_directory[0] != '\0' &&
	    mftd_partner_path_is_one(at->temp_directory, r->directory))
		return mftd_check_refuse(p, "temp_directory",
		    "is the directory itself, and there is no temp_suffix");
	return 0;
}

/* ---- the trigger file */

/* A template of what is known at the partner: the name that the file has there
 * (trigger.c). */
static const char *
trigger_fault(const char *template)
{
	const char *fault = mftd_template_fault(template);

	if (fault == NULL &&
	    (mftd_template_counts(template) ||
		strstr(template, "{date}") != NULL ||
		strstr(template, "{time}") != NULL))
		fault = "may have {name}, {stem} and {suffix}, no others";
	return fault;
}

/* Text without a brace is a suffix. */
static int
complete_trigger(char *text, size_t size)
{
	size_t len = strlen(text);

	if (len == 0 || strchr(text, '{') != NULL)
		return 0;
	if (len + strlen("{name}") >= size)
		return -1;
	memmove(text + strlen("{name}"), text, len + 1);
	memcpy(text, "{name}", strlen("{name}"));
	return 0;
}

/* It would be one of the names that its files have while they are sent. */
static bool
ends_as_temporary(const struct mftd_route *r)
{
	const char *end = r->at.temp_suffix, *trigger = r->at.trigger;
	size_t n = strlen(end), len = strlen(trigger);

	return n > 0 && len >= n && strcmp(trigger + len - n, end) == 0;
}

static int
check_trigger(const struct mftd_check *p, struct mftd_route *r)
{
	const struct mftd_template_values v = { .name = "a.b" };
	char name[MFTD_TEMPLATE_BYTES];

	if (complete_trigger(r->at.trigger, sizeof(r->at.trigger)) < 0)
		return mftd_check_refuse(p, "trigger", "too long");

	const char *fault =
	    r->at.trigger[0] != '\0' ? trigger_fault(r->at.trigger) : NULL;

	if (fault == NULL && r->at.trigger[0] != '\0' &&
	    mftd_template_make(r->at.trigger, &v, name, sizeof(name)) == 0 &&
	    strcmp(name, v.name) == 0)
		fault = "is the file's own name";
	if (fault == NULL && ends_as_temporary(r))
		fault = "ends as the temporary names do (temp_suffix)";
	if (fault != NULL)
		return mftd_check_refuse(p, "trigger", fault);
	if (r->at.trigger_line[0] == '\0')
		return 0;
	if (r->at.trigger[0] == '\0')
		return mftd_check_refuse(
		    p, "trigger_line", "means nothing without a trigger");
	fault = trigger_fault(r->at.trigger_line);
	return fault != NULL ? mftd_check_refuse(p, "trigger_line", fault) : 0;
}

/* An account's folder is none that these could say something of. */
static int
check_none(const struct mftd_check *p)
{
	static const char *const names[] = { "if_exists", "resume", "mtime",
		"mode", "temp_suffix", "temp_directory", "trigger",
		"trigger_line" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mftd_check_given(p, names[i]))
			return mftd_check_refuse(
			    p, names[i], "is for routes to a partner");
	return 0;
}

int
mftd_handling_file_check(
    const struct mftd_check *p, struct mftd_route *list, size_t i)
{
	int e;

	if (list[i].partner == NULL)
		return check_none(p);
	e = check_words(p, &list[i]);
	if (e == 0)
		e = check_mode(p, &list[i]);
	if (e == 0)
		e = check_temp(p, &list[i]);
	if (e == 0)
		e = check_places(p, list, i);
	return e == 0 ? check_trigger(p, &list[i]) : e;
}

void
mftd_handling_words_free(struct mftd_handling_words *w)
{
	free(w->if_exists);
	free(w->resume);
	free(w->mtime);
	free(w->mode);
}
