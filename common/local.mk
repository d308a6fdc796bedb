# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/error.c common/error.h \
	common/bytes.c common/bytes.h \
	common/conf.c common/conf.h \
	common/digest.c common/digest.h \
	common/items.c common/items.h \
	common/record.c common/record.h \
	common/tariff.c common/tariff.h \
	common/sign.c common/sign.h \
	common/member.c common/member.h \
	common/message.c common/jobspec.c common/message.h \
	common/granttext.c \
	common/frame.c common/frame.h \
	common/cert.c common/cert.h \
	common/file.c common/file.h \
	common/machine.c common/machine.h \
	common/plugin.c common/plugin.h

COMMON_LIBS = libcommon.a $(JANSSON_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += common/test/digest.t
common_test_digest_t_SOURCES = common/test/digest.c t/tap.h
common_test_digest_t_LDADD = $(COMMON_LIBS)

check_PROGRAMS += common/test/message.t
common_test_message_t_SOURCES = common/test/message.c t/tap.h
common_test_message_t_LDADD = $(COMMON_LIBS)

check_PROGRAMS += common/test/tariff.t
common_test_tariff_t_SOURCES = common/test/tariff.c t/tap.h
common_test_tariff_t_LDADD = $(COMMON_LIBS)

check_PROGRAMS += common/test/plugin.t common/test/file.t
common_test_plugin_t_SOURCES = common/test/plugin.c t/tap.h
common_test_plugin_t_LDADD = $(COMMON_LIBS)
common_test_file_t_SOURCES = common/test/file.c t/tap.h
common_test_file_t_LDADD = $(COMMON_LIBS)

check_PROGRAMS += common/test/conf.t
common_test_conf_t_SOURCES = common/test/conf.c t/tap.h
common_test_conf_t_LDADD = $(COMMON_LIBS)

# Apart, so that only its users need libcurl.
noinst_LIBRARIES += libhttp.a
libhttp_a_SOURCES = common/http.c common/http.h
libhttp_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
HTTP_LIBS = libhttp.a $(CURL_LIBS)

check_PROGRAMS += common/test/frame.t
common_test_frame_t_SOURCES = common/test/frame.c t/tap.h
common_test_frame_t_LDADD = $(COMMON_LIBS)

check_PROGRAMS += common/test/sign.t common/test/bytes.t
common_test_sign_t_SOURCES = common/test/sign.c t/tap.h
common_test_sign_t_LDADD = $(COMMON_LIBS)
common_test_bytes_t_SOURCES = common/test/bytes.c t/tap.h
common_test_bytes_t_LDADD = $(COMMON_LIBS)

check_PROGRAMS += common/test/machine.t
common_test_machine_t_SOURCES = common/test/machine.c t/tap.h
common_test_machine_t_CFLAGS = $(AM_CFLAGS) $(HWLOC_CFLAGS)
common_test_machine_t_LDADD = $(COMMON_LIBS) $(HWLOC_LIBS)
