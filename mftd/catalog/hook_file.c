/* Part of mftd; see LICENSE. */
#include "mftd/catalog/hook_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/limits.h"
#include "mftd/base/path.h"
#include "mftd/catalog/check_host.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/secret.h"

#define NEEDED CYAML_FLAG_POINTER
#define MAY (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TIMEOUT_S 30
#define TRIES 20

#define TEXT(key, flags, s, member, size) \
	CYAML_FIELD_STRING_PTR(key, flags, struct s, member, 1, (size)-1)
#define LIST(key, flags, s, member, value, max) \
	CYAML_FIELD_SEQUENCE_COUNT(             \
	    key, flags, struct s, member, n_##member, value, 1, max)

static const cyaml_schema_value_t name = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, MFTD_NAME_BYTES - 1),
};

static const cyaml_schema_value_t word = {
	CYAML_VALUE_STRING(
	    CYAML_FLAG_POINTER, char *, 1, MFTD_HOOK_TEXT_BYTES - 1),
};

static const cyaml_schema_field_t http_fields[] = {
	TEXT("url", NEEDED, mftd_hook_http, url, MFTD_HOOK_TEXT_BYTES),
	TEXT("secret", MAY, mftd_hook_http, secret, MFTD_SECRET_BYTES),
	TEXT("secret_file", MAY, mftd_hook_http, secret_file, PATH_MAX),
	TEXT("ca_file", MAY, mftd_hook_http, ca_file, PATH_MAX), CYAML_FIELD_END
};

static const cyaml_schema_field_t mail_fields[] = {
	TEXT("url", NEEDED, mftd_hook_mail, url, MFTD_HOOK_TEXT_BYTES),
	TEXT("from", NEEDED, mftd_hook_mail, from, MFTD_HOOK_TEXT_BYTES),
	LIST("to", NEEDED, mftd_hook_mail, to, &word, MFTD_HOOK_ARGS_MAX),
	TEXT("user", MAY, mftd_hook_mail, user, MFTD_HOOK_TEXT_BYTES),
	TEXT("password", MAY, mftd_hook_mail, password, MFTD_SECRET_BYTES),
	TEXT("ca_file", MAY, mftd_hook_mail, ca_file, PATH_MAX),
	CYAML_FIELD_BOOL(
	    "starttls", CYAML_FLAG_OPTIONAL, struct mftd_hook_mail, starttls),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t fields[] = { TEXT("name", NEEDED, mftd_hook,
						   name, MFTD_NAME_BYTES),
	LIST("on", NEEDED, mftd_hook, on, &name, MFTD_HOOK_ARGS_MAX),
	LIST("routes", MAY, mftd_hook, routes, &name, MFTD_HOOK_FILTERS_MAX),
	LIST(
	    "accounts", MAY, mftd_hook, accounts, &name, MFTD_HOOK_FILTERS_MAX),
	LIST(
	    "partners", MAY, mftd_hook, partners, &name, MFTD_HOOK_FILTERS_MAX),
	LIST("exec", MAY, mftd_hook, exec, &word, MFTD_HOOK_ARGS_MAX),
	CYAML_FIELD_MAPPING_PTR(
	    "http", MAY, struct mftd_hook, http, http_fields),
	CYAML_FIELD_MAPPING_PTR(
	    "mail", MAY, struct mftd_hook, mail, mail_fields),
	CYAML_FIELD_INT(
	    "timeout_s", CYAML_FLAG_OPTIONAL, struct mftd_hook, timeout_s),
	CYAML_FIELD_INT("tries", CYAML_FLAG_OPTIONAL, struct mftd_hook, tries),
	CYAML_FIELD_END };

const cyaml_schema_value_t mftd_hook_file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mftd_hook, fields),
};

/* ---- checks */

/* Names, each once, that are known. */
static int
check_names(const struct mftd_check *p, const char *field, char **list,
    size_t n, bool (*known)(const void *data, const char *name),
    const void *data, const char *words)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		if (!known(data, list[i]))
			return mftd_check_refuse_entry(p, field, i, words);
		for (k = 0; k < i; k++)
			if (strcmp(list[k], list[i]) == 0)
				return mftd_check_refuse_entry(
				    p, field, i, "given twice");
	}
	return 0;
}

