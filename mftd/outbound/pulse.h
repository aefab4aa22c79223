/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_PULSE_H
#define MFTD_OUTBOUND_PULSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When a process was last seen to get on with its work: told by itself, read by
 * who started it. */
struct mftd_pulse;

/* n of them in memory that is shared with every later child; never given back.
 * NULL without memory. */
struct mftd_pulse *mftd_pulses_new(size_t n);

/* The i-th. */
struct mftd_pulse *mftd_pulses_at(struct mftd_pulse *pulses, size_t i);

/* It gets on, at now_ms (mftd_clock_ms, which all processes share). */
void mftd_pulse_beat(struct mftd_pulse *p, int64_t now_ms);

/* When it did so last. */
int64_t mftd_pulse_ms(const struct mftd_pulse *p);

/* The other way round: whether it is to leave off, where that is in order. */
void mftd_pulse_stop(struct mftd_pulse *p, bool yes);
bool mftd_pulse_is_stopped(const struct mftd_pulse *p);

#endif
