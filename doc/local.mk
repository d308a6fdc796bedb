# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += doc/man/fallow-runner.8
dist_man_MANS += doc/man/fallow-gate.8
