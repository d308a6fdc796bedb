# SPDX-License-Identifier: Apache-2.0
include $(srcdir)/kernels/embed/tokenizer.mk
include $(srcdir)/kernels/embed/encoder.mk