static bool
is_kind(const void *data, const char *kind)
{
	return mftd_event_state(kind) != NULL;
}

static int
check_plain(
    const struct mftd_check *p, const char *field, char **list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!mftd_check_plain(list[i]))
			return mftd_check_refuse_entry(
			    p, field, i, "holds a control character");
	return 0;
}

static bool
is_absolute(const char *path)
{
	return path == NULL || (path[0] == '/' && mftd_check_plain(path));
}

/* Neither spaces nor a user and password, which would stand there in plain. */
static bool
is_url(const char *url, const char *scheme)
{
	char place[MFTD_HOST_BYTES + 8]; /* host and port */
	size_t len, n = strlen(scheme);

	if (strncmp(url, scheme, n) != 0 || !mftd_check_plain(url) ||
	    strpbrk(url, " @") != NULL)
		return false;
	len = strcspn(url + n, "/?#");
	snprintf(place, sizeof(place), "%.*s", (int)len, url + n);
	/* an address of IPv6 has brackets there */
	return len < sizeof(place) && mftd_check_host_port(place) &&
	    (place[0] == '[' || strchr(place, ':') == strrchr(place, ':'));
}

static int
check_http(const struct mftd_check *p, const struct mftd_hook_http *http)
{
	if (!is_url(http->url, "https://") && !is_url(http->url, "http://"))
		return mftd_check_refuse(
		    p, "http.url", "must be https://… or http://…");
	if ((http->secret == NULL) == (http->secret_file == NULL))
		return mftd_check_refuse(
		    p, "http", "needs secret or secret_file, to sign by");
	if (!is_absolute(http->secret_file))
		return mftd_check_refuse(
		    p, "http.secret_file", "must be an absolute path");
	if (!is_absolute(http->ca_file))
		return mftd_check_refuse(
		    p, "http.ca_file", "must be an absolute path");
	return 0;
}

/* An address as SMTP takes it between < and >. */
static bool
is_address(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && at > text && mftd_check_host(at + 1) &&
	    mftd_check_plain(text) && strpbrk(text, " <>\",;") == NULL;
}

static int
check_mail(const struct mftd_check *p, struct mftd_hook_mail *mail)
{
	bool smtps = is_url(mail->url, "smtps://");
	size_t i;

	if (!smtps && !is_url(mail->url, "smtp://"))
		return mftd_check_refuse(
		    p, "mail.url", "must be smtp://… or smtps://…");
	if (!mftd_check_given(p, "mail.starttls"))
		mail->starttls = !smtps;
	if (smtps && mail->starttls)
		return mftd_check_refuse(
		    p, "mail.starttls", "means nothing with smtps");
	if (!is_address(mail->from))
		return mftd_check_refuse(
		    p, "mail.from", "must be an address, a@b");
	for (i = 0; i < mail->n_to; i++)
		if (!is_address(mail->to[i]))
			return mftd_check_refuse(
			    p, "mail.to", "must be addresses, a@b");
	if ((mail->user == NULL) != (mail->password == NULL))
		return mftd_check_refuse(
		    p, "mail.user", "goes with a password");
	if (mail->password != NULL && !smtps && !mail->starttls)
		return mftd_check_refuse(
		    p, "mail.password", "would go over the network in plain");
	if (!is_absolute(mail->ca_file))
		return mftd_check_refuse(
		    p, "mail.ca_file", "must be an absolute path");
	return 0;
}

static int
check_means(const struct mftd_check *p, struct mftd_hook *h)
{
	int r;

	if ((h->n_exec > 0) + (h->http != NULL) + (h->mail != NULL) != 1)
		return mftd_check_refuse(
		    p, "name", "needs one of exec, http and mail");
	if (h->n_exec > 0 &&
	    (h->exec[0][0] != '/' || *mftd_path_base(h->exec[0]) == '\0'))
		return mftd_check_refuse_entry(
		    p, "exec", 0, "must be the absolute path of a program");
	r = check_plain(p, "exec", h->exec, h->n_exec);
	if (r == 0 && h->http != NULL)
		r = check_http(p, h->http);
	if (r == 0 && h->mail != NULL)
		r = check_mail(p, h->mail);
	return r;
}

