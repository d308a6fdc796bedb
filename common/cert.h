/* SPDX-License-Identifier: Apache-2.0 */
/* cert.h - a private cell's own certificates
 *
 * A cell that buys no certificate has its own authority (CA).  Workers and
 * customers are given ca.pem and trust nothing else; server.key is the only
 * key fallow-gate ever reads.
 */
#ifndef FALLOW_COMMON_CERT_H
#define FALLOW_COMMON_CERT_H

#include "common/error.h"

/* Years the certificates are good for. */
#define CERT_YEARS 10

/* Make, in the existing directory dir, what is not there yet:
 *
 *   ca.pem      the authority's certificate       (0644)
 *   ca.key      its key, for further servers      (0600)
 *   server.pem  the server's certificate          (0644)
 *   server.key  the server's key, EC P-256        (0600)
 *
 * sans is NULL for "DNS:localhost,IP:127.0.0.1,IP:::1", or such a list.  An
 * existing authority signs a missing server certificate; a complete set is
 * left alone.  Returns 0, or -1 with errno EBADMSG (a file there is damaged),
 * EINVAL (sans), EIO (OpenSSL) or of writing.
 */
int cert_make(const char *dir, const char *sans, struct error *err);

#endif
