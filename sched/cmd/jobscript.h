/* SPDX-License-Identifier: Apache-2.0 */
/* jobscript.h - what stands in a job script
 *
 * The body is parsed, not executed: comments, blank lines, `set …` lines and
 * exactly one `srun KERNEL words…`, quoted as POSIX has it and with nothing a
 * shell would expand.  Everything else is an error that names its line.
 *
 *   #!/bin/bash
 *   #SBATCH --job-name=glosses --time=10
 *   #FALLOW zone=cell max-cost=0.50
 *   set -eu
 *   srun embed --model all-MiniLM-L6-v2 --input corpus.jsonl \
 *        --output "my vectors.npy"
 */
#ifndef FALLOW_SCHED_CMD_JOBSCRIPT_H
#define FALLOW_SCHED_CMD_JOBSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "sched/cmd/joboptions.h"

#define JOBSCRIPT_MAX ((size_t)4 << 20)

struct jobscript {
    int argc;    /* words[0] is the kernel */
    char **argv; /* NULL-terminated */
    int line;    /* of the srun */
};

/* Parse len bytes of text, which came from the file called name; directives
 * go into options, srun's own options too.  Reads nothing else and keeps no
 * state.  Returns 0, or -1 with errno EINVAL or ENOMEM and err "NAME:LINE: …";
 * out then holds nothing.
 */
int jobscript_parse(const char *name, const char *text, size_t len,
                    struct job_options *options, struct jobscript *out,
                    struct error *err);

/* The same for the one line of --wrap. */
int jobscript_parse_line(const char *name, const char *text,
                         struct job_options *options, struct jobscript *out,
                         struct error *err);

void jobscript_clear(struct jobscript *s);

#endif
