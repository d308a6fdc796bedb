#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# exactness-embed.sh - every way this machine can compute a vector, one digest
#
# Prints rows `embed COMPILER LEVEL THREADS RANKS DEVICE DIGEST`, over all
# instruction sets this processor has, 1 and 2 threads, batches of 1, 3, 8 and
# 16, gcc and clang; exit status 1 unless all have the committed digest.  With
# FALLOW_MODEL=DIR the model there is computed as well, and must have one
# digest, too (the committed one where it is all-MiniLM-L6-v2).
: "${srcdir:?}" "${builddir:?}"
tiny=$(sed -n 's/^ *"\([0-9a-f]\{64\}\)"$/\1/p' "$srcdir/kernels/embed/spec.h")
minilm=d70abc65152edd098934eb219b894de62401723ada6a65e16855fdb9e4164b50
minilm_file=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
work=$(mktemp -d "${TMPDIR:-/tmp}/fallow-exact.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

# row BUILD VARIANT ONEDNN-LEVEL CPU-LEVEL THREADS BATCH [MODEL]
row() {
	FALLOW_PLUGIN_DIR=$1/plugins ONEDNN_MAX_CPU_ISA=$3 \
	FALLOW_CPU_LEVEL=$4 OMP_NUM_THREADS=1 \
		"$1/t/exactness-embed" "$2" "$5" "$6" "${@:7}" 2>"$work/err"
	case $? in
	0) ;;
	3) echo "embed SKIP $2: $(cat "$work/err")" >&2 ;;
	*) echo "embed FAILED $2 $3 $4: $(cat "$work/err")" ;;
	esac
}
rows() { # BUILD [MODEL]
	row "$1" ref '' '' 1 16 "${@:2}"
	row "$1" ref '' '' 2 3 "${@:2}"
	row "$1" amx '' '' 1 8 "${@:2}"
	row "$1" amx '' '' 2 3 "${@:2}"
	row "$1" onednn SSE41 x86-64-v2 1 1 "${@:2}"
	row "$1" onednn AVX x86-64-v2 2 3 "${@:2}"
	row "$1" onednn AVX2 x86-64-v3 1 8 "${@:2}"
	row "$1" onednn AVX2 x86-64-v2 2 16 "${@:2}"
	row "$1" onednn AVX512_CORE x86-64-v4 1 3 "${@:2}"
	row "$1" onednn AVX512_CORE x86-64-v3 2 1 "${@:2}"
	row "$1" onednn AVX512_CORE_VNNI x86-64-v4 1 16 "${@:2}"
	row "$1" onednn AVX512_CORE_VNNI '' 2 8 "${@:2}"
	row "$1" onednn AVX512_CORE_BF16 x86-64-v4 2 1 "${@:2}"
	row "$1" onednn '' '' 1 1 "${@:2}"
	row "$1" onednn '' '' 2 16 "${@:2}"
}
# The same programs by clang, built beside.
clang_build() {
	command -v clang >"$work/where" || return 1
	mkdir "$work/clang" && cd "$work/clang" &&
	"$srcdir/configure" -q CC=clang >"$work/log" 2>&1 &&
	make -s t/exactness-embed >>"$work/log" 2>&1 &&
	{ make -s plugins/work/embed-onednn.so >>"$work/log" 2>&1 || :; }
}
all() { # [MODEL]
	rows "$builddir" "$@"
	[ -z "$clang" ] || rows "$clang" "$@"
}
# judge FILE DIGEST: all rows have it ('' = the first row's)
judge() {
	awk -v want="$2" 'want == "" { want = $NF }
	$NF != want || $2 == "FAILED" { bad = 1; print "differs: " $0 }
	END { exit bad || NR == 0 }' "$1" >&2
}

clang=
if (clang_build); then
	clang=$work/clang
else
	echo "embed SKIP clang: not installed, or it cannot build this" >&2
	[ -f "$work/log" ] && tail -3 "$work/log" >&2
fi
rc=0
all | tee "$work/tiny"
judge "$work/tiny" "$tiny" || rc=1
if [ -n "$FALLOW_MODEL" ]; then
	want=
	case $(sha256sum "$FALLOW_MODEL/model.safetensors") in
	$minilm_file*) want=$minilm ;;
	esac
	all "$FALLOW_MODEL" | tee "$work/model"
	judge "$work/model" "$want" || rc=1
fi
exit $rc
