/* SPDX-License-Identifier: Apache-2.0 */
/* ctlconf.c - cell.conf(5) into the controller's configuration */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "sched/ctl.h"

/* Policy constants of 32 bits, read through int64 variables. */
struct wide {
    int64_t window_new, window_tasks, new_equal_items, draw_items;
    int64_t mu, detect, gang, q_min, referee, one_customer;
    int64_t strict_tasks, check_fee_above, speed_cap;
    int64_t lease_factor, ahead, max_attempts;
};

static void widen(struct wide *w, const struct cell_conf *p)
{
    *w = (struct wide){
        p->window_new,       p->window_tasks, p->new_equal_items,
        p->draw_items,       p->mu_ppm,       p->detect_ppm,
        p->gang_ppm,         p->q_min_ppm,    p->referee_ppm,
        p->one_customer_ppm, p->strict_tasks, p->check_fee_above_ppm,
        p->speed_cap_ppm,    p->lease_factor, p->ahead,
        p->max_attempts,
    };
}

static void narrow(struct cell_conf *p, const struct wide *w)
{
    p->window_new = (uint32_t)w->window_new;
    p->window_tasks = (uint32_t)w->window_tasks;
    p->new_equal_items = (uint32_t)w->new_equal_items;
    p->draw_items = (uint32_t)w->draw_items;
    p->mu_ppm = (uint32_t)w->mu;
    p->detect_ppm = (uint32_t)w->detect;
    p->gang_ppm = (uint32_t)w->gang;
    p->q_min_ppm = (uint32_t)w->q_min;
    p->referee_ppm = (uint32_t)w->referee;
    p->one_customer_ppm = (uint32_t)w->one_customer;
    p->strict_tasks = (uint32_t)w->strict_tasks;
    p->check_fee_above_ppm = (uint32_t)w->check_fee_above;
    p->speed_cap_ppm = (uint32_t)w->speed_cap;
    p->lease_factor = (uint32_t)w->lease_factor;
    p->ahead = (uint32_t)w->ahead;
    p->max_attempts = (uint32_t)w->max_attempts;
}

static int conf_complete(const struct ctl_conf *conf, const char *path,
                         struct error *err)
{
    const struct {
        const char *key, *value;
    } need[] = {
        {"cell_name", conf->cell_name},
        {"ctld_socket", conf->ctld_socket},
        {"db", conf->db},
        {"schema_dir", conf->schema_dir},
        {"blob_dir", conf->blob_dir},
        {"admin_token_file", conf->admin_token_file},
        {"cell_key_file", conf->cell_key_file},
    };

    for (size_t i = 0; i < sizeof(need) / sizeof(need[0]); i++)
        if (!need[i].value || !*need[i].value)
            return error_set(err, EINVAL, "%s: \"%s\" is not set", path,
                             need[i].key);
    if (strlen(conf->cell_name) > NAME_MAX_LEN)
        return error_set(err, EINVAL, "%s: cell_name is longer than %d bytes",
                         path, NAME_MAX_LEN);
    return 0;
}

int ctl_conf_read(struct ctl_conf *conf, const char *path, struct error *err)
{
    struct wide w;
    struct cell_conf *p = &conf->policy;
    const int64_t million = 1000000;

    cell_conf_default(p);
    widen(&w, p);
    const struct conf_key keys[] = {
        {"cell_name", CONF_STRING, &conf->cell_name, 0, 0},
        {"ctld_socket", CONF_STRING, &conf->ctld_socket, 0, 0},
        {"db", CONF_STRING, &conf->db, 0, 0},
        {"schema_dir", CONF_STRING, &conf->schema_dir, 0, 0},
        {"blob_dir", CONF_STRING, &conf->blob_dir, 0, 0},
        {"admin_token_file", CONF_STRING, &conf->admin_token_file, 0, 0},
        {"cell_key_file", CONF_STRING, &conf->cell_key_file, 0, 0},
        {"window_new", CONF_INT, &w.window_new, 1, 10000},
        {"window_tasks", CONF_INT, &w.window_tasks, 1, 10000},
        {"new_equal_items", CONF_INT, &w.new_equal_items, 1, million},
        {"draw_items", CONF_INT, &w.draw_items, 1, 1024},
        {"mu", CONF_RATIO, &w.mu, million, 100 * million},
        {"detect", CONF_RATIO, &w.detect, 1, million},
        {"gang", CONF_RATIO, &w.gang, 0, million - 1},
        {"q_min", CONF_RATIO, &w.q_min, 0, million},
        {"referee", CONF_RATIO, &w.referee, 0, million},
        {"one_customer", CONF_RATIO, &w.one_customer, 1, million},
        {"strict_tasks", CONF_INT, &w.strict_tasks, 0, million},
        {"check_fee_above", CONF_RATIO, &w.check_fee_above, 0, million},
        {"speed_cap", CONF_RATIO, &w.speed_cap, million, 100 * million},
        {"referee_after", CONF_TIME, &p->referee_after_us, 0, 0},
        {"lease_min", CONF_TIME, &p->lease_min_us, 1, INT64_MAX / 4},
        {"lease_unmeasured", CONF_TIME, &p->lease_unmeasured_us, 1,
         INT64_MAX / 4},
        {"lease_max", CONF_TIME, &p->lease_max_us, 1, INT64_MAX / 4},
        {"lease_factor", CONF_INT, &w.lease_factor, 1, 1000},
        {"grace", CONF_TIME, &p->grace_us, 0, INT64_MAX / 4},
        {"fence", CONF_TIME, &p->fence_us, 0, INT64_MAX / 4},
        {"ahead", CONF_INT, &w.ahead, 1, 64},
        {"max_attempts", CONF_INT, &w.max_attempts, 1, 1000},
        {NULL, 0, NULL, 0, 0},
    };

    if (conf_read(path, keys, err) < 0)
        return -1;
    narrow(p, &w);
    return conf_complete(conf, path, err);
}

void ctl_conf_clear(struct ctl_conf *conf)
{
    free(conf->cell_name);
    free(conf->ctld_socket);
    free(conf->db);
    free(conf->schema_dir);
    free(conf->blob_dir);
    free(conf->admin_token_file);
    free(conf->cell_key_file);
    memset(conf, 0, sizeof(*conf));
}
