/* Part of mftd; see LICENSE. */
#include "verdict.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = { "green", "yellow", "red" };

const char *
mftd_color_word(enum mftd_color color)
{
	return words[color];
}

void
mftd_verdict_probe(struct mftd_verdict *v, bool well, int64_t now_s)
{
	if (well) {
		*v = (struct mftd_verdict) { MFTD_COLOR_GREEN, 0 };
		return;
	}
	/* a clock that went back starts the wait anew */
	if (v->color == MFTD_COLOR_GREEN || v->since_s > now_s)
		v->since_s = now_s;
	if (v->color == MFTD_COLOR_GREEN)
		v->color = MFTD_COLOR_YELLOW;
}

bool
mftd_verdict_asks(
    const struct mftd_verdict *v, int64_t now_s, int64_t confirm_s)
{
	if (v->color == MFTD_COLOR_RED)
		return true;
	return v->color == MFTD_COLOR_YELLOW && now_s - v->since_s >= confirm_s;
}

void
mftd_verdict_others(struct mftd_verdict *v, int green)
{
	if (v->color != MFTD_COLOR_GREEN)
		v->color = green > 0 ? MFTD_COLOR_RED : MFTD_COLOR_YELLOW;
}

void
mftd_verdict_text(
    const struct mftd_verdict *v, char text[static MFTD_VERDICT_TEXT_MAX])
{
	snprintf(text, MFTD_VERDICT_TEXT_MAX, "%s %lld", words[v->color],
	    (long long)v->since_s);
}

bool
mftd_verdict_parse(struct mftd_verdict *v, const char *text)
{
	char word[8];
	long long since;
	int end = 0;

	*v = (struct mftd_verdict) { MFTD_COLOR_GREEN, 0 };
	if (sscanf(text, "%7s %lld%n", word, &since, &end) != 2 ||
	    text[end] != '\0' || since < 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (strcmp(word, words[i]) == 0) {
			*v =
			    (struct mftd_verdict) { (enum mftd_color)i, since };
			return true;
		}
	return false;
}
