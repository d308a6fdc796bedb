# SPDX-License-Identifier: Apache-2.0
# t7001-fleet.t - the core keeps its promises under a hostile fleet
#
# Each seed is a virtual hour or more: lost, late, doubled messages, crashes of
# the controller and of workers, hand-backs, liars.  The seed of a failure is
# printed with the command that repeats it.
. "$(dirname "$0")/tap.sh"
fleet="$builddir/t/fleet/fleet"

test_expect_success 'every seed: jobs end, are paid once, and books balance' '
	"$fleet" ${FLEET_SEEDS:+--seeds $FLEET_SEEDS}
'
test_expect_success 'a seed repeats itself to the event' '
	"$fleet" --seed 5 --verbose >one && "$fleet" --seed 5 --verbose >two &&
	cmp one two && grep -q "lock-outs" one
'
test_expect_success 'an unknown option is an error' '
	test_must_fail "$fleet" --sedes 3
'
test_done
