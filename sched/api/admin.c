/* SPDX-License-Identifier: Apache-2.0 */
/* admin.c - the operator's routes: parties, tariffs, funds, tokens */
#include "sched/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "common/member.h"

/* Ten years; a token that never ends is asked for with ttl_s 0. */
#define TTL_MAX_S 315360000

static void answer_id(struct call *call, const char *key,
                      const struct answer *a)
{
    if (!a || a->code != 0)
        call_refuse(call, a ? a->code : ENOMEM, a ? a->err.text : "no answer");
    else
        call_json(call, 200, json_pack("{s:I}", key, (json_int_t)a->id));
}

static int role_bits(const json_t *j, uint32_t *out, struct error *err)
{
    const json_t *a;

    *out = 0;
    if (member_array(j, "roles", 4, &a, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = json_string_value(json_array_get(a, i));

        if (s && strcmp(s, "owner") == 0)
            *out |= ROLE_OWNER;
        else if (s && strcmp(s, "customer") == 0)
            *out |= ROLE_CUSTOMER;
        else
            return error_set(err, EINVAL,
                             "role %zu is neither \"owner\" nor "
                             "\"customer\"",
                             i);
    }
    return 0;
}

void route_admin_party(struct call *call)
{
    struct event ev = {.type = EV_PARTY, .req = 1};
    struct rec_party *p = &ev.party;
    json_t *j = api_json(call);
    struct error err;
    int rc;

    if (!j)
        return;
    rc = member_text(j, "name", p->name, sizeof(p->name), &err);
    if (rc == 0)
        rc = role_bits(j, &p->roles, &err);
    if (rc == 0 && json_object_get(j, "beneficial_owner"))
        rc = member_int(j, "beneficial_owner", 1, INT64_MAX,
                        &p->beneficial_owner, &err);
    json_decref(j);
    if (rc < 0)
        call_refuse(call, EINVAL, err.text);
    else
        answer_id(call, "party_id", ctl_step(call->ctl, &ev));
}

void route_admin_tariff(struct call *call)
{
    struct event ev = {.type = EV_TARIFF, .req = 1};
    struct rec_tariff *t = &ev.tariff;
    json_t *j = api_json(call);
    int64_t fee = 0;
    struct error err;
    int rc;

    if (!j)
        return;
    if (member_int(j, "tariff_id", 1, INT64_MAX, &t->tariff_id, &err) < 0 ||
        member_text(j, "kernel", t->kernel, sizeof(t->kernel), &err) < 0 ||
        member_text(j, "zone", t->zone, sizeof(t->zone), &err) < 0 ||
        member_text(j, "unit", t->unit, sizeof(t->unit), &err) < 0 ||
        member_text(j, "credit_unit", t->credit_unit, sizeof(t->credit_unit),
                    &err) < 0 ||
        member_int(j, "price_micro", 1, 1000000000000, &t->price_micro, &err) <
            0 ||
        member_int(j, "rate_num", 1, INT64_MAX, &t->rate_num, &err) < 0 ||
        member_int(j, "rate_den", 1, INT64_MAX, &t->rate_den, &err) < 0 ||
        member_int(j, "valid_from_us", 0, INT64_MAX, &t->valid_from_us, &err) <
            0 ||
        member_int(j, "fee_ppm", 0, 500000, &fee, &err) < 0)
        rc = -1;
    else
        rc = 0;
    json_decref(j);
    t->fee_ppm = (int32_t)fee;
    if (rc < 0)
        call_refuse(call, EINVAL, err.text);
    else
        answer_id(call, "tariff_id", ctl_step(call->ctl, &ev));
}

void route_admin_fund(struct call *call)
{
    struct event ev = {.type = EV_FUND, .req = 1};
    json_t *j = api_json(call);
    struct error err;
    int rc;

    if (!j)
        return;
    if (member_int(j, "party_id", 1, INT64_MAX, &ev.fund.party_id, &err) < 0 ||
        member_text(j, "unit", ev.fund.unit, sizeof(ev.fund.unit), &err) < 0 ||
        member_int(j, "amount", 1, 9000000000000000, &ev.fund.amount, &err) <
            0 ||
        member_int(j, "serial", 0, INT64_MAX, &ev.fund.serial, &err) < 0)
        rc = -1;
    else
        rc = 0;
    json_decref(j);
    if (rc < 0)
        call_refuse(call, EINVAL, err.text);
    else
        answer_id(call, "id", ctl_step(call->ctl, &ev));
}

void route_admin_token(struct call *call)
{
    struct record r = {.type = REC_TOKEN};
    json_t *j = api_json(call);
    int64_t ttl = 0;
    char kind[16] = "", hex[65];
    struct rec_party party;
    uint8_t secret[32];
    struct error err;
    int rc;

    if (!j)
        return;
    rc = member_int(j, "party_id", 1, INT64_MAX, &r.token.party_id, &err);
    if (rc == 0)
        rc = member_text(j, "kind", kind, sizeof(kind), &err);
    if (rc == 0)
        rc = member_int(j, "ttl_s", 0, TTL_MAX_S, &ttl, &err);
    json_decref(j);
    if (rc == 0 && strcmp(kind, "user") != 0 && strcmp(kind, "enrol") != 0)
        rc = error_set(&err, EINVAL, "kind is neither \"user\" nor \"enrol\"");
    if (rc == 0 && !cell_party(call->ctl->cell, r.token.party_id, &party))
        rc =
            error_set(&err, ENOENT, "no party %jd", (intmax_t)r.token.party_id);
    if (rc < 0 || random_bytes(secret, sizeof(secret)) < 0) {
        call_refuse(call, errno == ENOENT ? ENOENT : EINVAL, err.text);
        return;
    }
    bytes_to_hex(secret, sizeof(secret), hex);
    digest_of(hex, 64, &r.token.hash);
    r.token.kind = strcmp(kind, "user") == 0 ? TOKEN_USER : TOKEN_ENROL;
    r.token.created_us = ctl_now_us();
    r.token.expires_us = ttl ? r.token.created_us + ttl * 1000000 : 0;
    if (ctl_record(call->ctl, &r) < 0)
        call_refuse(call, ENOMEM, "out of memory");
    else
        call_json(call, 200, json_pack("{s:s}", "token", hex));
}
