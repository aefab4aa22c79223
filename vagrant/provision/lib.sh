# shellcheck shell=sh disable=SC2154,SC2153
# Part of mftd; see LICENSE.
# For the scripts beside it, which have the settings (cluster.env), $here and
# $name.
keys=$here/keys

say() {
	echo "$name: $*"
}

# wait_for SECONDS WHAT COMMAND...: until it succeeds; PATIENCE times as long
# where machines are emulated
wait_for() {
	left=$(($1 * ${PATIENCE:-1}))
	what=$2
	shift 2
	until "$@" > /dev/null 2>&1; do
		left=$((left - 1))
		if [ "$left" -le 0 ]; then
			say "still not, after a while: $what" >&2
			"$@" >&2 || :
			exit 1
		fi
		sleep 1
	done
}

words() {
	echo "$1" | tr , ' '
}

# install_packages NAME...: those that are not there
install_packages() {
	missing=
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2> /dev/null)" = installed ] ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	apt-get -qq update
	# shellcheck disable=SC2086  # a list
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		install $missing > /var/log/mft-cluster-apt.log 2>&1 || {
		tail -n 20 /var/log/mft-cluster-apt.log >&2
		exit 1
	}
}

# put FILE MODE OWNER: from standard input, whole; true if it was another
put() {
	mkdir -p "$(dirname "$1")"
	cat > "$1.new"
	chown "$3" "$1.new"
	chmod "$2" "$1.new"
	if cmp -s "$1.new" "$1"; then
		rm "$1.new"
		return 1
	fi
	mv "$1.new" "$1"
}

# put_key KEY FILE MODE OWNER
put_key() {
	put "$2" "$3" "$4" < "$keys/$1" || :
}

public() {
	cut -d ' ' -f 1,2 "$keys/$1.pub"
}

set_name() {
	[ "$(hostname)" = "$1" ] || hostname "$1"
	echo "$1" | put /etc/hostname 644 root || :
}

# Each machine by its name, whatever a box has made of 127.0.1.1.
set_hosts() {
	{
		printf '127.0.0.1 localhost\n::1 localhost\n'
		echo "$DB database"
		echo "$STORAGE storage"
		echo "$PARTNER partner"
		each_node | while read -r node address floating _; do
			echo "$address $node"
			echo "$floating mft-$node"
		done
	} | put /etc/hosts 644 root || :
}

# Lines: node, its address, its floating address, its BMC's.
each_node() {
	i=1
	for node in $(words "$NODES"); do
		echo "$node $(nth "$NODE_ADDRESSES") $(nth "$FLOATING")" \
			"$(nth "$BMCS")"
		i=$((i + 1))
	done
}

nth() {
	echo "$1" | cut -d , -f "$i"
}

first_node() {
	echo "${NODES%%,*}"
}

last_node() {
	echo "${NODES##*,}"
}

# start_now UNIT...: now and at each boot
start_now() {
	systemctl --quiet enable --now "$@" 2> /dev/null
}
