/* Part of mftd; see LICENSE. */
#include "mftd/hook/message.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "mftd/base/path.h"
#include "mftd/base/text.h"

#define ENVIRONMENT_MAX 32
#define US_PER_S 1000000
#define MAIL_LINE 57 /* bytes that make a line of 76 in base64 */
#define SUBJECT_NAME 60 /* of a file's name in a subject */

/* ---- JSON */

static void
put_time(json_t *o, const char *key, int64_t time_us)
{
	time_t s = (time_t)(time_us / US_PER_S);
	char text[64];
	struct tm tm;

	if (time_us == 0)
		return;
	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_object_set_new(o, key, json_string(text));
}

static void
put_text(json_t *o, const char *key, const char *text)
{
	if (text[0] != '\0')
		json_object_set_new(o, key, json_string(text));
}

static void
put_hex(json_t *o, const char *key, const uint8_t *data, size_t n)
{
	char hex[2 * MFTD_NUMBERED_BYTES + 1];
	size_t i;

	for (i = 0; i < n && i < MFTD_NUMBERED_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", data[i]);
	json_object_set_new(o, key, json_string(hex));
}

/* Any bytes. */
static void
put_bytes(json_t *o, const char *key, const char *hex_key, const char *text)
{
	char utf8[MFTD_TEXT_GROWS * MFTD_NUMBERED_BYTES];
	bool is_utf8 = mftd_text_utf8(text, utf8, sizeof(utf8));

	put_text(o, key, utf8);
	if (!is_utf8)
		put_hex(o, hex_key, (const uint8_t *)text, strlen(text));
}

static json_t *
object_of(const struct mftd_event *e)
{
	json_t *o = json_object();

	put_text(o, "id", e->id);
	put_text(o, "event", e->kind);
	put_time(o, "time", e->time_us);
	put_text(o, "account", e->account);
	put_text(o, "route", e->route);
	put_text(o, "partner", e->partner);
	put_text(o, "queue", e->queue);
	put_text(o, "fault", e->fault);
	put_text(o, "receipt", e->receipt);
	put_text(o, "delivery", e->delivery);
	put_text(o, "volume", e->volume);
	put_bytes(o, "path", "path_hex", e->path);
	put_bytes(o, "directory", "directory_hex", e->directory);
	put_bytes(o, "name", "name_hex", e->name);
	if (e->receipt[0] != '\0')
		json_object_set_new(
		    o, "size", json_integer((json_int_t)e->size));
	if (e->has_sha256)
		put_hex(o, "sha256", e->sha256, sizeof(e->sha256));
	put_time(o, "received", e->received_us);
	put_text(o, "host", e->host);
	if (e->delivery[0] != '\0')
		json_object_set_new(o, "tries", json_integer(e->tries));
	put_text(o, "error", e->error);
	put_time(o, "since", e->since_us);
	put_time(o, "until", e->until_us);
	return o;
}

char *
mftd_hook_json(const struct mftd_event *e)
{
	json_t *o = object_of(e);
	char *text = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return text;
}

/* ---- the environment */

struct environment {
	char **list;
	size_t n;
	bool failed;
};

static void
put_env(struct environment *env, const char *name, const char *value)
{
	if (env->failed || value[0] == '\0')
		return;
	if (asprintf(&env->list[env->n], "%s=%s", name, value) < 0) {
		env->list[env->n] = NULL;
		env->failed = true;
	} else {
		env->n++;
	}
}

static void
put_env_number(struct environment *env, const char *name, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	put_env(env, name, text);
}

/* What is a plain text or number in the JSON, by the same words. */
static void
put_env_fields(struct environment *env, const struct mftd_event *e)
{
	static const char *const keys[][2] = { { "id", "MFT_EVENT_ID" },
		{ "event", "MFT_EVENT" }, { "time", "MFT_TIME" },
		{ "account", "MFT_ACCOUNT" }, { "route", "MFT_ROUTE" },
		{ "partner", "MFT_PARTNER" }, { "queue", "MFT_QUEUE" },
		{ "fault", "MFT_FAULT" }, { "receipt", "MFT_RECEIPT" },
		{ "delivery", "MFT_DELIVERY" }, { "volume", "MFT_VOLUME" },
		{ "sha256", "MFT_SHA256" }, { "received", "MFT_RECEIVED" },
		{ "host", "MFT_HOST" }, { "error", "MFT_ERROR" },
		{ "since", "MFT_SINCE" }, { "until", "MFT_UNTIL" } };
	json_t *o = object_of(e);
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		value = json_string_value(json_object_get(o, keys[i][0]));
		put_env(env, keys[i][1], value != NULL ? value : "");
	}
	json_decref(o);
}

