#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t1110-corpus-tools.t - a model, a corpus and a search for whoever has none
. "$(dirname "$0")/tap.sh"
export FALLOW_PLUGIN_DIR=$builddir/plugins
export FALLOW=$builddir/sched/cmd/fallow
get=$srcdir/contrib/get-model
corpus=$srcdir/contrib/wordnet-corpus
nearest=$srcdir/contrib/nearest
"$srcdir/t/tiny-model" tiny || skip_all "python3 could not make a model"

test_expect_success "a folder is installed under its name" '
	$get --to m tiny >out && grep -x "get-model: m/tiny is complete" out &&
	cmp tiny/model.safetensors m/tiny/model.safetensors &&
	cmp tiny/1_Pooling/config.json m/tiny/1_Pooling/config.json &&
	[ "$(ls -A m)" = tiny ]'
test_expect_success "and is left alone when it is there already" '
	touch -d 2020-01-01 m/tiny/vocab.txt && $get --to m tiny &&
	[ "$(stat -c %Y m/tiny/vocab.txt)" = "$(date -d 2020-01-01 +%s)" ]'
test_expect_success "a file that changed is replaced with the whole model" '
	echo x >>m/tiny/vocab.txt && $get --to m tiny &&
	cmp tiny/vocab.txt m/tiny/vocab.txt && [ "$(ls -A m)" = tiny ]'
test_expect_success "the first directory of the model path is the default" '
	FALLOW_MODEL_PATH=$PWD/p:$PWD/q $get --name other tiny &&
	[ -f p/other/config.json ] && [ ! -e q ]'
test_expect_success "only what a model needs is taken" '
	cp -r tiny more && mkdir more/onnx && echo x >more/onnx/model.onnx &&
	echo x >more/train.py && $get --to m2 --name more more &&
	[ ! -e m2/more/onnx ] && [ ! -e m2/more/train.py ]'
test_expect_success "a known name with other digests is refused" '
	test_must_fail $get --to m --name all-MiniLM-L6-v2 tiny 2>err &&
	grep "is not the all-MiniLM-L6-v2 this was made for" err &&
	[ "$(ls -A m)" = tiny ]'
test_expect_success "a folder that is no model is refused" '
	mkdir empty && test_must_fail $get --to m empty 2>err &&
	grep -x "get-model: empty has no config.json" err &&
	test_must_fail $get --to m nowhere 2>err &&
	grep -x "get-model: there is no folder nowhere" err &&
	test_must_fail $get --to m --name ../x tiny 2>err &&
	grep "is not a plain name" err && [ "$(ls -A m)" = tiny ]'
test_expect_success "a place that cannot be written is named" '
	echo >file && test_must_fail $get --to file/m tiny 2>err &&
	grep -x "get-model: could not make file/m; --to DIR names another" err'

# A dictionary of six synsets: cat and dog below animal, run, small, fast.
mkdir wn
printf '%s  \n' '  1 A licence, which is skipped.' \
	'00000100 03 n 01 animal 0 000 | a living organism' \
	'00000200 05 n 02 cat 0 true_cat 0 001 @ 00000100 n 0000 | '\
'feline "mammal"' \
	'00000300 05 n 01 dog 0 001 @ 00000100 n 0000 | canine mammal' \
	>wn/data.noun
echo '00000100 38 v 01 run 0 000 01 + 02 00 | move fast' >wn/data.verb
echo '00000100 00 a 01 small(a) 0 000 | limited in size' >wn/data.adj
echo '00000100 02 r 01 fast 0 000 | quickly' >wn/data.adv
printf '%s\n' 'animal n 1 0 1 0 00000100' 'cat n 1 0 1 1 00000200' \
	'dog n 1 0 1 1 00000300' 'true_cat n 1 0 1 0 00000200' >wn/index.noun
echo 'run v 1 0 1 0 00000100' >wn/index.verb
echo 'small a 1 0 1 0 00000100' >wn/index.adj
echo 'fast r 1 0 1 0 00000100' >wn/index.adv
printf '%s\n' 'cat%1:05:00:: 1 2' 'dog%1:05:00:: 1 5' >wn/cntlist.rev
test_expect_success "every gloss becomes a line of JSON with its synset" '
	$corpus --all --dir wn >all && cat >want <<-\EOF &&
	{"id": "animal/00000100-n", "text": "a living organism"}
	{"id": "cat/00000200-n", "text": "feline \"mammal\""}
	{"id": "dog/00000300-n", "text": "canine mammal"}
	{"id": "run/00000100-v", "text": "move fast"}
	{"id": "small/00000100-a", "text": "limited in size"}
	{"id": "fast/00000100-r", "text": "quickly"}
	EOF
	cmp all want'
test_expect_success "a part of them is those met most, with what is below" '
	$corpus --count 4 --dir wn --output four 2>err && cat four &&
	[ "$(cut -d/ -f1 four | cut -c9- | tr "\n" " ")" = \
	  "animal dog run fast " ] &&
	grep -x "wordnet-corpus: 4 of 6 glosses -> four" err'
test_expect_success "a dictionary that is not there names the package" '
	test_must_fail $corpus --dir none --output x 2>err && [ ! -e x ] &&
	grep -x "wordnet-corpus: could not open none/data.noun: No such file \
or directory; apt-get install wordnet-base" err'
if [ -r /usr/share/wordnet/data.noun ]; then
	test_expect_success "WordNet has 117,659 glosses, and cat is common" '
		[ "$($corpus --all | wc -l)" = 117659 ] && $corpus >c20 &&
		[ "$(wc -l <c20)" = 20000 ] &&
		[ "$(cut -d\" -f4 c20 | sort -u | wc -l)" = 20000 ] &&
		for w in cat/02121620-n domestic_cat/02121808-n \
			kitten/02122948-n; do
			grep -q "\"id\": \"$w\"" c20 || return 1
		done'
else
	test_skip "WordNet has 117,659 glosses" "wordnet-base is not installed"
fi

export FALLOW_MODEL_PATH=$TRASH/m
test_expect_success "fallow run says which model and which length" '
	$FALLOW run embed --model tiny --input all --output v.npy 2>err &&
	grep -Fx "fallow run: model $TRASH/m/tiny: vocab.txt, at most 48 \
tokens a text (sentence_bert_config.json)" err'
test_expect_success "the text itself is nearest to itself" '
	{ cat all; echo; } >corpus.jsonl &&
	$FALLOW run --quiet embed --model tiny --input corpus.jsonl \
		--output vectors.npy &&
	$nearest --model tiny --count 3 "canine mammal" >near && cat near &&
	[ "$(wc -l <near)" = 3 ] &&
	sed -n 1p near | grep "^ 1\.000  dog/00000300-n  *canine mammal$"'
test_expect_success "vectors of another corpus are noticed" '
	head -n 3 all >short && test_must_fail $nearest --model tiny \
		--corpus short "canine mammal" 2>err &&
	grep -x "nearest: short has 3 entries, vectors.npy has 6 vectors" err'
test_expect_success "a file that holds no vectors is refused" '
	test_must_fail $nearest --vectors all x 2>err &&
	grep -x "nearest: all is not a NumPy file of version 1" err &&
	head -c 200 vectors.npy >cut.npy &&
	test_must_fail $nearest --vectors cut.npy x 2>err &&
	grep -x "nearest: cut.npy is damaged" err'
test_expect_success "a text is needed, and only one" '
	test_must_fail $nearest 2>err && grep "one text is needed" err &&
	test_must_fail $nearest a b 2>err && $nearest --help | grep -e --corpus'
test_done
