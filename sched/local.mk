# SPDX-License-Identifier: Apache-2.0
include $(srcdir)/sched/core/local.mk
include $(srcdir)/sched/cmd/local.mk
include $(srcdir)/sched/ctl.mk
include $(srcdir)/sched/gate/local.mk
