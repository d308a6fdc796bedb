#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t1200-sbatch.t - what is wrong with a submission is said before it leaves
. "$(dirname "$0")/tap.sh"
fallow=$builddir/sched/cmd/fallow
export FALLOW_STATE=$TRASH/state
script() { printf '#!/bin/sh\n%s\n' "$1" >job.sh; }
# refused TEXT COMMAND...: exit 1, nothing on standard output, one line that
# has TEXT, and no state
refused() {
	local text=$1
	shift
	"$@" >out 2>err
	[ $? -eq 1 ] && cat err && [ ! -s out ] && grep -q -e "$text" err &&
		[ "$(grep -c -v warning: err)" -eq 1 ] && [ ! -e state ]
}

test_expect_success "an unknown directive names file, line and option" '
	script "#SBATCH --frobnicate
srun echo --count 1" &&
	refused "^sbatch: error: job.sh:2: unknown option --frobnicate" \
		$fallow sbatch job.sh'
test_expect_success "so does an unknown FALLOW directive" '
	script "#FALLOW speed=fast
srun echo --count 1" &&
	refused "job.sh:2: unknown directive \"speed=fast\"" \
		$fallow sbatch job.sh'
test_expect_success "a line that is no srun names its line" '
	script "srun echo --count 1
rm -rf /" &&
	refused "job.sh:3: \"rm\" is not taken" $fallow sbatch job.sh'
test_expect_success "a missing script is named" '
	refused "none.sh.*No such file" $fallow sbatch none.sh'
test_expect_success "words behind the script are refused" '
	script "srun echo --count 1" &&
	refused "\"3\": a kernel.s script takes no arguments" \
		$fallow sbatch job.sh 3'
test_expect_success "an unknown option on the command line is refused" '
	refused "unknown option --frob" $fallow sbatch --frob job.sh'
test_expect_success "--wrap and a script exclude each other" '
	refused "exclude each other" $fallow sbatch --wrap "srun echo" job.sh'
test_expect_success "a bad value in the environment names its variable" '
	SBATCH_TIMELIMIT=soon refused "SBATCH_TIMELIMIT: time soon" \
		$fallow sbatch job.sh'
test_expect_success "what Slurm has and we do not is a warning" '
	script "#SBATCH --mem=4G
srun echo --count 1" &&
	refused "client.conf is not there" $fallow sbatch job.sh &&
	grep -x \
	 "sbatch: warning: --mem is not honoured yet and changes nothing" \
		err'
test_expect_success "without a cell the remedy is named" '
	script "srun echo --count 1" &&
	refused "no cell is known; .fallow up. makes one" $fallow sbatch job.sh'
test_expect_success "a script may come on standard input" '
	refused "(standard input):3: \"date\" is not taken" \
		sh -c "printf \"#!/bin/sh\nsrun echo\ndate\n\" |
			$fallow sbatch"'
test_expect_success "client.conf without a token is an error" '
	mkdir conf &&
	echo "url = '"'https://127.0.0.1:1'"'" >conf/client.conf &&
	echo "cell = home" >>conf/client.conf &&
	FALLOW_STATE=conf test_must_fail $fallow squeue 2>err &&
	grep "conf/client.conf lacks token" err'
test_expect_success "a cell that is away is said as Slurm says it" '
	echo "token = abc" >>conf/client.conf &&
	FALLOW_STATE=conf test_must_fail $fallow squeue 2>err &&
	said="slurm_load_jobs error: Unable to contact slurm controller" &&
	head -n1 err | grep -x "$said (connect failure)"'
test_expect_success "an unknown letter of a format is named" '
	test_must_fail $fallow squeue -o "%z" 2>err &&
	grep -x "squeue: error: Invalid job format specification: z" err'
test_expect_success "an unknown field of sacct is named" '
	test_must_fail $fallow sacct -o JobID,Shoes 2>err &&
	grep "Invalid field requested: \"Shoes\"" err'
test_expect_success "scancel without a job is refused" '
	test_must_fail $fallow scancel 2>err &&
	grep "No job identification provided" err'
test_expect_success "every command answers --help and --version" '
	for c in sbatch srun squeue sacct sinfo scancel scontrol; do
		$fallow $c --help >help && grep -q "^usage: fallow $c" help &&
		$fallow $c --version | grep -x "slurm [0-9.]*" || return 1
	done
	for c in run fetch up down status stop start verify-evidence; do
		$fallow $c --help >help && grep -q "^usage: fallow $c" help ||
			return 1
	done'
test_expect_success "down, status and stop say when there is no cell" '
	for c in down status stop start audit; do
		test_must_fail $fallow $c 2>err &&
		grep "there is no cell in $FALLOW_STATE; .fallow up. makes" \
			err || return 1
	done; test ! -e state'
test_done
