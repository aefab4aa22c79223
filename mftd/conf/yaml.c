/* Part of mftd; see LICENSE. */
#include "mftd/conf/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/text.h"

#define KEY_BYTES 64
#define STEPS_MAX 16 /* levels of a document; no schema has more than 5 */
#define TEXT_BYTES 160
#define WHY_BYTES 512

/* One level of a field's name: a key, or an index where key is "". */
struct step {
	char key[KEY_BYTES];
	size_t index;
};

struct field {
	struct step steps[STEPS_MAX]; /* outermost first */
	size_t n;
};

struct mftd_yaml {
	const char *file;
	char *why;
	size_t size;
	bool has_doc;
	yaml_document_t doc;
};

/* What libcyaml said of its first error. */
struct complaint {
	char text[TEXT_BYTES];
	struct field where; /* innermost first, as it comes */
};

/* How libcyaml begins, and what we say.  key: the rest names a key there. */
static const struct words {
	const char *begins, *say;
	bool key, drop; /* drop: the backtrace names the field before */
} words[] = {
	{ "Unexpected key: ", "unknown key", true, false },
	{ "Missing required mapping field: ", "is missing", true, true },
	{ "Mapping field already seen: ", "given twice", false, false },
	{ "Invalid INT value", "not a number", false, false },
	{ "Invalid ENUM value", "no such choice", false, false },
	{ "STRING length > ", "too long", false, false },
	{ "STRING length < ", "is empty", false, false },
	{ "Excessive entries", "too many entries", false, true },
	{ "Insufficient entries", "too few entries", false, true },
	{ "Expecting STRING", "must be a text", false, false },
	{ "Expecting INT", "must be a number", false, false },
	{ "Expecting ENUM", "must be a word", false, false },
	{ "Expecting SEQUENCE", "must be a list", false, false },
	{ "Expecting MAPPING", "must be a mapping", false, false },
};

static void
push(struct field *f, const char *key, size_t len, size_t index)
{
	struct step *s;

	if (f->n == STEPS_MAX)
		return;
	s = &f->steps[f->n++];
	snprintf(s->key, sizeof(s->key), "%.*s", (int)len, key);
	s->index = index;
}

/* "volumes[1].path" into its steps. */
static void
parse_field(const char *name, struct field *f)
{
	size_t len;
	char *end;

	f->n = 0;
	while (*name != '\0') {
		if (*name == '[') {
			push(f, "", 0, strtoul(name + 1, &end, 10));
			name = *end == ']' ? end + 1 : end;
		} else if ((len = strcspn(name, ".[")) > 0) {
			push(f, name, len, 0);
			name += len;
		}
		if (*name == '.')
			name++;
	}
}

static void
print_field(const struct field *f, char *out, size_t size)
{
	size_t i, used = 0;
	int n;

	out[0] = '\0';
	for (i = 0; i < f->n && used < size; i++) {
		if (f->steps[i].key[0] == '\0')
			n = snprintf(out + used, size - used, "[%zu]",
			    f->steps[i].index);
		else
			n = snprintf(out + used, size - used, "%s%s",
			    i > 0 ? "." : "", f->steps[i].key);
		used += n > 0 ? (size_t)n : 0;
	}
}

