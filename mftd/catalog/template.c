/* Part of mftd; see LICENSE. */
#include "mftd/catalog/template.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mftd/base/limits.h"
#include "mftd/base/path.h"

#define NAME_MAX_BYTES 255
#define DIGITS_MAX 18 /* of {seq:N} */
#define US_PER_S 1000000

/* What is made, as far as it fits. */
struct output {
	char *text;
	size_t size, len;
};

static void
put(struct output *o, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++, o->len++)
		if (o->len < o->size)
			o->text[o->len] = text[i];
}

static size_t
stem_of(const char *name)
{
	const char *dot = strrchr(name, '.');

	/* ".profile" is no suffix alone */
	return dot != NULL && dot != name ? (size_t)(dot - name) : strlen(name);
}

static void
put_name(struct output *o, const struct mftd_template_values *v, int digits)
{
	(void)digits;
	put(o, v->name, strlen(v->name));
}

static void
put_stem(struct output *o, const struct mftd_template_values *v, int digits)
{
	(void)digits;
	put(o, v->name, stem_of(v->name));
}

static void
put_suffix(struct output *o, const struct mftd_template_values *v, int digits)
{
	const char *suffix = v->name + stem_of(v->name);

	(void)digits;
	put(o, suffix, strlen(suffix));
}

static void
put_clock(
    struct output *o, const struct mftd_template_values *v, const char *format)
{
	time_t at = (time_t)(v->time_us / US_PER_S);
	char text[32];
	struct tm tm;

	gmtime_r(&at, &tm);
	put(o, text, strftime(text, sizeof(text), format, &tm));
}

static void
put_date(struct output *o, const struct mftd_template_values *v, int digits)
{
	(void)digits;
	put_clock(o, v, "%Y%m%d");
}

static void
put_time(struct output *o, const struct mftd_template_values *v, int digits)
{
	(void)digits;
	put_clock(o, v, "%H%M%S");
}

static void
put_year(struct output *o, const struct mftd_template_values *v, int digits)
{
	(void)digits;
	put_clock(o, v, "%Y");
}

static void
put_month(struct output *o, const struct mftd_template_values *v, int digits)
{
	(void)digits;
	put_clock(o, v, "%m");
}

static void
put_day(struct output *o, const struct mftd_template_values *v, int digits)
{
	(void)digits;
	put_clock(o, v, "%d");
}

static void
put_seq(struct output *o, const struct mftd_template_values *v, int digits)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%0*" PRIu64, digits, v->seq);

	put(o, text, (size_t)n);
}

static const struct word {
	const char *text;
	void (*put)(
	    struct output *o, const struct mftd_template_values *v, int digits);
} words[] = {
	{ "name", put_name },
	{ "stem", put_stem },
	{ "suffix", put_suffix },
	{ "date", put_date },
	{ "time", put_time },
	{ "year", put_year },
	{ "month", put_month },
	{ "day", put_day },
	{ "seq", put_seq },
};

/* The word of "{word}" or "{seq:N}"; NULL: there is none such.  *len: of all
 * up to the brace that closes it. */
static const struct word *
find_word(const char *at, size_t *len, int *digits)
{
	size_t i, n = strcspn(at + 1, ":}");
	const char *end = strchr(at, '}');

	*digits = 1;
	if (end == NULL)
		return NULL;
	*len = (size_t)(end - at) + 1;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].text) == n &&
		    strncmp(words[i].text, at + 1, n) == 0)
			break;
	if (i == sizeof(words) / sizeof(words[0]))
		return NULL;
	if (at[1 + n] == '}')
		return &words[i];
	at += n + 2; /* behind the colon */
	*digits = 0;
	for (n = 0; at + n < end; n++) {
		if (at[n] < '0' || at[n] > '9' || *digits > DIGITS_MAX)
			return NULL;
		*digits = 10 * *digits + at[n] - '0';
	}
	return words[i].put == put_seq && *digits >= 1 && *digits <= DIGITS_MAX
	    ? &words[i]
	    : NULL;
}

/* 0; -EINVAL for a template at fault. */
static int
expand(const char *template, const struct mftd_template_values *v,
    struct output *o)
{
	const struct word *word;
	size_t len;
	int digits;

	for (; *template != '\0'; template += len) {
		len = 1;
		if (*template == '}')
			return -EINVAL;
		if (*template != '{') {
			put(o, template, 1);
			continue;
		}
		word = find_word(template, &len, &digits);
		if (word == NULL)
			return -EINVAL;
		word->put(o, v, digits);
	}
	return 0;
}

