#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t5100-embed.t - texts become the same vectors whatever computes them
. "$(dirname "$0")/tap.sh"
export FALLOW_PLUGIN_DIR=$builddir/plugins
runner=$builddir/worker/fallow-runner
json() { # FILE EXPRESSION over d
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"
}
corpus() { # LINES
	python3 -c 'import json,sys
for i in range(int(sys.argv[1])):
    words = ["word%dx" % (i * k) for k in range(i % 11 + 1)]
    print(json.dumps({"text": " ".join(words)}))' "$1"
}
split() { # DIR WORDS...
	mkdir "$1" && $runner --split embed --dir "$1" -- --model ./model \
		"${@:2}"
}
run() { # SPLIT RESULTS OPTIONS...
	$runner --run embed --params "$1/params" --input "$1/items" \
		--output "$2" "${@:3}" >"$2.log" &&
	tail -n1 "$2.log" >"$2.json"
}
# edit FILE FROM TO: in a copy of the parameters called bad
edit() {
	rm -rf bad && cp -r sp/params bad &&
	python3 -c 'import sys; p, a, b = sys.argv[1:]
d = open(p, "rb").read(); assert a.encode() in d
open(p, "wb").write(d.replace(a.encode(), b.encode(), 1))' "bad/$1" "$2" "$3"
}
refused() { # PATTERN: a run on bad fails with one line that matches
	test_must_fail $runner --run embed --params bad --input sp/items \
		--output bad.res 2>err &&
	[ "$(wc -l <err)" = 1 ] && grep "$1" err && [ ! -e bad.res ]
}

