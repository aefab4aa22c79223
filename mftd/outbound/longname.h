/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_LONGNAME_H
#define MFTD_OUTBOUND_LONGNAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * How many names a file has, by the line that READDIR gives with it
 * (draft-ietf-secsh-filexfer-02, section 7: as "ls -l" has it, and nobody is to
 * rely on it; nothing else of version 3 tells).  0: it does not say, or is no
 * such line of a plain file.
 */
uint32_t mftd_longname_links(const uint8_t *line, size_t len);

#endif
