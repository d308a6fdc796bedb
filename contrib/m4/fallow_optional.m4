# SPDX-License-Identifier: Apache-2.0
# The optional parts.  Each takes auto (the default), yes or no: auto uses the
# part where it is found, yes stops configure where it is missing.

AC_DEFUN([FALLOW_CHECK_SECCOMP], [
  AC_ARG_WITH([seccomp],
    [AS_HELP_STRING([--with-seccomp], [system-call filter of the sandbox
      (libseccomp-dev) @<:@auto@:>@])], [], [with_seccomp=auto])
  fallow_seccomp=no
  AS_IF([test "$with_seccomp" != no], [
    PKG_CHECK_MODULES([SECCOMP], [libseccomp >= 2.5], [
      fallow_seccomp=yes
      AC_DEFINE([HAVE_SECCOMP], [1], [Define to use libseccomp])
    ], [AS_IF([test "$with_seccomp" = yes],
      [AC_MSG_ERROR([--with-seccomp: apt-get install libseccomp-dev])])])
  ])
  AM_CONDITIONAL([HAVE_SECCOMP], [test "$fallow_seccomp" = yes])
])

AC_DEFUN([FALLOW_CHECK_HTTP_PARSER], [
  AC_ARG_WITH([gate],
    [AS_HELP_STRING([--with-gate], [fallow-gate, the cell's door
      (libhttp-parser-dev) @<:@auto@:>@])], [], [with_gate=auto])
  fallow_http_parser=no
  AS_IF([test "$with_gate" != no], [
    AC_CHECK_HEADER([http_parser.h], [
      AC_CHECK_LIB([http_parser], [http_parser_execute], [
        fallow_http_parser=yes
        AC_SUBST([HTTP_PARSER_LIBS], [-lhttp_parser])
      ])
    ])
    AS_IF([test "$with_gate$fallow_http_parser" = yesno],
      [AC_MSG_ERROR([--with-gate: apt-get install libhttp-parser-dev])])
  ])
  AM_CONDITIONAL([HAVE_GATE], [test "$fallow_http_parser" = yes])
])

AC_DEFUN([FALLOW_CHECK_ONEDNN], [
  AC_ARG_WITH([onednn],
    [AS_HELP_STRING([--with-onednn], [the fast CPU variant of the embed
      kernel (libdnnl-dev) @<:@auto@:>@])], [], [with_onednn=auto])
  fallow_onednn=no
  AS_IF([test "$with_onednn" != no], [
    AC_CHECK_HEADER([oneapi/dnnl/dnnl.h], [
      AC_CHECK_LIB([dnnl], [dnnl_matmul_desc_init], [
        fallow_onednn=yes
        AC_SUBST([ONEDNN_LIBS], [-ldnnl])
      ])
    ])
    AS_IF([test "$with_onednn$fallow_onednn" = yesno],
      [AC_MSG_ERROR([--with-onednn: apt-get install libdnnl-dev])])
  ])
  AM_CONDITIONAL([HAVE_ONEDNN], [test "$fallow_onednn" = yes])
])