"$builddir/t/mkmodel" model || skip_all "cannot write the tiny model"
test_expect_success "the known answer comes from every variant usable here" '
	$runner --describe embed >d &&
	for v in $(json d "\" \".join(d[\"variants\"])"); do
		echo "variant $v" && $runner --selftest embed --variant $v >s &&
		[ "$(json s "d[\"variant\"]")" = $v ] || exit 1
	done &&
	[ "$(json d "d[\"variants\"][-1]")" = ref ]'
test_expect_success "a corpus becomes items with units known before any run" '
	corpus 50 >in.jsonl &&
	split sp --input in.jsonl --output out.npy >plan &&
	[ "$(json plan "d[\"items\"]")" = 50 ]'
test_expect_success "ref computes them and counts exactly those units" '
	run sp ref.res --variant ref &&
	[ "$(json ref.res.json "d[\"units\"]")" = \
	  "$(json plan "d[\"units\"]")" ] &&
	[ "$(json ref.res.json "d[\"bytes\"]")" = $((50 * 36)) ]'
test_expect_success "an estimate agrees with the run" '
	$runner --estimate embed --params sp/params --input sp/items \
		>e &&
	[ "$(json e "d[\"units\"]")" = "$(json plan "d[\"units\"]")" ] &&
	[ "$(json e "d[\"out_bytes\"]")" = $((50 * 36)) ]'
test_expect_success "the best variant here gives the same file by 3 threads" '
	run sp best.res --threads 3 && cmp ref.res best.res'
test_expect_success "no level of this processor changes a byte" '
	for l in x86-64-v2 x86-64-v3 x86-64-v4; do
		FALLOW_CPU_LEVEL=$l run sp l.res && cmp ref.res l.res || exit 1
	done'
case $(json d "d[\"variants\"]") in
*onednn*)
test_expect_success "no instruction set oneDNN may use changes a byte" '
	for l in SSE41 AVX2 AVX512_CORE AVX512_CORE_VNNI; do
		ONEDNN_MAX_CPU_ISA=$l run sp l.res --variant onednn &&
		cmp ref.res l.res || exit 1
	done'
;;
*) test_skip "no instruction set oneDNN may use changes a byte" "no oneDNN" ;;
esac
test_expect_success "an item alone has the bytes it has among others" '
	tail -n1 in.jsonl >one.jsonl &&
	split one --input one.jsonl --output one.npy &&
	run one one.res && cmp <(tail -c 36 ref.res) <(tail -c 36 one.res)'
test_expect_success "vectors are assembled in row order" '
	$runner --assemble embed --dir sp --results ref.res >a &&
	[ "$(json a "d[\"output\"]")" = "$PWD/out.npy" ] &&
	[ "$(tail -c +129 out.npy | wc -c)" = $((50 * 32 * 4)) ]'
test_expect_success "tensor names may carry the prefix bert." '
	rm -rf pre && cp -r sp/params pre && python3 - <<-\EOF &&
	import json, struct
	d = open("sp/params/model.safetensors", "rb").read()
	n = struct.unpack("<Q", d[:8])[0]
	h = {"bert." + k: v for k, v in json.loads(d[8:8 + n]).items()}
	t = json.dumps(h).encode()
	open("pre/model.safetensors", "wb").write(
	    struct.pack("<Q", len(t)) + t + d[8 + n:])
	EOF
	$runner --run embed --params pre --input sp/items \
		--output pre.res >/dev/null &&
	cmp ref.res pre.res'
test_expect_success "an activation this kernel does not compute is named" '
	edit config.json "\"gelu\"" "\"relu\"" &&
	refused "config.json: hidden_act is \"relu\", supported is \"gelu\""'
test_expect_success "a config that contradicts the tensors is named" '
	edit config.json "\"intermediate_size\": 64" \
		"\"intermediate_size\": 96" &&
	refused "0.intermediate.dense.weight\": shape is not \[96, 32\]"'
test_expect_success "a truncated model is named" '
	rm -rf bad && cp -r sp/params bad &&
	head -c 5000 sp/params/model.safetensors >bad/model.safetensors &&
	refused "bad/model.safetensors: tensor .* leave the .* bytes of data"'
test_expect_success "a missing model file is named" '
	rm -rf bad && cp -r sp/params bad &&
	rm bad/model.safetensors &&
	refused "could not open bad/model.safetensors: No such file"'
test_expect_success "a header length beyond the file is named" '
	rm -rf bad && cp -r sp/params bad &&
	printf "\377\377\377\377\377\377\377\177" |
	dd of=bad/model.safetensors conv=notrunc status=none &&
	refused "length is 9223372036854775807, the file has 113616 bytes"'
test_expect_success "pooling this kernel does not compute is named" '
	edit 1_Pooling.json pooling_mode_mean_tokens \
		pooling_mode_max_tokens &&
	refused "pooling_mode_max_tokens is set"'
test_expect_success "a bad model is refused at split, before any upload" '
	cp -r model badmodel && mkdir e1 &&
	sed -i "s/\"gelu\"/\"silu\"/" badmodel/config.json &&
	test_must_fail $runner --split embed --dir e1 -- \
		--model ./badmodel --input in.jsonl --output x.npy 2>err &&
	grep "hidden_act is \"silu\", supported is \"gelu\"" err'
test_expect_success "an id beyond the vocabulary fails its item, not the run" '
	python3 - <<-\EOF &&
	import struct
	items = [b"\x01\x00", b"\xff\xff", b"\x01", b"\x01\x00" * 65]
	head = b"FITM" + struct.pack(">IQ", 1, len(items))
	open("odd", "wb").write(head + b"".join(
	    struct.pack(">I", len(i)) + i for i in items))
	EOF
	$runner --run embed --params sp/params --input odd \
		--output odd.res >/dev/null &&
	python3 - <<-\EOF
	import struct
	d = open("odd.res", "rb").read()
	at, codes = 16, []
	while at < len(d):
	    code, units, n = struct.unpack(">IQI", d[at:at + 16])
	    codes.append((code, units > 0, n))
	    at += 16 + n
	bad = [(code, False, 0) for code in (3, 1, 2)]
	assert codes == [(0, True, 36)] + bad, codes
	EOF'
test_done
