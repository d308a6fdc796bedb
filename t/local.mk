# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += t/tap.sh t/run-test
TESTS_SH += t/t5000-runner.t
