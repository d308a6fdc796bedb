#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pg.sh - a private PostgreSQL cluster for one test
#
#   pg.sh start          makes and starts one, prints its directory
#   pg.sh again DIR      starts it after a crash
#   pg.sh crash DIR      kill -9 of the postmaster and its children
#   pg.sh stop DIR       stops it and removes everything
#
# Connect with "host=DIR user=test dbname=postgres".  As root it runs as an
# ordinary user (PostgreSQL refuses root); the directory is that user's, 0700.
# Exit status 77: no PostgreSQL here.
set -e
unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGSERVICE PGOPTIONS
bin=
for d in "$(pg_config --bindir 2>/dev/null)" /usr/lib/postgresql/*/bin; do
	[ -x "$d/initdb" ] && [ -x "$d/postgres" ] && bin=$d
done
[ -n "$bin" ] || exit 77
as=
if [ "$(id -u)" = 0 ]; then
	who=postgres
	id postgres >/dev/null 2>&1 || who=nobody
	as="setpriv --reuid $who --regid $(id -g $who) --clear-groups --"
fi
launch() {
	i=0
	while :; do
		# after a crash, orphans hold the shared memory for a moment
		(cd "$1" && $as "$bin/pg_ctl" -D "$1/data" -w -s -l "$1/log" \
			start >&2) && return 0
		i=$((i + 1))
		if [ $i -ge 20 ]; then
			tail -n 20 "$1/log" >&2
			exit 1
		fi
		sleep 0.5
	done
}
case $1 in
start)
	dir=$(mktemp -d "${TMPDIR:-/tmp}/fallow-pg.XXXXXX")
	chmod 0700 "$dir"
	[ -z "$as" ] || chown "$who" "$dir"
	cd "$dir"
	if ! $as "$bin/initdb" -D "$dir/data" -U test -A trust -E UTF8 \
		--locale=C -N >"$dir/initdb.log" 2>&1; then
		cat "$dir/initdb.log" >&2
		exit 1
	fi
	cat >>"$dir/data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$dir'
	max_wal_size = 2GB
	shared_buffers = 128MB
	wal_compression = on
	log_min_messages = error
	CONF
	launch "$dir"
	echo "$dir"
	;;
again) launch "$2" ;;
crash)
	pid=$(head -n 1 "$2/data/postmaster.pid")
	kids=$(cat /proc/"$pid"/task/"$pid"/children 2>/dev/null || true)
	kill -9 "$pid" $kids
	;;
stop)
	if [ -f "$2/data/postmaster.pid" ]; then
		(cd "$2" && $as "$bin/pg_ctl" -D "$2/data" -s -m immediate \
			-w stop >/dev/null 2>&1) || true
	fi
	case $2 in */fallow-pg.*) rm -rf "$2" ;; esac
	;;
*) echo "usage: pg.sh start | again DIR | crash DIR | stop DIR" >&2; exit 2 ;;
esac