static int
check_number(
    const struct mftd_check *p, const char *field, int *v, int silent, int max)
{
	char words[64];

	if (*v == 0 && !mftd_check_given(p, field))
		*v = silent;
	snprintf(words, sizeof(words), "must be 1 to %d", max);
	return *v >= 1 && *v <= max ? 0 : mftd_check_refuse(p, field, words);
}

int
mftd_hook_file_check(const struct mftd_check *p, struct mftd_hook *list,
    size_t i, const struct mftd_hook_names *names)
{
	struct mftd_hook *h = &list[i];
	char words[MFTD_REASON_BYTES];
	size_t k;
	int r;

	if (!mftd_id_valid(h->name))
		return mftd_check_refuse(p, "name", "not a name");
	for (k = 0; k < i; k++)
		if (strcmp(list[k].name, h->name) == 0)
			return mftd_check_refuse(p, "name", "given twice");
	snprintf(words, sizeof(words), "must be one of %s", mftd_event_kinds());
	if ((r = check_names(p, "on", h->on, h->n_on, is_kind, NULL, words)) <
		0 ||
	    (r = check_names(p, "routes", h->routes, h->n_routes, names->route,
		 names->data, "no such route")) < 0 ||
	    (r = check_names(p, "accounts", h->accounts, h->n_accounts,
		 names->account, names->data, "no such account")) < 0 ||
	    (r = check_names(p, "partners", h->partners, h->n_partners,
		 names->partner, names->data, "no such partner")) < 0 ||
	    (r = check_number(p, "timeout_s", &h->timeout_s, TIMEOUT_S,
		 MFTD_HOOK_S_MAX)) < 0 ||
	    (r = check_number(
		 p, "tries", &h->tries, TRIES, MFTD_HOOK_TRIES_MAX)) < 0)
		return r;
	r = check_means(p, h);
	return r == 0 ? mftd_check_hooks_run(p, "on") : r;
}

/* ---- secrets */

/* Where its secret stands; NULL: it can have none. */
static char **
secret_of(struct mftd_hook *h)
{
	if (h->http != NULL)
		return &h->http->secret;
	return h->mail != NULL ? &h->mail->password : NULL;
}

void
mftd_hook_file_wipe(struct mftd_hook *h)
{
	char **secret = secret_of(h);

	if (secret != NULL && *secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
}

int
mftd_hook_file_seal(const struct mftd_check *p, struct mftd_hook *h)
{
	const char *field = h->http != NULL ? "http.secret" : "mail.password";
	char sealed[MFTD_SEALED_BYTES], place[MFTD_SECRET_PLACE_BYTES];
	char **secret = secret_of(h);
	struct mftd_secret_key key;
	char words[MFTD_REASON_BYTES];
	int r;

	if (secret == NULL || *secret == NULL)
		return 0;
	if (p->conf == NULL || p->conf->secret_key == NULL)
		return mftd_check_refuse(
		    p, field, "cannot be kept: mftd.yaml names no secret_key");
	r = mftd_secret_key_read(p->conf->secret_key, &key);
	if (r < 0) {
		snprintf(words, sizeof(words),
		    "cannot be kept: secret_key of mftd.yaml: %s",
		    mftd_secret_key_fault(r));
		return mftd_check_refuse(p, field, words);
	}
	mftd_secret_of_hook(h->name, mftd_hook_url(h), place);
	r = mftd_secret_seal(&key, place, *secret, sealed);
	explicit_bzero(&key, sizeof(key));
	if (r < 0)
		return r;
	mftd_hook_file_wipe(h);
	free(*secret);
	*secret = strdup(sealed);
	return *secret != NULL ? 0 : -ENOMEM;
}
