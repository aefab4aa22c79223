/* Part of mftd; see LICENSE. */
#include "mftd/catalog/account_file.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mftd/base/cidr.h"
#include "mftd/base/id.h"
#include "mftd/base/limits.h"
#include "mftd/base/path.h"
#include "mftd/catalog/password.h"

#define NEEDED CYAML_FLAG_POINTER
#define MAY (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define WORD_BYTES 64
#define SESSIONS_MOST 65535

#define TEXT(key, flags, s, member, size) \
	CYAML_FIELD_STRING_PTR(key, flags, struct s, member, 1, (size)-1)
#define LIST(key, member, value, most)                                 \
	CYAML_FIELD_SEQUENCE_COUNT(key, MAY, struct mftd_account_file, \
	    a.member, a.n_##member, &(value), 0, most)

static const cyaml_schema_value_t line = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, MFTD_KEY_BYTES - 1),
};

static const cyaml_schema_value_t word = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, MFTD_NAME_BYTES - 1),
};

static const cyaml_schema_field_t quota_fields[] = {
	TEXT("bytes", MAY, mftd_account_quota, bytes, WORD_BYTES),
	TEXT("files", MAY, mftd_account_quota, files, WORD_BYTES),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t bandwidth_fields[] = {
	TEXT("in", MAY, mftd_account_bandwidth, in, WORD_BYTES),
	TEXT("out", MAY, mftd_account_bandwidth, out, WORD_BYTES),
	CYAML_FIELD_END
};

static const cyaml_schema_field_t folder_fields[] = {
	TEXT("name", NEEDED, mftd_account_folder, name, MFTD_NAME_BYTES),
	TEXT("path", NEEDED, mftd_account_folder, path, MFTD_FOLDER_PATH_BYTES),
	CYAML_FIELD_BOOL("read_only", CYAML_FLAG_OPTIONAL,
	    struct mftd_account_folder, read_only),
	CYAML_FIELD_END
};

static const cyaml_schema_value_t folder = {
	CYAML_VALUE_MAPPING(
	    CYAML_FLAG_DEFAULT, struct mftd_account_folder, folder_fields),
};

static const cyaml_schema_field_t fields[] = {
	TEXT("name", NEEDED, mftd_account_file, a.name, MFTD_NAME_BYTES),
	TEXT("volume", NEEDED, mftd_account_file, a.volume, MFTD_NAME_BYTES),
	TEXT("root", NEEDED, mftd_account_file, a.root, MFTD_PATH_BYTES),
	TEXT("password", MAY, mftd_account_file, password, MFTD_SECRET_BYTES),
	TEXT("password_hash", MAY, mftd_account_file, a.password_hash,
	    MFTD_PASSWORD_HASH_BYTES),
	LIST("keys", keys, line, MFTD_ACCOUNT_KEYS_MAX),
	LIST("certificate_authorities", authorities, line,
	    MFTD_ACCOUNT_KEYS_MAX),
	LIST("principals", principals, word, MFTD_ACCOUNT_KEYS_MAX),
	TEXT("methods", MAY, mftd_account_file, a.methods, WORD_BYTES),
	LIST("sources", sources, word, MFTD_ACCOUNT_KEYS_MAX),
	TEXT("expires", MAY, mftd_account_file, expires, WORD_BYTES),
	CYAML_FIELD_BOOL("disabled", CYAML_FLAG_OPTIONAL,
	    struct mftd_account_file, a.disabled),
	CYAML_FIELD_BOOL("read_only", CYAML_FLAG_OPTIONAL,
	    struct mftd_account_file, a.read_only),
	TEXT("symlinks", MAY, mftd_account_file, symlinks, WORD_BYTES),
	TEXT("umask", MAY, mftd_account_file, umask, WORD_BYTES),
	TEXT("group", MAY, mftd_account_file, a.group, MFTD_NAME_BYTES),
	CYAML_FIELD_MAPPING_PTR(
	    "quota", MAY, struct mftd_account_file, quota, quota_fields),
	CYAML_FIELD_MAPPING_PTR("bandwidth", MAY, struct mftd_account_file,
	    bandwidth, bandwidth_fields),
	CYAML_FIELD_INT("sessions", CYAML_FLAG_OPTIONAL,
	    struct mftd_account_file, a.sessions_max),
	LIST("folders", folders, folder, MFTD_FOLDERS_MAX), CYAML_FIELD_END
};

const cyaml_schema_value_t mftd_account_file_schema = {
	CYAML_VALUE_MAPPING(
	    CYAML_FLAG_DEFAULT, struct mftd_account_file, fields),
};

static int
check_names(
    const struct mftd_check *p, const struct mftd_account_file *list, size_t i)
{
	const struct mftd_account *a = &list[i].a;
	const char *fault = mftd_check_path_fault(a->root);
	size_t k;

	if (!mftd_id_valid(a->name))
		return mftd_check_refuse(p, "name", "not a name");
	for (k = 0; k < i; k++)
		if (strcmp(list[k].a.name, a->name) == 0)
			return mftd_check_refuse(p, "name", "given twice");
	if (!mftd_id_valid(a->volume))
		return mftd_check_refuse(p, "volume", "not a name");
	if (p->conf != NULL && mftd_conf_volume(p->conf, a->volume) == NULL)
		return mftd_check_refuse(
		    p, "volume", "this node has no such volume");
	if (fault != NULL)
		return mftd_check_refuse(p, "root", fault);
	return 0;
}

static int
check_secrets(const struct mftd_check *p, const struct mftd_account_file *f)
{
	int r;

	if (f->password != NULL && f->a.password_hash != NULL)
		return mftd_check_refuse(
		    p, "password_hash", "beside password: give one of them");
	if (f->a.password_hash != NULL &&
	    !mftd_password_hash_valid(f->a.password_hash))
		return mftd_check_refuse(
		    p, "password_hash", "not a scrypt hash");
	if (f->a.password_hash != NULL &&
	    !mftd_password_hash_usual(f->a.password_hash))
		return mftd_check_refuse(p, "password_hash",
		    "must be of ln=17,r=8,p=1, as those of mftctl");
	r = mftd_check_keys(p, "keys", f->a.keys, f->a.n_keys);
	if (r == 0)
		r = mftd_check_keys(p, "certificate_authorities",
		    f->a.authorities, f->a.n_authorities);
	return r;
}

/* The methods must be possible with what the account has. */
static int
check_methods(const struct mftd_check *p, const struct mftd_account_file *f)
{
	const char *m = f->a.methods;
	bool key, password;

	if (m == NULL)
		return 0;
	key =
	    strcmp(m, "publickey") == 0 || strcmp(m, "publickey+password") == 0;
	password =
	    strcmp(m, "password") == 0 || strcmp(m, "publickey+password") == 0;
	if (!key && !password)
		return mftd_check_refuse(p, "methods",
		    "must be publickey, password or publickey+password");
	if (key && f->a.n_keys == 0 && f->a.n_authorities == 0)
		return mftd_check_refuse(
		    p, "methods", "publickey, but the account has no key");
	if (password && f->password == NULL && f->a.password_hash == NULL)
		return mftd_check_refuse(
		    p, "methods", "password, but the account has none");
	return 0;
}

static int
check_sources(const struct mftd_check *p, const struct mftd_account *a)
{
	struct mftd_cidr net;
	size_t i;

	for (i = 0; i < a->n_sources; i++)
		if (mftd_cidr_parse(a->sources[i], &net) < 0)
			return mftd_check_refuse_entry(p, "sources", i,
			    "not an address or network, like 192.0.2.0/24");
	for (i = 0; i < a->n_principals; i++)
		if (!mftd_check_plain(a->principals[i]))
			return mftd_check_refuse_entry(
			    p, "principals", i, "holds a control character");
	return 0;
}

/* Whether the calendar has that day: strptime takes a February 30th. */
static bool
is_date(const struct tm *t)
{
	struct tm same = *t;

	return timegm(&same) != (time_t)-1 && same.tm_mon == t->tm_mon &&
	    same.tm_mday == t->tm_mday;
}

/* RFC 3339 in UTC: "2027-01-31" (the end of that day) or
 * "2027-01-31T12:00:00Z". */
static int
check_expires(const struct mftd_check *p, struct mftd_account_file *f)
{
	struct tm day = { 0 }, moment = { 0 };
	const char *end;

	if (f->expires == NULL)
		return 0;
	end = strptime(f->expires, "%Y-%m-%d", &day);
	if (end != NULL && *end == '\0' && is_date(&day)) {
		f->a.expires_s = (int64_t)timegm(&day) + 24 * 60 * 60;
		return 0;
	}
	end = strptime(f->expires, "%Y-%m-%dT%H:%M:%SZ", &moment);
	if (end == NULL || *end != '\0' || !is_date(&moment))
		return mftd_check_refuse(p, "expires",
		    "must be like 2027-01-31 or 2027-01-31T12:00:00Z");
	f->a.expires_s = (int64_t)timegm(&moment);
	return 0;
}

static int
check_modes(const struct mftd_check *p, struct mftd_account_file *f)
{
	char *end;
	long v;

	f->a.umask = MFTD_ACCOUNT_UMASK;
	if (f->umask != NULL) {
		v = isdigit((unsigned char)f->umask[0])
		    ? strtol(f->umask, &end, 8)
		    : -1;
		if (v < 0 || v > 077 || *end != '\0')
			return mftd_check_refuse(
			    p, "umask", "must be octal, \"000\" to \"077\"");
		f->a.umask = (int)v;
	}
	if (f->a.group != NULL && !mftd_id_valid(f->a.group))
		return mftd_check_refuse(p, "group", "not a group");
	if (f->symlinks != NULL && strcmp(f->symlinks, "beneath") != 0 &&
	    strcmp(f->symlinks, "refuse") != 0)
		return mftd_check_refuse(
		    p, "symlinks", "must be refuse or beneath");
	f->a.symlinks =
	    f->symlinks != NULL && strcmp(f->symlinks, "beneath") == 0;
	return 0;
}

static int
check_bounds(const struct mftd_check *p, struct mftd_account_file *f)
{
	static const char units[] = "KMGT";
	struct mftd_account *a = &f->a;
	int r = 0;

	if (f->quota != NULL) {
		r = mftd_check_size(
		    p, "quota.bytes", f->quota->bytes, units, &a->quota_bytes);
		if (r == 0)
			r = mftd_check_size(p, "quota.files", f->quota->files,
			    "", &a->quota_files);
	}
	if (r == 0 && f->bandwidth != NULL)
		r = mftd_check_size(
		    p, "bandwidth.in", f->bandwidth->in, units, &a->in_bytes_s);
	if (r == 0 && f->bandwidth != NULL)
		r = mftd_check_size(p, "bandwidth.out", f->bandwidth->out,
		    units, &a->out_bytes_s);
	if (r == 0 && mftd_check_given(p, "sessions") &&
	    (a->sessions_max < 1 || a->sessions_max > SESSIONS_MOST))
		r = mftd_check_refuse(p, "sessions", "must be 1 to 65535");
	return r;
}

static const char *
folder_fault(const struct mftd_account *a, unsigned i)
{
	const struct mftd_account_folder *f = &a->folders[i];
	unsigned k;

	if (strchr(f->name, '/') != NULL || strcmp(f->name, ".") == 0 ||
	    strcmp(f->name, "..") == 0 || strcmp(f->name, ".mft") == 0 ||
	    !mftd_check_plain(f->name))
		return "its name must be one plain component";
	for (k = 0; k < i; k++)
		if (strcmp(a->folders[k].name, f->name) == 0)
			return "its name is given twice";
	return mftd_check_path_fault(f->path);
}

static int
check_folders(const struct mftd_check *p, const struct mftd_account *a)
{
	const char *fault;
	unsigned i;

	for (i = 0; i < a->n_folders; i++) {
		fault = folder_fault(a, i);
		if (fault != NULL)
			return mftd_check_refuse_entry(p, "folders", i, fault);
	}
	return 0;
}

int
mftd_account_file_check(
    const struct mftd_check *p, struct mftd_account_file *list, size_t i)
{
	struct mftd_account_file *f = &list[i];
	int r = check_names(p, list, i);

	if (r == 0)
		r = check_secrets(p, f);
	if (r == 0)
		r = check_methods(p, f);
	if (r == 0)
		r = check_sources(p, &f->a);
	if (r == 0)
		r = check_expires(p, f);
	if (r == 0)
		r = check_modes(p, f);
	if (r == 0)
		r = check_bounds(p, f);
	return r == 0 ? check_folders(p, &f->a) : r;
}
