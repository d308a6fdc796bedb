# SPDX-License-Identifier: Apache-2.0
# A plugin is a program linked as a loadable object: own code in statically,
# one symbol out.
work_plugin_map = $(top_srcdir)/plugins/work/work.map
work_plugin_flags = $(AM_LDFLAGS) -shared \
	-Wl,--version-script=$(work_plugin_map)
EXTRA_DIST += plugins/work/work.map

workplugin_PROGRAMS += plugins/work/echo.so
plugins_work_echo_so_SOURCES = plugins/work/echo.c plugins/work/work.h
plugins_work_echo_so_LDFLAGS = $(work_plugin_flags)
plugins_work_echo_so_LDADD = $(COMMON_LIBS)
include $(srcdir)/plugins/work/embed_split.mk

workplugin_PROGRAMS += plugins/work/embed.so
plugins_work_embed_so_SOURCES = plugins/work/embed.c plugins/work/work.h \
	plugins/work/embed_engines.c plugins/work/embed_engines.h \
	$(embed_split_sources)
# stays mapped after dlclose: it holds a library that cannot be unloaded
plugins_work_embed_so_LDFLAGS = $(work_plugin_flags) -Wl,-z,nodelete
plugins_work_embed_so_LDADD = $(EMBED_LIBS) $(TOKENIZER_LIBS) \
	$(COMMON_LIBS) -ldl

check_PROGRAMS += plugins/work/test/embed_engines.t
plugins_work_test_embed_engines_t_SOURCES = t/tap.h \
	plugins/work/test/embed_engines.c \
	plugins/work/embed_engines.c plugins/work/embed_engines.h
plugins_work_test_embed_engines_t_LDADD = $(EMBED_LIBS) $(COMMON_LIBS) -ldl
