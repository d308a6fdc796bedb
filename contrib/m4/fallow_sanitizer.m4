# SPDX-License-Identifier: Apache-2.0
# FALLOW_CHECK_SANITIZER - --enable-sanitizer=address,undefined and the like.
AC_DEFUN([FALLOW_CHECK_SANITIZER], [
  AC_ARG_ENABLE([sanitizer],
    [AS_HELP_STRING([--enable-sanitizer=LIST],
      [build with -fsanitize=LIST, for instance address,undefined])],
    [fallow_sanitizer=$enableval], [fallow_sanitizer=no])
  AS_CASE([$fallow_sanitizer],
    [yes], [fallow_sanitizer=address,undefined])
  AS_IF([test "$fallow_sanitizer" != no], [
    SANITIZER_CFLAGS="-fsanitize=$fallow_sanitizer"
    SANITIZER_CFLAGS="$SANITIZER_CFLAGS -fno-sanitize-recover=undefined"
    SANITIZER_CFLAGS="$SANITIZER_CFLAGS -fno-omit-frame-pointer"
    AC_DEFINE([FALLOW_SANITIZED], [1], [Define when built with a sanitizer])
  ])
  AC_SUBST([SANITIZER_CFLAGS])
  AM_CONDITIONAL([SANITIZED], [test "$fallow_sanitizer" != no])
])

# FALLOW_CHECK_MAINTAINER_WERROR - -Werror for those who mend, not for users.
AC_DEFUN([FALLOW_CHECK_MAINTAINER_WERROR], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [compiler warnings are errors])])
  AS_IF([test "$enable_werror" = yes], [WERROR_CFLAGS=-Werror])
  AC_SUBST([WERROR_CFLAGS])
])
