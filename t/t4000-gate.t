#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# t4000-gate.t - fallow-gate starts, says what is wrong, serves and ends
. "$(dirname "$0")/tap.sh"
gate=$builddir/sched/fallow-gate
fake=$builddir/sched/gate/test/fakectld
[ -x "$gate" ] || skip_all "fallow-gate was not built (libhttp-parser)"
export FALLOW_PLUGIN_DIR=$builddir/plugins

"$builddir/sched/gate/test/mkcert" "$TRASH" || exit 1

start() { # OPTIONS...: a gate in the background; $pid, $port
	rm -f port
	"$gate" --listen 127.0.0.1:0 --cert server.pem --key server.key \
		--ctld ctld.sock --port-file port "$@" 2>gate.log &
	pid=$!
	test_cleanup "kill $pid 2>/dev/null"
	for i in $(seq 100); do
		[ ! -s port ] || break
		sleep 0.1
	done
	port=$(cat port)
}
ask() { # METHOD PATH: "STATUS BODY" and the header Retry-After
	/usr/bin/python3 - "$port" "$@" <<'PY'
import http.client, ssl, sys
ctx = ssl.create_default_context(cafile="ca.pem")
c = http.client.HTTPSConnection("localhost", int(sys.argv[1]), context=ctx,
                                timeout=20)
c.request(sys.argv[2], sys.argv[3])
r = c.getresponse()
print(r.status, r.read().decode(), "retry:", r.getheader("Retry-After"))
PY
}
says() { # COMMAND...: its exit status is in $rc, its words in said
	"$@" >said 2>&1
	rc=$?
	cat said
}

test_expect_success "wrong usage is 2 and shows the options" '
	says "$gate" --listen 127.0.0.1:0 && test $rc = 2 &&
	grep -q "listen, cert, key and ctld are needed" said &&
	says "$gate" --frobnicate && test $rc = 2 && grep -q "^usage:" said'
test_expect_success "a setting that does not exist is refused by name" '
	says "$gate" --set frobs=1 && test $rc = 2 && grep -q frobs said'
test_expect_success "a setting out of range is refused" '
	says "$gate" --set max_connections=0 && test $rc = 2 &&
	grep -q max_connections said'
test_expect_success "a certificate that is none is named" '
	echo nonsense >bad.pem &&
	says "$gate" --listen 127.0.0.1:0 --cert bad.pem --key server.key \
		--ctld s && test $rc = 1 && grep -q "\"bad.pem\"" said'
test_expect_success "a key of another certificate is named" '
	says "$gate" --listen 127.0.0.1:0 --cert server.pem --key ca.key \
		--ctld s && test $rc = 1 && grep -q "\"ca.key\"" said'
test_expect_success "an address that is none is named" '
	says "$gate" --listen here --cert server.pem --key server.key \
		--ctld s && test $rc = 1 && grep -q "\"here\"" said'
test_expect_success "a configuration file does as well as options" '
	{ echo "listen = 127.0.0.1:0"; echo "cert = server.pem"
	  echo "key = server.key"; echo "ctld = ctld.sock"
	  echo "idle_timeout = 3 parsecs"; } >gate.conf &&
	says "$gate" --config gate.conf && test $rc = 2 &&
	grep -q "gate.conf:5" said'

start
test_expect_success "the gate serves before there is a controller" '
	ask GET /v1/ping >said && cat said &&
	grep -q "^503 .*controller is away.* retry: 1" said'
test_expect_success "its port is in the port file, and in use" '
	says "$gate" --listen "127.0.0.1:$port" --cert server.pem \
		--key server.key --ctld s && test $rc = 1 &&
	grep -q "could not listen on \"127.0.0.1:$port\"" said'
"$fake" ctld.sock "$TRASH" &
ctld=$!
test_cleanup "kill $ctld 2>/dev/null"
test_expect_success "when a controller comes, it is asked" '
	for i in $(seq 100); do
		ask GET /echo >said
		grep -q ^200 said && break
		sleep 0.1
	done
	cat said; grep -q "\"path\":\"/echo\"" said'
if grep -q "define FALLOW_SANITIZED" "$builddir/config.h"; then
	test_skip "a filter holds it to what it needs" "built with a sanitizer"
elif ! grep -q "define HAVE_SECCOMP" "$builddir/config.h"; then
	test_skip "a filter holds it to what it needs" "no libseccomp"
else
	test_expect_success "a filter holds it to what it needs" '
		grep "^Seccomp:.*2" /proc/$pid/status &&
		grep "^NoNewPrivs:.*1" /proc/$pid/status'
fi
test_expect_success "plain HTTP on its port is closed, not answered" '
	/usr/bin/python3 -c "
import socket
s = socket.create_connection((\"127.0.0.1\", $port), 20)
s.sendall(b\"GET / HTTP/1.1\r\nHost: x\r\n\r\n\")
d = s.recv(100)
assert not d.startswith(b\"HTTP\"), d
"'
test_expect_success "TLS 1.2 is refused" '
	/usr/bin/python3 -c "
import socket, ssl
c = ssl.create_default_context(cafile=\"ca.pem\")
c.maximum_version = ssl.TLSVersion.TLSv1_2
try:
    c.wrap_socket(socket.create_connection((\"127.0.0.1\", $port), 20),
                  server_hostname=\"localhost\")
except ssl.SSLError as e:
    print(e)
else:
    raise SystemExit(1)
"'
test_expect_success "SIGTERM ends it with 0" '
	kill -TERM $pid && wait $pid'
start --reuse-port
port1=$port
test_expect_success "two gates share a port and a controller" '
	"$gate" --reuse-port --listen "127.0.0.1:$port1" --ctld ctld.sock \
		--cert server.pem --key server.key 2>second.log & second=$! &&
	for i in $(seq 100); do
		! grep -q "connected to" second.log || break
		sleep 0.1
	done &&
	for i in $(seq 10); do
		ask GET /echo >said && grep -q ^200 said || return 1
	done
	kill $second && wait $second'
test_done
