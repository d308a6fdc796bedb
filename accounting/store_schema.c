/* SPDX-License-Identifier: Apache-2.0 */
/* store_schema.c - schema/NN-name.sql, each applied once
 *
 * Files are applied in order of name, each in a transaction of its own that
 * also records its digest.  A file that was changed after it was applied is
 * refused, except for numbers from 80 on: those hold views and functions only
 * and are applied again.
 */
#include "accounting/store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_schema_file(const struct dirent *d)
{
    size_t n = strlen(d->d_name);

    return n > 7 && d->d_name[0] >= '0' && d->d_name[0] <= '9' &&
           d->d_name[1] >= '0' && d->d_name[1] <= '9' && d->d_name[2] == '-' &&
           strcmp(d->d_name + n - 4, ".sql") == 0;
}

static char *read_file(const char *path, struct error *err)
{
    FILE *f = fopen(path, "re");
    char *buf = NULL;
    long len;

    if (!f)
        return error_null(err, errno, "could not open %s: %s", path,
                          strerror(errno));
    if (fseek(f, 0, SEEK_END) < 0 || (len = ftell(f)) < 0 || len > 1 << 24)
        goto error;
    rewind(f);
    buf = calloc(1, (size_t)len + 1);
    if (!buf || fread(buf, 1, (size_t)len, f) != (size_t)len)
        goto error;
    fclose(f);
    return buf;
error:
    fclose(f);
    free(buf);
    return error_null(err, EIO, "could not read %s", path);
}

static int exec(PGconn *conn, const char *sql, const char *what,
                struct error *err)
{
    PGresult *res = PQexec(conn, sql);
    ExecStatusType st = PQresultStatus(res);
    int rc = 0;

    if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK)
        rc = store_pg_error(err, conn, res, what);
    PQclear(res);
    return rc;
}

/* 1 applied as it is now, 0 to be applied, -1 error. */
static int already(PGconn *conn, const char *name, const char *hex,
                   struct error *err)
{
    const char *values[1] = {name};
    PGresult *res =
        PQexecParams(conn, "SELECT digest FROM cell.schema WHERE name = $1 ", 1,
                     NULL, values, NULL, NULL, 0);
    int rc;

    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        rc = store_pg_error(err, conn, res, "could not read cell.schema");
    else if (PQntuples(res) == 0)
        rc = 0;
    else if (strcmp(PQgetvalue(res, 0, 0), hex) == 0)
        rc = 1;
    else if (name[0] >= '8')
        rc = 0;
    else
        rc = error_set(err, EPERM,
                       "schema file %s is not the one this database was made "
                       "with",
                       name);
    PQclear(res);
    return rc;
}

static int record(PGconn *conn, const char *name, const char *hex,
                  struct error *err)
{
    const char *values[2] = {name, hex};
    PGresult *res =
        PQexecParams(conn,
                     "INSERT INTO cell.schema (name, digest) VALUES ($1, $2) "
                     "ON CONFLICT (name) DO UPDATE SET digest = $2, "
                     "applied_at = now()",
                     2, NULL, values, NULL, NULL, 0);
    int rc = 0;

    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        rc = store_pg_error(err, conn, res, "could not write cell.schema");
    PQclear(res);
    return rc;
}

static int apply(PGconn *conn, const char *dir, const char *name,
                 struct error *err)
{
    char path[4096], hex[DIGEST_HEX_LEN + 1];
    struct digest d;
    char *sql;
    int rc;

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return error_set(err, ENAMETOOLONG, "path of %s is too long", name);
    sql = read_file(path, err);
    if (!sql)
        return -1;
    digest_of(sql, strlen(sql), &d);
    digest_to_hex(&d, hex);
    rc = already(conn, name, hex, err);
    if (rc == 0) {
        rc = exec(conn, "BEGIN", name, err) < 0 ||
                     exec(conn, sql, name, err) < 0 ||
                     record(conn, name, hex, err) < 0 ||
                     exec(conn, "COMMIT", name, err) < 0
                 ? -1
                 : 0;
        if (rc < 0)
            exec(conn, "ROLLBACK", name, NULL);
    }
    free(sql);
    return rc < 0 ? -1 : 0;
}

int store_apply_schema(PGconn *conn, const char *dir, struct error *err)
{
    struct dirent **names;
    int n = scandir(dir, &names, is_schema_file, alphasort), rc = 0;

    if (n < 0)
        return error_set(err, errno, "could not read schema directory %s: %s",
                         dir, strerror(errno));
    if (n == 0)
        rc = error_set(err, ENOENT, "no schema files in %s", dir);
    if (rc == 0)
        rc = exec(conn,
                  "SET client_min_messages = warning;"
                  "CREATE SCHEMA IF NOT EXISTS cell;"
                  "CREATE TABLE IF NOT EXISTS cell.schema (name text PRIMARY "
                  "KEY, digest text NOT NULL, applied_at timestamptz NOT NULL "
                  "DEFAULT now())",
                  "could not create cell.schema", err);
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = apply(conn, dir, names[i]->d_name, err);
        free(names[i]);
    }
    free(names);
    return rc;
}
