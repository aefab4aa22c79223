/* Part of mftd; see LICENSE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/evp.h>

#include "mftd/hook/message.h"

static const struct mftd_event event = {
	.id = "failed.d-1.0",
	.kind = "failed",
	.time_us = 1795273200000000,
	.receipt = "r-1",
	.delivery = "d-1",
	.route = "out",
	.account = "alice",
	.partner = "acme",
	.volume = "main",
	.path = "in \"a\"\n\x01/x",
	.directory = "d",
	.name = "x",
	.error = "no",
	.size = 5000000000,
	.tries = 3,
};

static const char *
text(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static json_t *
parse(const struct mftd_event *e)
{
	char *json = mftd_hook_json(e);
	json_t *o;

	assert_non_null(json);
	assert_null(strchr(json, '\n'));
	o = json_loads(json, 0, NULL);
	assert_non_null(o);
	free(json);
	return o;
}

static void
json_has_what_is_known(void **state)
{
	json_t *o = parse(&event);

	assert_string_equal(text(o, "id"), "failed.d-1.0");
	assert_string_equal(text(o, "event"), "failed");
	assert_string_equal(text(o, "time"), "2026-11-21T15:00:00Z");
	assert_string_equal(text(o, "path"), event.path);
	assert_null(json_object_get(o, "path_hex"));
	assert_int_equal(
	    json_integer_value(json_object_get(o, "size")), 5000000000);
	assert_int_equal(json_integer_value(json_object_get(o, "tries")), 3);
	assert_null(json_object_get(o, "sha256"));
	assert_null(json_object_get(o, "since"));
	assert_null(json_object_get(o, "host"));
	json_decref(o);
}

/* Any bytes of a name make an object that can be read, and can be got back. */
static void
json_of_any_bytes(void **state)
{
	struct mftd_event e = event;
	char hex[3 * 255] = "";
	json_t *o;
	int i;

	strcpy(e.name, "caf\xc3\xa9"); /* UTF-8 */
	strcpy(e.path, "caf\xe9");
	o = parse(&e);
	assert_string_equal(text(o, "name"), "caf\xc3\xa9");
	assert_null(json_object_get(o, "name_hex"));
	assert_string_equal(text(o, "path"), "caf\\xe9");
	assert_string_equal(text(o, "path_hex"), "636166e9");
	json_decref(o);
	for (i = 1; i < 256; i++) {
		e.name[i - 1] = (char)i;
		snprintf(hex + 2 * (i - 1), 3, "%02x", i);
	}
	e.name[255] = '\0';
	o = parse(&e);
	assert_string_equal(text(o, "name_hex"), hex);
	json_decref(o);
	/* the longest there is */
	memset(e.path, 0xff, sizeof(e.path) - 1);
	o = parse(&e);
	assert_int_equal(strlen(text(o, "path_hex")), 2 * (sizeof(e.path) - 1));
	assert_int_equal(strlen(text(o, "path")), 4 * (sizeof(e.path) - 1));
	json_decref(o);
}

static const char *
variable(char **env, const char *name)
{
	size_t n = strlen(name);

	for (; *env != NULL; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static void
environment_has_the_bytes(void **state)
{
	struct mftd_event e = event;
	char **env;

	strcpy(e.name, "caf\xe9 $(x)\n");
	env = mftd_hook_environment(&e, "h", 7);
	assert_string_equal(variable(env, "MFT_NAME"), e.name);
	assert_string_equal(variable(env, "MFT_EVENT"), "failed");
	assert_string_equal(variable(env, "MFT_TRY"), "7");
	assert_string_equal(variable(env, "MFT_TRIES"), "3");
	assert_string_equal(variable(env, "MFT_ERROR"), "no");
	assert_string_equal(variable(env, "MFT_HOOK"), "h");
	assert_null(variable(env, "MFT_SHA256"));
	mftd_hook_environment_free(env);
}

/* What stands behind the headers, decoded. */
static char *
decode(const char *mail)
{
	const char *at = strstr(mail, "\r\n\r\n") + 4;
	char *flat = calloc(1, strlen(at) + 1), *out;
	size_t n = 0;

	for (; *at != '\0'; at++)
		if (*at != '\r' && *at != '\n')
			flat[n++] = *at;
	out = calloc(1, n + 4);
	/* each line stands for whole bytes, the last one may be padded */
	assert_true(
	    EVP_DecodeBlock((uint8_t *)out, (uint8_t *)flat, (int)n) > 0);
	free(flat);
	return out;
}

static void
mail_is_seven_bit_in_short_lines(void **state)
{
	char *to[] = { "a@b", "c@d" };
	struct mftd_hook_mail mail = {
		.url = "smtp://h", .from = "m@n", .to = to, .n_to = 2
	};
	struct mftd_hook h = { .name = "h", .mail = &mail };
	struct mftd_event e = event;
	char *made, *body;
	size_t i, line = 0;

	strcpy(e.name, "caf\xe9\r\nBcc: x@y\r\n.\r\n");
	made = mftd_hook_mail_text(&e, &h, 1795273200);
	assert_non_null(strstr(made, "Date: Sat, 21 Nov 2026 15:00:00 +0000"));
	assert_non_null(strstr(made, "To: <a@b>,\r\n <c@d>\r\n"));
	assert_non_null(strstr(made, "Message-ID: <failed.d-1.0.h@n>\r\n"));
	assert_non_null(strstr(
	    made, "Subject: mftd: failed (out) caf???Bcc: x@y??.??\r\n"));
	for (i = 0; made[i] != '\0'; i++) {
		assert_true((made[i] >= ' ' && made[i] <= '~') ||
		    made[i] == '\r' || made[i] == '\n');
		line = made[i] == '\n' ? 0 : line + 1;
		assert_true(line < 900);
	}
	free(made);
	strcpy(e.name, "a=b =?utf-8?q?x?= =\xe9");
	made = mftd_hook_mail_text(&e, &h, 1795273200);
	assert_non_null(strstr(
	    made, "Subject: mftd: failed (out) a=b ??utf-8?q?x?= ??\r\n"));
	free(made);
	strcpy(e.name, "a\xe2\x80\xaegpj\x1b[2J\xc2\x9b");
	made = mftd_hook_mail_text(&e, &h, 1795273200);
	body = decode(made);
	assert_non_null(strstr(body, "\"a\\u202egpj\\u001B[2J\\u009b\"\r\n"));
	free(body);
	free(made);
	strcpy(e.name, "caf\xe9");
	made = mftd_hook_mail_text(&e, &h, 1795273200);
	body = decode(made);
	assert_non_null(strstr(body, "\"failed.d-1.0\"\r\n"));
	assert_non_null(strstr(body, "name_hex"));
	free(body);
	free(made);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_what_is_known),
		cmocka_unit_test(json_of_any_bytes),
		cmocka_unit_test(environment_has_the_bytes),
		cmocka_unit_test(mail_is_seven_bit_in_short_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