/* The value of key in map, its last one; *line is the key's. */
static yaml_node_t *
member(
    const struct mftd_yaml *y, yaml_node_t *map, const char *key, size_t *line)
{
	yaml_document_t *doc = (yaml_document_t *)&y->doc; /* only read */
	yaml_node_pair_t *p;
	yaml_node_t *k;

	if (map->type != YAML_MAPPING_NODE)
		return NULL;
	for (p = map->data.mapping.pairs.top;
	     p-- > map->data.mapping.pairs.start;) {
		k = yaml_document_get_node(doc, p->key);
		if (k == NULL || k->type != YAML_SCALAR_NODE ||
		    strncmp((char *)k->data.scalar.value, key, KEY_BYTES - 1) !=
			0)
			continue;
		*line = k->start_mark.line + 1;
		return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

static yaml_node_t *
entry(const struct mftd_yaml *y, yaml_node_t *seq, size_t index, size_t *line)
{
	yaml_node_item_t *at;
	yaml_node_t *node;

	if (seq->type != YAML_SEQUENCE_NODE)
		return NULL;
	at = seq->data.sequence.items.start + index;
	if (at >= seq->data.sequence.items.top)
		return NULL;
	node = yaml_document_get_node((yaml_document_t *)&y->doc, *at);
	if (node != NULL)
		*line = node->start_mark.line + 1;
	return node;
}

/* The node of a field, or NULL; *line is its line, or that of the innermost
 * thing around it that is there. */
static yaml_node_t *
find(const struct mftd_yaml *y, const struct field *f, size_t *line)
{
	yaml_node_t *node;
	size_t i;

	*line = 1;
	node = yaml_document_get_root_node((yaml_document_t *)&y->doc);
	if (node != NULL)
		*line = node->start_mark.line + 1;
	for (i = 0; i < f->n && node != NULL; i++) {
		if (f->steps[i].key[0] != '\0')
			node = member(y, node, f->steps[i].key, line);
		else
			node = entry(y, node, f->steps[i].index, line);
	}
	return node;
}

static size_t
find_line(const struct mftd_yaml *y, const struct field *f)
{
	size_t line;

	find(y, f, &line);
	return line;
}

bool
mftd_yaml_has(const struct mftd_yaml *y, const char *field)
{
	struct field f;
	size_t line;

	parse_field(field, &f);
	return find(y, &f, &line) != NULL;
}

static int
say(const struct mftd_yaml *y, size_t line, const char *field, const char *text)
{
	char why[WHY_BYTES];

	if (y->size == 0)
		return -MFTD_E_CONF;
	snprintf(why, sizeof(why), "%s:%zu: %s%s%s", y->file, line, field,
	    field[0] != '\0' ? ": " : "", text);
	mftd_text_safe(why, y->why, y->size);
	return -MFTD_E_CONF;
}

int
mftd_yaml_refuse(
    const struct mftd_yaml *y, const char *field, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	struct field f;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	parse_field(field, &f);
	return say(y, find_line(y, &f), field, text);
}

/* libcyaml's log: the error first, then its backtrace, innermost first. */
static void
listen_to(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct complaint *c = ctx;
	char line[TEXT_BYTES], key[KEY_BYTES];
	size_t index;

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "  in mapping field '%63[^']'", key) == 1) {
		push(&c->where, key, strlen(key), 0);
	} else if (sscanf(line, "  in sequence entry '%zu'", &index) == 1) {
		push(&c->where, "", 0, index > 0 ? index - 1 : 0);
	} else if (c->text[0] == '\0' && strncmp(line, "Load: ", 6) == 0 &&
	    strcmp(line, "Load: Backtrace:") != 0) {
		snprintf(c->text, sizeof(c->text), "%s", line + 6);
	}
}

/* Turns what libcyaml said round into our words and the document's line. */
static int
translate(const struct mftd_yaml *y, const struct complaint *c, cyaml_err_t err)
{
	const char *text = cyaml_strerror(err), *key = NULL;
	char name[STEPS_MAX * KEY_BYTES];
	struct field f = { .n = 0 };
	size_t i, from = 0;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(
			c->text, words[i].begins, strlen(words[i].begins)) != 0)
			continue;
		text = words[i].say;
		if (words[i].key)
			key = c->text + strlen(words[i].begins);
		if (words[i].drop && c->where.n > 0)
			from = 1;
		break;
	}
	for (i = c->where.n; i-- > from;)
		f.steps[f.n++] = c->where.steps[i];
	if (key != NULL)
		push(&f, key, strlen(key), 0);
	print_field(&f, name, sizeof(name));
	return say(y, find_line(y, &f), name, text);
}

static cyaml_config_t
config(struct complaint *c)
{
	return (cyaml_config_t) {
		.log_fn = c != NULL ? listen_to : NULL,
		.log_ctx = c,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		.flags = CYAML_CFG_NO_ALIAS,
	};
}

