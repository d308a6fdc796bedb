/* SPDX-License-Identifier: Apache-2.0 */
/* mkcert.c - the certificates of a cell, for stories: mkcert DIR */
#include <stdio.h>

#include "common/cert.h"

int main(int argc, char **argv)
{
    struct error err;

    if (argc != 2)
        return 2;
    if (cert_make(argv[1], NULL, &err) == 0)
        return 0;
    fprintf(stderr, "mkcert: %s\n", err.text);
    return 1;
}
