#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t5110-embed-quality.t - 1,000 real sentences stay near their float32 vectors
. "$(dirname "$0")/tap.sh"
export FALLOW_PLUGIN_DIR=$builddir/plugins
runner=$builddir/worker/fallow-runner
golden=$srcdir/t/fixtures/embed/minilm-glosses.bin
glosses=f255ed827cd9b93244a24aa3086047e02862b83967f8aba32ec419324f437c4a
weights=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db

model=
for dir in "$FALLOW_MODEL_DIR" "$FALLOW_MODEL" \
	/var/lib/fallow/models/all-MiniLM-L6-v2; do
	[ -f "$dir/model.safetensors" ] && model=$dir && break
done
[ -n "$model" ] ||
	skip_all "no model (contrib/get-model, or FALLOW_MODEL_DIR=FOLDER)"
case $(sha256sum "$model/model.safetensors") in
$weights*) ;;
*) skip_all "$model is not all-MiniLM-L6-v2" ;;
esac
"$srcdir/t/embed-glosses" >glosses.jsonl 2>err ||
	skip_all "no WordNet (apt-get install wordnet-base)"
case $(sha256sum glosses.jsonl) in
$glosses*) ;;
*) skip_all "another WordNet than the goldens are of" ;;
esac

test_expect_success "1,000 glosses become vectors" '
	mkdir sp && $runner --split embed --dir sp -- --model "$model" \
		--input glosses.jsonl --output v.npy >plan &&
	$runner --run embed --params sp/params --input sp/items \
		--output res --threads 2 >log &&
	$runner --assemble embed --dir sp --results res'
test_expect_success "their cosines and neighbours are above the bars" '
	"$builddir/t/embed-quality" v.npy "$golden" >figures &&
	cat figures && [ "$(wc -l <figures)" = 4 ]'
sed 's/^/# /' figures 2>/dev/null
test_expect_success "vectors of other texts are far below" '
	sed "1!G;h;\$!d" glosses.jsonl >reversed.jsonl && mkdir rev &&
	$runner --split embed --dir rev -- --model "$model" \
		--input reversed.jsonl --output r.npy >/dev/null &&
	$runner --run embed --params rev/params --input rev/items \
		--output rev.res --threads 2 >log &&
	$runner --assemble embed --dir rev --results rev.res &&
	test_must_fail "$builddir/t/embed-quality" r.npy "$golden"'
test_done
