# shellcheck shell=sh disable=SC2154,SC2153
# Part of mftd; see LICENSE.
# The database host: one PostgreSQL, with the database mft.

install_packages postgresql
version=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' |
	sort -n | tail -n 1)
[ -d "/etc/postgresql/$version/main" ] || pg_createcluster "$version" main
etc=/etc/postgresql/$version/main
changed=
put "$etc/conf.d/mft.conf" 644 postgres <<-END && changed=yes
listen_addresses = 'localhost,$DB'
max_connections = 200
tcp_keepalives_idle = 5
END
grep -q '^# mft$' "$etc/pg_hba.conf" || {
	printf '# mft\nhost mft mft %s.0/24 scram-sha-256\n' "$NETWORK" \
		>> "$etc/pg_hba.conf"
	changed=yes
}
systemctl --quiet enable "postgresql@$version-main" 2> /dev/null
if [ -n "$changed" ]; then
	systemctl restart "postgresql@$version-main"
else
	systemctl start "postgresql@$version-main"
fi

sql() {
	runuser -u postgres -- psql -qXAt -v ON_ERROR_STOP=1 "$@"
}
wait_for 30 "PostgreSQL answers" sql -c 'SELECT 1'
[ -n "$(sql -c "SELECT 1 FROM pg_roles WHERE rolname = 'mft'")" ] ||
	sql -c "CREATE ROLE mft LOGIN"
sql -f - <<-END
ALTER ROLE mft PASSWORD '$(cat "$keys/database")';
END
[ -n "$(sql -c "SELECT 1 FROM pg_database WHERE datname = 'mft'")" ] ||
	sql -c "CREATE DATABASE mft OWNER mft TEMPLATE template0 \
		ENCODING 'UTF8' LOCALE 'C.UTF-8'"
say "the database is there"
