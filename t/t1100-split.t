#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t1100-split.t - a corpus becomes items, or a line says which line is wrong
. "$(dirname "$0")/tap.sh"
export FALLOW_PLUGIN_DIR=$builddir/plugins
runner=$builddir/worker/fallow-runner
"$srcdir/t/tiny-model" models/tiny || skip_all "python3 could not make a model"
export FALLOW_MODEL_PATH=$TRASH/none:$TRASH/models
json() { # FILE EXPRESSION over d
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"
}
# split WORDS...: into an empty ./sp; plan and messages in plan and said
split() {
	rm -rf sp && mkdir sp && $runner --split embed --dir sp -- "$@" \
		>plan 2>said
}
# A line that is refused: LINES-AS-PRINTF MESSAGE
refused() {
	printf "$1" >bad.jsonl &&
	test_must_fail split --model tiny --input bad.jsonl --output bad.npy &&
	cat said && grep -Fx "fallow-runner: $2" said &&
	[ ! -s plan ] && [ ! -e bad.npy ] && [ -z "$(ls | grep tmp)" ]
}

q=\'
cat >c.jsonl <<'EOF'
{"id": "cat/1", "text": "a small domesticated feline"}

{"text": "Café [SEP] 한국 😀", "id": 42}
{"title": "no id", "text": "the"}
EOF
test_expect_success "a corpus becomes items, a plan and ids" '
	split --model tiny --input c.jsonl --output v.npy &&
	[ "$(json plan "d[\"items\"], d[\"chunk\"], d[\"warnings\"]")" = \
	  "(3, 512, [])" ] &&
	printf "cat/1\n42\n4\n" | cmp - sp/ids'
test_expect_success "the parameters are what the encoder needs, no more" '
	[ "$(ls sp/params | LC_ALL=C sort | tr "\n" " ")" = \
	  "1_Pooling.json config.json model.safetensors modules.json " ] &&
	cmp sp/params/model.safetensors models/tiny/model.safetensors &&
	cmp sp/params/1_Pooling.json models/tiny/1_Pooling/config.json'
test_expect_success "an item is token ids between begin and end" '
	cat >ids.py <<-\EOF
	import struct, sys
	b = open("sp/items", "rb").read()
	v = [w.rstrip("\n") for w in open(sys.argv[1], encoding="utf-8")]
	n, at = struct.unpack(">Q", b[8:16])[0], 16
	for _ in range(n):
	    size = struct.unpack(">I", b[at:at + 4])[0]
	    ids = struct.unpack("<%dH" % (size // 2), b[at + 4:at + 4 + size])
	    at += 4 + size
	    print(" ".join(v[i] for i in ids))
	EOF
	python3 ids.py models/tiny/vocab.txt >items.txt && cat items.txt &&
	sed -n 1p items.txt |
	grep -x "\[CLS\] a small domesticated feline \[SEP\]" &&
	sed -n 2p items.txt | grep "^\[CLS\] ca.* \[ se.*p \].* \[SEP\]$" &&
	sed -n 3p items.txt | grep -x "\[CLS\] the \[SEP\]"'
test_expect_success "units are the multiply-accumulates of the token counts" '
	python3 - <<-\EOF
	import json, struct
	units = struct.unpack(">3Q", open("sp/units", "rb").read())
	counts = [len(line.split()) for line in open("items.txt")]
	h, f, layers = 32, 64, 2
	want = tuple(layers * (n * (4 * h * h + 2 * h * f) + 2 * n * n * h)
	             for n in counts)
	assert units == want, (units, want)
	assert json.load(open("plan"))["units"] == sum(units)
	EOF'
test_expect_success "the plan records output, length and tokenizer" '
	json plan "\"\\n\".join(k + \"=\" + str(v) for k, v in
	  sorted(d[\"output\"].items()))" >o && cat >want <<-EOF && cmp o want
	max_length=48
	max_length_from=sentence_bert_config.json
	model=tiny
	path=$TRASH/v.npy
	tokenizer=wordpiece-1 unicode-table-1
	width=32
	EOF'
test_expect_success "what was decided is said in a note" '
	json plan "d[\"notes\"][0]" | grep -Fx "model $TRASH/models/tiny: \
vocab.txt, at most 48 tokens a text (sentence_bert_config.json)"'
test_expect_success "the vectors are the results, row by row" '
	$runner --run embed --params sp/params --input sp/items --output res \
		--variant ref >/dev/null &&
	$runner --assemble embed --dir sp --results res &&
	cmp v.ids sp/ids && python3 - <<-\EOF
	import struct
	r, at, rows = open("res", "rb").read(), 16, []
	for _ in range(3):
	    code, units, size = struct.unpack(">IQI", r[at:at + 16])
	    b = r[at + 16:at + 16 + size]
	    at += 16 + size
	    s, = struct.unpack("<f", b[32:])
	    rows += [struct.unpack("f", struct.pack("f", q * s))[0]
	             for q in struct.unpack("32b", b[:32])]
	npy = open("v.npy", "rb").read()
	assert npy[:8] == b"\x93NUMPY\x01\0" and b"(3, 32)" in npy[:128]
	assert struct.unpack("<96f", npy[128:]) == tuple(rows)
	EOF'
test_expect_success "a text has the same item whatever is around it" '
	split --model tiny --input c.jsonl --output v.npy && cp sp/items all &&
	sed -n 3p c.jsonl >one.jsonl &&
	split --model tiny --input one.jsonl --output v.npy &&
	python3 -c "
one, all = open(\"sp/items\", \"rb\").read()[16:], open(\"all\", \"rb\").read()
assert one in all"'
test_expect_success "another field, another chunk, a folder by its path" '
	echo "{\"body\": \"the\"}" >b.jsonl &&
	split --model ./models/tiny --input b.jsonl --output v.npy \
		--field body --chunk 7 &&
	[ "$(json plan "d[\"items\"], d[\"chunk\"]")" = "(1, 7)" ]'
test_expect_success "a pipe is a corpus too" '
	split --model tiny --input <(cat c.jsonl) --output v.npy &&
	[ "$(json plan "d[\"items\"]")" = 3 ]'
test_expect_success "long texts are cut, counted and warned about" '
	the=$(printf "the %.0s" $(seq 99)) &&
	{ cat c.jsonl && echo "{\"text\": \"$the\"}" &&
	  echo "{\"text\": \" \"}"; } >long.jsonl &&
	split --model tiny --input long.jsonl --output v.npy &&
	json plan "\"\\n\".join(d[\"warnings\"])" >w && cat w &&
	grep -Fx "1 of 5 texts are longer than 48 tokens and were cut, the \
first at long.jsonl:5" w &&
	grep -Fx "1 of 5 texts have no words, the first at long.jsonl:6" w &&
	python3 ids.py models/tiny/vocab.txt | sed -n 4p | wc -w | grep -x 48'
test_expect_success "the longest text can be chosen, up to the positions" '
	split --model tiny --input long.jsonl --output v.npy --max-length 64 &&
	json plan "d[\"output\"][\"max_length_from\"]" |
	grep -x -e --max-length &&
	python3 ids.py models/tiny/vocab.txt | sed -n 4p | wc -w | grep -x 64 &&
	test_must_fail split --model tiny --input c.jsonl --output v.npy \
		--max-length 65 &&
	grep -Fx "fallow-runner: --max-length 65 is above the 64 positions of \
model tiny" said'

test_expect_success "a line without the text is named" '
	refused "{\"text\":\"a\"}\n{\"Text\":\"b\"}\n" \
	  "bad.jsonl:2: there is no \"text\"; --field names another member"'
test_expect_success "so is one where it is no string" '
	refused "{\"text\":[1]}\n" "bad.jsonl:1: there is no string under \
\"text\"; --field names another member"'
test_expect_success "so is one that is not UTF-8" '
	refused "{\"text\":\"a\"}\n\n{\"text\":\"caf\\351\"}\n" \
	  "bad.jsonl:3: invalid UTF-8 at byte 13 of the line"'
test_expect_success "so is one that is not JSON" '
	refused "{\"text\":\"a\"}\n{\"text\":\"b\"\n" \
	"bad.jsonl:2: invalid JSON at column 11: $q}$q expected near end of \
file"'
test_expect_success "so is one with a member twice" '
	refused "{\"text\":\"a\",\"text\":\"b\"}\n" "bad.jsonl:1: the same \
member twice: duplicate object key near $q\"text\"$q"'
test_expect_success "an empty corpus is an error" '
	refused "" "bad.jsonl has no texts" &&
	refused "\n \n" "bad.jsonl has no texts"'
test_expect_success "a corpus that is not there is an error" '
	test_must_fail split --model tiny --input no.jsonl --output v.npy &&
	grep -Fx "fallow-runner: could not open no.jsonl: No such file or \
directory" said'

test_expect_success "a model that is nowhere names the places and the remedy" '
	test_must_fail split --model nope --input c.jsonl --output v.npy &&
	grep "^fallow-runner: there is no model \"nope\" in $TRASH/none, \
$TRASH/models, .*; contrib/get-model fetches" said &&
	test_must_fail split --model ./nope --input c.jsonl --output v.npy &&
	grep -Fx "fallow-runner: there is no model folder ./nope; \
contrib/get-model fetches one" said'
test_expect_success "a file the model lacks is named with the remedy" '
	(for f in config.json vocab.txt model.safetensors 1_Pooling/config.json
	do
		rm -rf models/part && cp -r models/tiny models/part &&
		rm models/part/$f &&
		test_must_fail split --model part --input c.jsonl \
			--output v.npy && cat said &&
		grep "${f%/config.json}.*contrib/get-model" said || exit 1
	done)'
test_expect_success "damaged weights are found before any work" '
	rm -rf models/part && cp -r models/tiny models/part &&
	truncate -s -1 models/part/model.safetensors &&
	test_must_fail split --model part --input c.jsonl --output v.npy &&
	cat said && grep "model part:.*model.safetensors" said &&
	[ ! -e sp/items ]'

test_expect_success "an unwritable output is found before any work" '
	mkdir dir.npy &&
	test_must_fail split --model tiny --input c.jsonl --output dir.npy &&
	grep -Fx "fallow-runner: --output $TRASH/dir.npy is a directory, not a \
regular file" said &&
	test_must_fail split --model tiny --input c.jsonl --output no/v.npy &&
	grep "could not find the directory of --output \"no/v.npy\"" said &&
	test_must_fail split --model tiny --input c.jsonl --output /dev/null &&
	grep "/dev/null is special" said &&
	test_must_fail split --model tiny --input c.jsonl --output c.jsonl &&
	grep "c.jsonl would replace the input" said'
if [ "$(id -u)" != 0 ]; then
	test_expect_success "a directory without permission is an error" '
		mkdir -m 555 ro &&
		test_must_fail split --model tiny --input c.jsonl \
			--output ro/v.npy &&
		grep "could not write --output $TRASH/ro/v.npy: Perm" said'
else
	test_skip "a directory without permission is an error" "root may write"
fi
test_expect_success "words that make no sense are errors" '
	test_must_fail split --input c.jsonl --output v.npy &&
	grep -Fx "fallow-runner: embed needs --model NAME, such as \
all-MiniLM-L6-v2" said &&
	test_must_fail split --model tiny --output v.npy &&
	grep -Fx "fallow-runner: embed needs --input FILE of JSON lines" said &&
	test_must_fail split --model tiny --input c.jsonl &&
	grep -F "embed needs --output FILE" said &&
	test_must_fail split --model tiny --input c.jsonl --output v \
		--chunk 0 &&
	grep -F -e "--chunk 0 is not a number from 1 to 1000000" said &&
	test_must_fail split --model tiny --input c.jsonl --output v --fast &&
	grep -Fx "fallow-runner: unknown option of embed: --fast" said &&
	test_must_fail split --model tiny --input c.jsonl --output v w &&
	grep -F "\"w\" is one word too many" said'
test_expect_success "results for another corpus are refused" '
	split --model tiny --input long.jsonl --output w.npy &&
	test_must_fail $runner --assemble embed --dir sp --results res &&
	[ ! -e w.npy ] && [ ! -e w.ids ]'
test_done
