/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - a call ends by exactly one of these */
#include "sched/api/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void send_frame(struct call *call, const struct frame *f, int fd)
{
    struct ctl *c = call->ctl;

    if (c->commit) {
        commit_reply(c->commit, call->gate, f, fd);
        return;
    }
    gates_send(c->gates, call->gate, f, fd);
    if (fd >= 0)
        close(fd);
}

void call_bytes(struct call *call, int status, const char *type,
                const void *body, size_t len)
{
    struct frame f = {.type = FRAME_REPLY, .req = call->req, .fd = -1};
    char headers[256] = "";

    if (call->who == WHO_WORKER)
        auth_sign(call, body, len, headers);
    else if (status == 503)
        memcpy(headers, "Retry-After: 1\r\n", 17);
    f.reply.status = (uint16_t)status;
    f.reply.headers = headers;
    f.reply.type = type;
    f.reply.body = body;
    f.reply.body_len = len;
    send_frame(call, &f, -1);
}

void call_json(struct call *call, int status, json_t *body)
{
    static const char none[] = "{\"error\":\"out of memory\","
                               "\"errno\":\"ENOMEM\"}";
    size_t len = sizeof(none) - 1;
    char *text = body ? message_text(body, &len) : NULL;

    json_decref(body);
    call_bytes(call, text ? status : 503, "application/json",
               text ? text : none, len);
    free(text);
}

void call_file(struct call *call, int fd, uint64_t len)
{
    struct frame f = {.type = FRAME_REPLY, .req = call->req, .fd = -1};

    f.flags = FRAME_FD;
    f.reply.status = 200;
    f.reply.headers = "";
    f.reply.type = "application/octet-stream";
    f.reply.blob_len = len;
    f.reply.body = (const uint8_t *)"";
    send_frame(call, &f, fd);
}

void call_error(struct call *call, int status, int code, const char *text)
{
    call_json(call, status, msg_error_encode(code, text));
}

void call_refuse(struct call *call, int code, const char *text)
{
    static const struct {
        int code, status;
    } map[] = {
        {EPERM, 403},  {EACCES, 403}, {ENOENT, 404}, {EDQUOT, 402},
        {EEXIST, 409}, {EFBIG, 413},  {EAGAIN, 503}, {ENOMEM, 503},
        {EBUSY, 409},  {ENOSPC, 503}, {EIO, 503},    {ESTALE, 409},
    };
    int status = 400;

    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (map[i].code == code)
            status = map[i].status;
    call_error(call, status, code, text);
}
