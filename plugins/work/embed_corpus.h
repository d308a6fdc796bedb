/* SPDX-License-Identifier: Apache-2.0 */
/* embed_corpus.h - texts from a file of JSON lines
 *
 * One JSON object a line (doc/6-embed-input.md): a string under the name of
 * the text's field, and optionally "id", a string or an integer.  Lines of
 * blanks only are skipped, a byte order mark before the first line is too,
 * and a carriage return before the line feed is a blank.  The file may be a
 * pipe.  A line is read only when it is asked for.
 */
#ifndef FALLOW_PLUGINS_WORK_EMBED_CORPUS_H
#define FALLOW_PLUGINS_WORK_EMBED_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define CORPUS_LINE_MAX ((size_t)16 << 20)
#define CORPUS_ID_MAX 1024

struct corpus;

/* One line.  Texts are valid UTF-8 and end with a NUL that len does not count;
 * they belong to the corpus and last until the next call.
 */
struct corpus_row {
    uint64_t line; /* from 1 */
    const char *text;
    size_t len;
    const char *id; /* its own, or the line's number in digits */
};

/* Open path; field is the name of the text's member.  Returns NULL with errno
 * of open, EISDIR or ENOMEM; err names the path.
 */
struct corpus *corpus_open(const char *path, const char *field,
                           struct error *err);
void corpus_close(struct corpus *c);

/* The next row.  Returns 1, 0 at the end, or -1 with errno EBADMSG or of read;
 * err names path, line and what is wrong there: not UTF-8, not JSON, a member
 * twice, no object, no string under the field, an id that is neither string
 * nor integer or holds a control character, a line over CORPUS_LINE_MAX.
 */
int corpus_next(struct corpus *c, struct corpus_row *row, struct error *err);

/* Bytes read so far, and the file's size (0 when it is not known). */
uint64_t corpus_done(const struct corpus *c);
uint64_t corpus_size(const struct corpus *c);

#endif
