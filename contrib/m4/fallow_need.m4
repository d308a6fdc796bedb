# SPDX-License-Identifier: Apache-2.0
# FALLOW_NEED(VARIABLE, PKG-CONFIG SPEC, DEBIAN PACKAGE) - a library no build
# goes without: a missing one stops configure and names the package.
AC_DEFUN([FALLOW_NEED], [
  PKG_CHECK_MODULES([$1], [$2], [],
    [AC_MSG_ERROR([$2 is needed: apt-get install $3])])
])
