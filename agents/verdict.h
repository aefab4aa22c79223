/* Part of mftd; see LICENSE. */
/*
 * What a node says of its shared volume, as the color of its node attribute,
 * in the words of Pacemaker's node health:
 *
 * green   the last probe succeeded
 * yellow  it did not; or the volume is ill for all, as far as is known
 * red     it did not for confirm_s, while another node is green
 *
 * Only red moves anything. Not all nodes become red for a volume that is ill
 * for all: who becomes red sees another that is green, after its own yellow has
 * stood for long enough that the other has probed since; so the last green one
 * cannot become red, and who is red when it goes becomes yellow again.
 *
 * Pure: time, probe and the others' colors are the caller's.
 */
#ifndef MFTD_AGENTS_VERDICT_H
#define MFTD_AGENTS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum mftd_color {
	MFTD_COLOR_GREEN,
	MFTD_COLOR_YELLOW,
	MFTD_COLOR_RED,
};

struct mftd_verdict {
	enum mftd_color color;
	int64_t since_s; /* not green since then; 0 while it is */
};

/* The words: "green", "yellow", "red". */
const char *mftd_color_word(enum mftd_color color);

/* What a probe showed at now_s (of one clock, > 0). The color is yellow at
 * least if it was not well; red stays for mftd_verdict_others to judge. */
void mftd_verdict_probe(struct mftd_verdict *v, bool well, int64_t now_s);

/* Whether the others' colors matter by now. */
bool mftd_verdict_asks(
    const struct mftd_verdict *v, int64_t now_s, int64_t confirm_s);

/* What they are: green > 0 if another node is, 0 if none, < 0 unknown, which
 * counts as none. */
void mftd_verdict_others(struct mftd_verdict *v, int green);

/* As it is remembered between two calls: "color since". parse gives false, and
 * green, for anything else. */
enum { MFTD_VERDICT_TEXT_MAX = 32 };
void mftd_verdict_text(
    const struct mftd_verdict *v, char text[static MFTD_VERDICT_TEXT_MAX]);
bool mftd_verdict_parse(struct mftd_verdict *v, const char *text);

#endif