/* Where a pass over the events is: the innermost step is the node's. */
struct scan {
	const struct mftd_yaml *y;
	const cyaml_schema_value_t *schema;
	struct field at;
	bool map[STEPS_MAX]; /* of each level: a mapping, or a list */
	bool key[STEPS_MAX]; /* of a mapping: its last node was a key */
};

/* What the schema says of a field, or NULL. */
static const cyaml_schema_value_t *
find_schema(const cyaml_schema_value_t *v, const struct field *f)
{
	const cyaml_schema_field_t *m;
	const struct step *s;

	for (s = f->steps; s < f->steps + f->n; s++) {
		if (v->type == CYAML_SEQUENCE && s->key[0] == '\0') {
			v = v->sequence.entry;
			continue;
		}
		if (v->type != CYAML_MAPPING)
			return NULL;
		for (m = v->mapping.fields; m->key != NULL; m++)
			if (strcmp(m->key, s->key) == 0)
				break;
		if (m->key == NULL)
			return NULL;
		v = &m->value;
	}
	return v;
}

/* Whether text is a decimal number: libcyaml also takes 1.5 for 1, 022 for
 * 18. */
static bool
is_integer(const char *text)
{
	if (*text == '-' || *text == '+')
		text++;
	if (text[0] == '0' && text[1] != '\0')
		return false;
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* Whether text is one of YAML's words for a truth value: libcyaml takes any
 * other for a true one. */
static bool
is_truth(const char *text)
{
	static const char *const truths[] = { "true", "yes", "on", "false",
		"no", "off" };
	size_t i;

	for (i = 0; i < sizeof(truths) / sizeof(truths[0]); i++)
		if (strcasecmp(text, truths[i]) == 0)
			return true;
	return false;
}

static int
scan_refuse(const struct scan *s, const yaml_event_t *e, const char *text)
{
	char name[STEPS_MAX * KEY_BYTES];

	print_field(&s->at, name, sizeof(name));
	return say(s->y, e->start_mark.line + 1, name, text);
}

/* A node begins: the step of the level that it is in is now its own. */
static void
scan_step(struct scan *s, const yaml_event_t *e)
{
	const char *key = "?"; /* one that is no scalar */
	struct step *at;
	size_t top;

	if (s->at.n == 0)
		return;
	top = s->at.n - 1;
	at = &s->at.steps[top];
	if (!s->map[top]) {
		at->index++;
		return;
	}
	s->key[top] = !s->key[top];
	if (!s->key[top])
		return;
	if (e->type == YAML_SCALAR_EVENT)
		key = (const char *)e->data.scalar.value;
	snprintf(at->key, sizeof(at->key), "%s", key);
}

static int
scan_scalar(const struct scan *s, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	const cyaml_schema_value_t *v;
	size_t top = s->at.n - 1;

	/* What reads the value as a string would see but its begin. */
	if (memchr(text, '\0', e->data.scalar.length) != NULL)
		return scan_refuse(s, e, "holds a NUL");
	if (s->at.n > 0 && s->map[top] && s->key[top])
		return 0;
	v = find_schema(s->schema, &s->at);
	if (v != NULL && v->type == CYAML_INT && !is_integer(text))
		return scan_refuse(s, e, "not a number");
	if (v != NULL && v->type == CYAML_BOOL && !is_truth(text))
		return scan_refuse(s, e, "neither true nor false");
	return 0;
}

static int
scan_enter(struct scan *s, const yaml_event_t *e)
{
	size_t n = s->at.n;

	if (n == STEPS_MAX) {
		s->at.n = 1;
		return scan_refuse(s, e, "nested too deeply");
	}
	s->map[n] = e->type == YAML_MAPPING_START_EVENT;
	s->key[n] = false;
	push(&s->at, "", 0, SIZE_MAX); /* the first entry makes it 0 */
	return 0;
}

static int
scan_event(struct scan *s, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		scan_step(s, e);
		return scan_refuse(s, e, "YAML alias unsupported");
	case YAML_SCALAR_EVENT:
		scan_step(s, e);
		return scan_scalar(s, e);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		scan_step(s, e);
		return scan_enter(s, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		s->at.n--;
		return 0;
	default:
		return 0;
	}
}

static int
syntax_error(const struct mftd_yaml *y, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return say(y, parser->problem_mark.line + 1, "",
	    parser->problem != NULL ? parser->problem : "no YAML");
}

/* What must be known before anything builds a tree of the text, and what the
 * tree does not tell: its depth, aliases, NULs, how numbers are written. */
static int
scan(const struct mftd_yaml *y, const char *text, size_t len,
    const cyaml_schema_value_t *schema)
{
	struct scan s = { .y = y, .schema = schema };
	yaml_parser_t parser;
	yaml_event_t e;
	bool end = false;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	while (r == 0 && !end) {
		if (!yaml_parser_parse(&parser, &e)) {
			r = syntax_error(y, &parser);
			break;
		}
		end = e.type == YAML_STREAM_END_EVENT;
		r = scan_event(&s, &e);
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&parser);
	return r;
}

/* The document as libyaml has it. */
static int
load_document(struct mftd_yaml *y, const char *text, size_t len)
{
	yaml_document_t more;
	yaml_parser_t parser;
	bool good;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	y->has_doc = good = yaml_parser_load(&parser, &y->doc);
	if (good && yaml_document_get_root_node(&y->doc) == NULL) {
		r = say(y, 1, "", "nothing in it");
		goto out;
	}
	if (good && (good = yaml_parser_load(&parser, &more))) {
		if (yaml_document_get_root_node(&more) != NULL)
			r = say(y, more.start_mark.line + 1, "",
			    "a second document");
		yaml_document_delete(&more);
	}
	if (!good)
		r = syntax_error(y, &parser);
out:
	yaml_parser_delete(&parser);
	return r;
}

static int
load_data(struct mftd_yaml *y, const char *text, size_t len,
    const cyaml_schema_value_t *schema, void **data)
{
	struct complaint c = { .text = "" };
	cyaml_config_t conf = config(&c);
	cyaml_err_t err;

	*data = NULL;
	err = cyaml_load_data(
	    (const uint8_t *)text, len, &conf, schema, data, NULL);
	if (err == CYAML_ERR_OOM)
		return -ENOMEM;
	if (err != CYAML_OK)
		return translate(y, &c, err);
	return *data != NULL ? 0 : say(y, 1, "", "nothing in it");
}

int
mftd_yaml_load(const char *file, const cyaml_schema_value_t *schema,
    void **data, struct mftd_yaml **out, char *why, size_t size)
{
	struct mftd_yaml *y = NULL;
	char *text = NULL;
	size_t len = 0;
	int r;

	if (size > 0)
		why[0] = '\0';
	r = mftd_file_read(AT_FDCWD, file, MFTD_YAML_FILE_BYTES, &text, &len);
	if (r < 0) {
		if (size > 0)
			snprintf(why, size, "%s: %s", file, mftd_strerror(r));
		return r;
	}
	y = calloc(1, sizeof(*y));
	if (y == NULL) {
		r = -ENOMEM;
		goto out;
	}
	y->file = file;
	y->why = why;
	y->size = size;
	r = scan(y, text, len, schema);
	if (r == 0)
		r = load_document(y, text, len);
	if (r == 0)
		r = load_data(y, text, len, schema, data);
	if (r == 0) {
		*out = y;
		y = NULL;
	}
out:
	mftd_yaml_free(y);
	explicit_bzero(text, len);
	free(text);
	return r;
}

void
mftd_yaml_free(struct mftd_yaml *y)
{
	if (y == NULL)
		return;
	if (y->has_doc)
		yaml_document_delete(&y->doc);
	free(y);
}

void
mftd_yaml_data_free(const cyaml_schema_value_t *schema, void *data)
{
	cyaml_config_t conf = config(NULL);

	if (data != NULL)
		cyaml_free(&conf, schema, data, 0);
}
