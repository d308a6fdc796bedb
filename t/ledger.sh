# SPDX-License-Identifier: Apache-2.0
# ledger.sh - a private PostgreSQL for stories about the ledger; source it
# after tap.sh
#
#   new_db NAME [TEMPLATE]   makes a database
#   drive NAME STORY [FAULT] puts a story into it, through the store
#   ledger NAME COMMAND …    fallow-ledger on it
#   q NAME SQL               one statement as the owner of the database
#   broken NAME              names of the broken invariants, in one line
#   $schema                  the schema files; a story may point it elsewhere
PG=$("$srcdir/t/pg.sh" start) || {
	[ $? = 77 ] && skip_all 'PostgreSQL is not installed'
	echo 'Bail out! could not start PostgreSQL'
	exit 1
}
test_cleanup '"$srcdir/t/pg.sh" stop "$PG"'
schema=$srcdir/accounting/schema
psql=$(PATH=$PATH:$(pg_config --bindir 2>/dev/null):/usr/lib/postgresql/15/bin \
	command -v psql) || skip_all 'psql is not installed'

q() {
	"$psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$PG" -U test -d "$1" -c "$2"
}
new_db() { q postgres "CREATE DATABASE $1 ${2:+TEMPLATE $2}"; }
conn() { echo "host=$PG user=test dbname=$1"; }
drive() {
	db=$1
	shift
	"$builddir/t/ledger-drive" "$(conn "$db")" "$schema" "$@"
}
ledger() {
	db=$1
	shift
	"$builddir/fallow-ledger" --db "$(conn "$db")" "$@"
}
broken() {
	ledger "$1" audit | sed -n 's/^BROKEN \(I[0-9]*\).*/\1/p' | xargs
}
