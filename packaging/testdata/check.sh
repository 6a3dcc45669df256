# What the checks of packages have in common. A backend serves "hello" on 127.0.0.1:8000.
set -eu
export LC_ALL=C.UTF-8
file=/etc/fairlead/fairlead.yaml
say() { echo "== $*"; }
fail() {
	echo "FAIL: $*"
	systemctl --no-pager --full status fairlead.service fairlead.socket || true
	journalctl --no-pager --unit fairlead.service --unit fairlead.socket | tail -40
	exit 1
}
is() { # WHAT GOT WANT
	[ "$2" = "$3" ] || fail "$1 is \"$2\", want \"$3\""
}
state() { systemctl is-active "$1" || true; }
enabled() { systemctl is-enabled "$1" 2>/dev/null || true; }
pid() { systemctl show --property MainPID --value fairlead.service; }
of() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(pid)/status"; }
eventually() { # COMMAND..., for half a minute
	for _ in $(seq 300); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	fail "never: $*"
}
page() { curl --silent --show-error --fail --max-time 10 "http://$1/page"; }
served() { is "page of $1" "$(page "$1" || true)" hello; }

mkdir /tmp/www
echo hello >/tmp/www/page
busybox httpd -p 127.0.0.1:8000 -h /tmp/www
