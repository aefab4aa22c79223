/* Part of mftd; see LICENSE. */
#include "ocf.h"

/*
 * resource-agents ships the DTD of OCF 1.0 only, and ocf-tester validates
 * against it. The internal subset adds what 1.1 needs; a declaration here
 * wins over the one in the file (XML 1.0, 3.3).
 */
static const char prologue[] = "<?xml version=\"1.0\"?>\n"
			       "<!DOCTYPE resource-agent SYSTEM "
			       "\"ra-api-1.dtd\" [\n"
			       "<!ATTLIST parameter\n"
			       "  unique-group CDATA #IMPLIED\n"
			       "  reloadable (1|0) #IMPLIED>\n"
			       "<!ATTLIST action name CDATA #REQUIRED>\n"
			       "]>\n";

static void
put_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			putc(*text, out);
		}
	}
}

static void
put_attribute(FILE *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	fprintf(out, " %s=\"", name);
	put_text(out, value);
	putc('"', out);
}

static void
put_element(FILE *out, const char *name, const char *text)
{
	fprintf(out, "<%s lang=\"en\">", name);
	put_text(out, text);
	fprintf(out, "</%s>\n", name);
}

static const char *
type_name(enum mftd_ocf_type type)
{
	switch (type) {
	case MFTD_OCF_INTEGER:
		return "integer";
	case MFTD_OCF_BOOLEAN:
		return "boolean";
	case MFTD_OCF_STRING:
	case MFTD_OCF_PATH:
		break;
	}
	return "string";
}

static void
put_param(FILE *out, const struct mftd_ocf_param *p)
{
	fputs("<parameter", out);
	put_attribute(out, "name", p->name);
	put_attribute(out, "required", p->required ? "1" : "0");
	put_attribute(out, "unique-group", p->unique_group);
	put_attribute(out, "reloadable", p->reloadable ? "1" : NULL);
	fputs(">\n", out);
	put_element(out, "longdesc", p->longdesc);
	put_element(out, "shortdesc", p->shortdesc);
	fputs("<content", out);
	put_attribute(out, "type", type_name(p->type));
	put_attribute(out, "default", p->value);
	fputs("/>\n</parameter>\n", out);
}

static void
put_action(FILE *out, const struct mftd_ocf_action *a)
{
	fputs("<action", out);
	put_attribute(out, "name", a->name);
	fprintf(out, " timeout=\"%ds\"", a->timeout_s);
	if (a->interval_s != 0)
		fprintf(out, " interval=\"%ds\"", a->interval_s);
	put_attribute(out, "role", a->role);
	fputs("/>\n", out);
}

void
mftd_ocf_metadata(const struct mftd_ocf_agent *agent, FILE *out)
{
	fputs(prologue, out);
	fputs("<resource-agent", out);
	put_attribute(out, "name", agent->name);
	put_attribute(out, "version", agent->version);
	fputs(">\n<version>1.1</version>\n", out);
	put_element(out, "longdesc", agent->longdesc);
	put_element(out, "shortdesc", agent->shortdesc);
	fputs("<parameters>\n", out);
	for (size_t i = 0; i < agent->nparams; i++)
		put_param(out, &agent->params[i]);
	fputs("</parameters>\n<actions>\n", out);
	for (size_t i = 0; i < agent->nactions; i++)
		put_action(out, &agent->actions[i]);
	fputs("</actions>\n</resource-agent>\n", out);
}