char **
mftd_hook_environment(
    const struct mftd_event *e, const char *hook, unsigned tries)
{
	struct environment env = { .list = calloc(
				       ENVIRONMENT_MAX, sizeof(char *)) };

	if (env.list == NULL)
		return NULL;
	put_env(&env, "PATH",
	    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	put_env(&env, "LANG", "C.UTF-8");
	put_env(&env, "HOME", "/");
	put_env(&env, "MFT_HOOK", hook);
	put_env_number(&env, "MFT_TRY", tries);
	put_env_fields(&env, e);
	put_env(&env, "MFT_PATH", e->path);
	put_env(&env, "MFT_DIRECTORY", e->directory);
	put_env(&env, "MFT_NAME", e->name);
	if (e->receipt[0] != '\0')
		put_env_number(&env, "MFT_SIZE", e->size);
	if (e->delivery[0] != '\0')
		put_env_number(&env, "MFT_TRIES", e->tries);
	if (env.failed) {
		mftd_hook_environment_free(env.list);
		return NULL;
	}
	return env.list;
}

void
mftd_hook_environment_free(char **env)
{
	size_t i;

	for (i = 0; env != NULL && env[i] != NULL; i++)
		free(env[i]);
	free(env);
}

/* ---- mail */

/* A header is ASCII without line breaks … */
static char
plain(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

/* … in which "=?" begins an encoded word (RFC 2047), that would be shown as
 * what it is not. */
static void
put_subject(FILE *f, const struct mftd_event *e)
{
	const char *name =
	    mftd_path_base(e->name[0] != '\0' ? e->name : e->path);
	const char *of = e->route[0] != '\0' ? e->route
	    : e->account[0] != '\0'	     ? e->account
					     : e->partner;
	size_t i;

	fprintf(f, "Subject: mftd: %s (%s)%s", e->kind, of,
	    name[0] != '\0' ? " " : "");
	for (i = 0; name[i] != '\0' && i < SUBJECT_NAME; i++)
		fputc(name[i] == '=' && plain(name[i + 1]) == '?'
			? '?'
			: plain(name[i]),
		    f);
	fputs("\r\n", f);
}

static void
put_headers(FILE *f, const struct mftd_event *e, const struct mftd_hook *h,
    long long date_s)
{
	const struct mftd_hook_mail *mail = h->mail;
	time_t s = (time_t)date_s;
	char date[64];
	struct tm tm;
	size_t i;

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	fprintf(f, "Date: %s\r\nFrom: <%s>\r\nTo: ", date, mail->from);
	for (i = 0; i < mail->n_to; i++)
		fprintf(f, "%s<%s>", i > 0 ? ",\r\n " : "", mail->to[i]);
	/* a repeated one is known by it */
	fprintf(f, "\r\nMessage-ID: <%s.%s%s>\r\n", e->id, h->name,
	    strchr(mail->from, '@'));
	put_subject(f, e);
	fputs("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	      "Content-Type: text/plain; charset=utf-8\r\n"
	      "Content-Transfer-Encoding: base64\r\n\r\n",
	    f);
}

/* A line for each field; base64 keeps lines short whatever is in them. */
static void
put_body(FILE *f, const char *text, size_t len)
{
	uint8_t line[MAIL_LINE / 3 * 4 + 1];
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = len - at < MAIL_LINE ? len - at : MAIL_LINE;
		EVP_EncodeBlock(line, (const uint8_t *)text + at, (int)n);
		fprintf(f, "%s\r\n", line);
	}
}

/* A field's value as a terminal may show it; it stays the same JSON. */
static void
put_value(FILE *f, const json_t *v)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY);
	size_t size = text != NULL ? strlen(text) * MFTD_TEXT_GROWS + 1 : 0;
	char *safe = text != NULL ? malloc(size) : NULL;

	fputs(safe != NULL ? mftd_text_safe(text, safe, size) : "?", f);
	free(safe);
	free(text);
}

static char *
body_of(const struct mftd_event *e, size_t *len)
{
	json_t *o = object_of(e), *v;
	char *text = NULL;
	const char *key;
	FILE *f = open_memstream(&text, len);

	if (f != NULL) {
		json_object_foreach(o, key, v)
		{
			fprintf(f, "%-13s ", key);
			put_value(f, v);
			fputs("\r\n", f);
		}
		fclose(f);
	}
	json_decref(o);
	return text;
}

char *
mftd_hook_mail_text(
    const struct mftd_event *e, const struct mftd_hook *h, long long date_s)
{
	char *text = NULL, *body;
	size_t size, len = 0;
	FILE *f;

	body = body_of(e, &len);
	if (body == NULL)
		return NULL;
	f = open_memstream(&text, &size);
	if (f != NULL) {
		put_headers(f, e, h, date_s);
		put_body(f, body, len);
		fclose(f);
	}
	free(body);
	return text;
}