const char *
mftd_template_fault(const char *template)
{
	const struct mftd_template_values v = { .name = "a.b" };
	const struct mftd_template_values plain = { .name = "a" };
	char out[NAME_MAX_BYTES + 1];
	struct output o = { .text = out, .size = sizeof(out) };
	const char *c;

	if (template[0] == '\0')
		return "is empty";
	if (strlen(template) >= MFTD_TEMPLATE_BYTES)
		return "too long";
	for (c = template; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "holds a control character";
	if (strchr(template, '/') != NULL)
		return "holds a slash";
	if (expand(template, &v, &o) < 0)
		return "must be text with {name}, {stem}, {suffix}, {date}, "
		       "{time}, {year}, {month}, {day}, {seq} or {seq:1} to "
		       "{seq:18}";
	/* "a" shows what has no suffix */
	if (mftd_template_make(template, &v, out, sizeof(out)) < 0 ||
	    mftd_template_make(template, &plain, out, sizeof(out)) < 0)
		return "may make a name that no file can have: empty, \".\", "
		       "\"..\" or longer than 255 bytes";
	return NULL;
}

bool
mftd_template_counts(const char *template)
{
	return strstr(template, "{seq") != NULL;
}

int
mftd_template_make(const char *template, const struct mftd_template_values *v,
    char *out, size_t size)
{
	struct output o = { .text = out, .size = size };

	if (expand(template, v, &o) < 0 || o.len == 0 ||
	    o.len > NAME_MAX_BYTES || o.len >= size)
		return -EINVAL;
	out[o.len] = '\0';
	if (strchr(out, '/') != NULL || strcmp(out, ".") == 0 ||
	    strcmp(out, "..") == 0)
		return -EINVAL;
	return 0;
}

/* ---- the way back */

/* Where in a name an end of what was read of the template so far may be. */
struct ends {
	bool at[NAME_MAX_BYTES + 2];
};

static void
read_text(struct ends *e, const char *name, size_t len, char c)
{
	size_t i;

	for (i = len + 1; i-- > 0;)
		e->at[i + 1] = i < len && e->at[i] && name[i] == c;
	e->at[0] = false;
}

/* {suffix}: nothing, or a dot and no further one. */
static void
read_suffix(struct ends *e, const char *name, size_t len)
{
	bool within = false, here = e->at[0], next;
	size_t i;

	for (i = 0; i < len; i++, here = next) {
		next = e->at[i + 1];
		within = name[i] == '.' ? here : within;
		e->at[i + 1] |= within;
	}
}

/* Any other: at least a byte. */
static void
read_any(struct ends *e, size_t len)
{
	bool before = false, here;
	size_t i;

	for (i = 0; i <= len; i++) {
		here = e->at[i];
		e->at[i] = before;
		before |= here;
	}
}

bool
mftd_template_may_make(const char *template, const char *name)
{
	struct ends e = { .at = { true } };
	const struct word *word;
	size_t len = strlen(name), step;
	bool tells = false;
	int digits;

	if (len > NAME_MAX_BYTES)
		return false;
	for (; *template != '\0'; template += step) {
		step = 1;
		if (*template != '{') {
			read_text(&e, name, len, *template);
			tells = true;
			continue;
		}
		word = find_word(template, &step, &digits);
		if (word == NULL)
			return false;
		if (word->put == put_suffix)
			read_suffix(&e, name, len);
		else
			read_any(&e, len);
	}
	return tells && e.at[len];
}

/* ---- folders */

/* A word that says something of the file, or of a number. */
static bool
names_a_file(const char *template)
{
	static const char *const no[] = { "{name", "{stem", "{suffix", "{seq" };
	size_t i;

	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (strstr(template, no[i]) != NULL)
			return true;
	return false;
}

/* NULL, or what is wrong with a folder's path as it was made. */
static const char *
folder_path_fault(const char *path)
{
	char clean[MFTD_PATH_BYTES];

	if (path[0] == '/')
		return "must be a path below the account's root or the volume, "
		       "without a slash before it";
	if (mftd_path_clean(path, strlen(path), clean, sizeof(clean)) < 0 ||
	    strcmp(path, clean) != 0 || strcmp(path, ".") == 0)
		return "must be a path like old/{year}: without \".\", \"..\", "
		       "an empty part or a slash at its end";
	if (strncmp(path, ".mft", 4) == 0 &&
	    (path[4] == '/' || path[4] == '\0'))
		return "lies in .mft, which is mftd's own";
	return NULL;
}

int
mftd_template_folder_make(
    const char *template, int64_t time_us, char *out, size_t size)
{
	const struct mftd_template_values v = { .name = "",
		.time_us = time_us };
	struct output o = { .text = out, .size = size };

	if (expand(template, &v, &o) < 0 || o.len == 0 || o.len >= size)
		return -EINVAL;
	out[o.len] = '\0';
	return folder_path_fault(out) == NULL ? 0 : -EINVAL;
}

const char *
mftd_template_folder_fault(const char *template)
{
	const struct mftd_template_values v = { .name = "" };
	char out[MFTD_PATH_BYTES];
	struct output o = { .text = out, .size = sizeof(out) };
	const char *c;

	if (strlen(template) >= MFTD_TEMPLATE_BYTES)
		return "too long";
	for (c = template; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "holds a control character";
	if (names_a_file(template))
		return "is a folder for many files: no {name}, {stem}, "
		       "{suffix} or {seq}";
	if (expand(template, &v, &o) < 0 || o.len >= sizeof(out))
		return "has words in braces that are none of {year}, {month}, "
		       "{day}, {date} and {time}";
	out[o.len] = '\0';
	return folder_path_fault(out);
}
