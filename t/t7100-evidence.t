#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t7100-evidence.t - a proof is repeated by anyone, and a false one is refused
. "$(dirname "$0")/tap.sh"
command -v python3 >/dev/null || skip_all "python3 is not installed"
fallow=$builddir/sched/cmd/fallow
export FALLOW_PLUGIN_DIR=$builddir/plugins

# A worker committed five results of echo; the third is not its item.
cat >make.py <<'EOF'
import base64, hashlib, json, os, struct, sys
q = lambda v: struct.pack(">Q", v)
sha = lambda b: hashlib.sha256(b).digest()
spec = sha(b"fallow echo 1: canonical bytes = item bytes; units = 1")
params = sha(b"")
items = [b"one", b"two", b"three", b"four", b"five"]
done = list(items)
at = int(os.environ.get("AT", "2"))
done[at] = done[at][:3] + b"E" + done[at][4:]
leaf = lambda i, b: (sha(b"\0" + spec + params + q(i) + struct.pack(">I", 0)
                         + q(1) + b), 1, len(b))
def node(l, r):
    e = lambda x: x[0] + q(x[1]) + q(x[2])
    return sha(b"\1" + e(l) + e(r)), l[1] + r[1], l[2] + r[2]
def split(n):
    k = 1
    while 2 * k < n: k *= 2
    return k
def root(v):
    if len(v) == 1: return v[0]
    k = split(len(v))
    return node(root(v[:k]), root(v[k:]))
def path(v, i):
    if len(v) == 1: return []
    k = split(len(v))
    return (path(v[:k], i) + [root(v[k:])] if i < k
            else path(v[k:], i - k) + [root(v[:k])])
leaves = [leaf(i, b) for i, b in enumerate(done)]
s = lambda m: {"hash": m[0].hex(), "units": m[1], "bytes": m[2]}
r = lambda b: {"code": 0, "units": 1, "bytes": base64.b64encode(b).decode()}
proof = {"kind": "wrong", "kernel": "echo", "spec": spec.hex(),
    "params": params.hex(), "root": s(root(leaves)), "n": 5, "position": at,
    "leaf": r(done[at]), "path": [s(m) for m in path(leaves, at)],
    "item": base64.b64encode(items[at]).decode(), "expected": r(items[at]),
    "worker": "v2", "job": 9, "task": 4, "at_us": 1}
for change in sys.argv[1:]:
    exec(change)
print(json.dumps(proof))
EOF

test_expect_success "a right proof holds, and the item is computed again" '
	python3 make.py >p.json && $fallow verify-evidence p.json >out &&
	cat out &&
	grep "^worker v2, job 9 task 4, kernel echo, leaf 2 of 5" out &&
	grep "^committed   yes" out &&
	grep "^differs     yes: byte 3 is 0x45, not 0x65" out &&
	grep "^recomputed  yes" out && tail -n1 out | grep -x "the proof holds"'
test_expect_success "so does one about the last leaf" '
	AT=4 python3 make.py >q.json && $fallow verify-evidence q.json >out &&
	grep "leaf 4 of 5" out && grep "^the proof holds" out'
test_expect_success "a leaf that was not committed proves nothing" '
	python3 make.py "proof[\"leaf\"] = r(b\"lies!\")" >q.json &&
	test_must_fail $fallow verify-evidence q.json >out && cat out &&
	grep "^committed   NO" out && grep "does NOT hold" out'
test_expect_success "a leaf at another position proves nothing" '
	python3 make.py "proof[\"position\"] = 3" >q.json &&
	test_must_fail $fallow verify-evidence q.json >out &&
	grep "^committed   NO" out'
test_expect_success "what was right cannot be proven wrong" '
	python3 make.py "proof[\"expected\"] = proof[\"leaf\"]" \
		"proof[\"item\"] = None" >q.json &&
	test_must_fail $fallow verify-evidence q.json >out &&
	grep "^differs     NO" out'
test_expect_success "a false word of the referee is found by recomputing" '
	python3 make.py "proof[\"expected\"] = r(b\"tree!\")" >q.json &&
	test_must_fail $fallow verify-evidence q.json >out && cat out &&
	grep "^committed   yes" out && grep "^differs     yes" out &&
	grep "^recomputed  NOT as expected" out'
test_expect_success "another build of the kernel is not taken for it" '
	python3 make.py "proof[\"spec\"] = \"00\" * 32" >q.json &&
	test_must_fail $fallow verify-evidence q.json >out &&
	grep "^recomputed  no: kernel echo here is another build" out'
test_expect_success "without its item a proof holds by its path" '
	python3 make.py "proof[\"item\"] = None" >q.json &&
	$fallow verify-evidence q.json >out &&
	grep "^recomputed  no: the item is not in the proof" out'
test_expect_success "every proof of a list is checked" '
	python3 make.py "proof = {\"verdicts\": [proof, proof]}" >l.json &&
	$fallow verify-evidence l.json >out &&
	test "$(grep -c "^the proof holds" out)" -eq 2'
test_expect_success "an empty list is not a success" '
	echo "{\"verdicts\": []}" >e.json &&
	$fallow verify-evidence e.json 2>err; test $? -eq 2 &&
	grep "no proofs" err'
test_expect_success "a member that is missing is named" '
	python3 make.py "del proof[\"root\"]" >q.json &&
	test_must_fail $fallow verify-evidence q.json 2>err && cat err &&
	grep "q.json: proof 1: .*root" err'
test_expect_success "damage is named with its line" '
	echo "{\"kernel\": " >q.json &&
	test_must_fail $fallow verify-evidence q.json 2>err &&
	grep "q.json:" err'
test_done
