/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - the rows of a cell: what a step writes and a restart reads */
#include "common/record.h"

#include <string.h>

#include "common/bytes.h"

void transfer_make_id(struct rec_transfer *t, uint32_t leg, uint64_t serial)
{
    static const char tag[18] = "fallow-transfer-v1";
    uint8_t buf[sizeof(tag) + 1 + 8 + 4 + 8];
    struct digest d;

    memcpy(buf, tag, sizeof(tag));
    buf[18] = t->kind;
    put_u64be(buf + 19, (uint64_t)t->ref);
    put_u32be(buf + 27, leg);
    put_u64be(buf + 31, serial);
    digest_of(buf, sizeof(buf), &d);
    memcpy(t->transfer_id, d.b, sizeof(t->transfer_id));
}

static const struct {
    const char *name, *code;
} job_states[] = {
    [JOB_PENDING] = {"PENDING", "PD"},
    [JOB_RUNNING] = {"RUNNING", "R"},
    [JOB_COMPLETING] = {"COMPLETING", "CG"},
    [JOB_COMPLETED] = {"COMPLETED", "CD"},
    [JOB_CANCELLED] = {"CANCELLED", "CA"},
    [JOB_FAILED] = {"FAILED", "F"},
    [JOB_HELD] = {"PENDING", "PD"},
};

static const struct {
    const char *name;
    bool debit, floor;
} purposes[] = {
    [ACC_BANK] = {"bank", true, true},
    [ACC_PREPAID] = {"prepaid", false, true},
    [ACC_RESERVE] = {"reserve", false, true},
    [ACC_ESCROW] = {"escrow", false, true},
    [ACC_HELD] = {"held", false, true},
    [ACC_PAYABLE] = {"payable", false, true},
    [ACC_SETTLING] = {"settling", false, true},
    [ACC_FEE] = {"fee", false, true},
    [ACC_VERIFY_COST] = {"verify_cost", true, false},
    [ACC_ROUNDING] = {"rounding", false, false},
    [ACC_GRANT] = {"grant", false, false},
    [ACC_QTY_ISSUED] = {"qty_issued", true, true},
    [ACC_QTY_EARNED] = {"qty_earned", false, true},
};

static bool known(int i, size_t n)
{
    return i > 0 && (size_t)i < n;
}

#define COUNT(v) (sizeof(v) / sizeof((v)[0]))

const char *job_state_name(int state)
{
    return known(state, COUNT(job_states)) ? job_states[state].name : "?";
}

const char *job_state_code(int state)
{
    return known(state, COUNT(job_states)) ? job_states[state].code : "?";
}

const char *purpose_name(int purpose)
{
    return known(purpose, COUNT(purposes)) ? purposes[purpose].name : "?";
}

bool purpose_is_debit(int purpose)
{
    return known(purpose, COUNT(purposes)) && purposes[purpose].debit;
}

bool purpose_has_floor(int purpose)
{
    return known(purpose, COUNT(purposes)) && purposes[purpose].floor;
}
