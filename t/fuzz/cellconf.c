/* SPDX-License-Identifier: Apache-2.0 */
/* cellconf.c - any bytes as a cell.conf
 *
 * What is taken has every needed key and a policy within its ranges; what is
 * refused names the file.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sched/ctl.h"
#include "t/fuzz/fuzz.h"

#define NEEDED                                                                 \
    "cell_name='c'\nctld_socket = 's'\ndb = 'host=x'\nschema_dir = d\n"        \
    "blob_dir = 'b'\nadmin_token_file = 'a'\ncell_key_file = 'k'\n"

const char fuzz_subject[] = "cell.conf";
const char *const fuzz_samples[] = {
    NEEDED,
    "# a remark\n" NEEDED "mu = 1.5 # more\nq_min = 0.01\nfence = 90s\n"
    "lease_min = 30s\nlease_max = 2h\nwindow_new = 20\n",
    NEEDED "ahead = 64\ngang = .5\ngrace = 1500ms\nreferee_after = 1d\n",
    "cell_name = 'it''s'\n",
    "colour = red\n",
    NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ctl_conf conf = {0};
    struct error err = {""};
    char path[32];
    int fd = memfd_create("cell.conf", MFD_CLOEXEC), rc;

    assert(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    rc = ctl_conf_read(&conf, path, &err);
    if (rc == 0) {
        const struct cell_conf *p = &conf.policy;

        assert(conf.cell_name[0] && strlen(conf.cell_name) <= NAME_MAX_LEN);
        assert(conf.db[0] && conf.blob_dir[0] && conf.cell_key_file[0]);
        assert(p->ahead >= 1 && p->ahead <= 64 && p->gang_ppm < 1000000);
        assert(p->mu_ppm >= 1000000 && p->fence_us >= 0 && p->lease_min_us > 0);
    } else {
        assert(strstr(err.text, path));
    }
    ctl_conf_clear(&conf);
    close(fd);
    return 0;
}
