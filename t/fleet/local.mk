# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += t/fleet/fleet
t_fleet_fleet_SOURCES = \
	t/fleet/agent.c t/fleet/audit.c t/fleet/ctl.c t/fleet/fleet.h \
	t/fleet/main.c t/fleet/rivals.c t/fleet/store.c t/fleet/tape.c \
	t/fleet/world.c
t_fleet_fleet_LDADD = $(CORE_LIBS)

BENCHES += bench-verification
bench-verification: t/fleet/fleet
	t/fleet/fleet --adversaries
