/* SPDX-License-Identifier: Apache-2.0 */
/* job_script.c - any bytes as a job script
 *
 * Reading one ends with words or with an error that names file and line, and
 * words never hold what a shell would have expanded outside of quotes.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "sched/cmd/jobscript.h"
#include "t/fuzz/fuzz.h"

const char fuzz_subject[] = "job scripts";
const char *const fuzz_samples[] = {
    "#!/bin/sh\n#SBATCH -J 'a b' --time=1-2:3 --array=0-9:3,12%4 # c\n"
    "#FALLOW zone=own max-cost=1.5 chunk=3 quote\nset -e\n"
    "srun -u echo \"a \\\" b\" c\\\nd 'e' # f\n",
    "#!/bin/bash\n\n# x\n#SBATCH --nice --hold -Wt 90 -D/tmp\n"
    "srun embed --model m --input \\\n 'in put.jsonl' --output o.npy",
    "#!x\n#SBATCH --mem=4G --dependency=afterok:1 --wrap='x y'\nsrun k\n",
    NULL};

static void count_warning(void *arg, const char *text)
{
    assert(strlen(text) > 0);
    ++*(int *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int warnings = 0;
    struct job_options o = {.warn = count_warning, .warn_arg = &warnings};
    struct jobscript s;
    struct error err = {""};
    int rc = jobscript_parse("job.sh", (const char *)data, size, &o, &s, &err);

    if (rc == 0) {
        assert(s.argc > 0 && s.line > 0 && !s.argv[s.argc]);
        assert(o.is_array == (o.array_tasks > 0));
        assert(!o.is_array ||
               (o.array_step > 0 && o.array_tasks <= ARRAY_TASKS_MAX));
        assert(o.time_limit_us >= 0 && o.max_cost_micro >= 0);
    } else {
        assert(rc == -1 && s.argc == 0 && (errno == EINVAL || errno == EFBIG));
        assert(strncmp(err.text, "job.sh:", 7) == 0);
    }
    jobscript_clear(&s);
    job_options_clear(&o);
    return 0;
}
