# The life of the .deb: installed, started, reloaded, upgraded, given sockets, removed, purged. Runs in a machine of its own
# (boot.sh), as root. It ends at the first thing that is not as it should be.
. /lab/check.sh

say install
dpkg --install /lab/fairlead.deb
is service "$(state fairlead.service)" active
is service "$(enabled fairlead.service)" enabled
is socket "$(enabled fairlead.socket)" disabled
served 127.0.0.1:8080
fairlead status
fairlead version
journalctl --no-pager --unit fairlead.service | grep --quiet listening || fail "the journal has no log"

say rights
is user "$(stat --format %U "/proc/$(pid)")" fairlead
is "bounding set" "$(of CapBnd)" 0000000000000400 # CAP_NET_BIND_SERVICE
is "effective set" "$(of CapEff)" 0000000000000400
is seccomp "$(of Seccomp)" 2
is no_new_privs "$(of NoNewPrivs)" 1
grep --quiet ' / / ro' "/proc/$(pid)/mountinfo" || fail "the file system is writable"
systemd-analyze verify fairlead.service fairlead.socket
systemd-analyze security --no-pager --threshold=20 fairlead.service | tail -1

say papers
man --where fairlead fairlead-run
man --where 5 fairlead.yaml
bash -n /usr/share/bash-completion/completions/fairlead
for paper in copyright changelog.gz THIRD-PARTY-LICENSES.gz docs/packages.md examples/systemd/fairlead.socket; do
	[ -s /usr/share/doc/fairlead/$paper ] || fail "no $paper"
done
! find /usr/share/doc/fairlead /etc/fairlead -type d ! -perm 755 | grep . || fail "folders that nobody can enter"

say reload
before=$(pid)
cp $file /tmp/first
sed -i 's/bind: \["127.0.0.1:8080"\]/bind: ["127.0.0.1:8080", ":443"]/' $file
systemctl reload fairlead.service
eventually page 127.0.0.1:443
eventually page '[::1]:443'
is process "$(pid)" "$before"
echo 'nonsense: 1' >>$file
if systemctl reload fairlead.service; then fail "a file with a mistake was accepted"; fi
is service "$(state fairlead.service)" active
served 127.0.0.1:443
sed -i /nonsense/d $file

say upgrade
dpkg --force-confold --install /lab/fairlead.deb >/tmp/upgrade
cat /tmp/upgrade
grep --quiet 'systemctl restart fairlead' /tmp/upgrade || fail "it is not said how to exchange the process"
is process "$(pid)" "$before"
grep --quiet :443 $file || fail "the upgrade took the configuration away"
systemctl restart fairlead.service
[ "$(pid)" != "$before" ] || fail "not restarted"
served 127.0.0.1:443
systemctl disable fairlead.service
dpkg --force-confold --install /lab/fairlead.deb
is service "$(enabled fairlead.service)" disabled
systemctl enable fairlead.service

say a removal that does not come about
echo 'exit 1' >>/var/lib/dpkg/info/fairlead.prerm
! dpkg --remove fairlead || fail "removed in spite of a script that failed"
is service "$(state fairlead.service)" active
served 127.0.0.1:443
sed -i '$d' /var/lib/dpkg/info/fairlead.prerm

say a start that fails is tried again
cp $file /tmp/good
echo 'nonsense: 1' >>$file
if systemctl restart fairlead.service; then fail "a file with a mistake was accepted"; fi
tried() { [ "$(systemctl show --property NRestarts --value fairlead.service)" -gt 5 ]; }
eventually tried
cp /tmp/good $file
eventually page 127.0.0.1:443

say link-local addresses
ip address add fe80::1/64 dev lo nodad
busybox httpd -p '[::]:8001' -h /tmp/www
sed -i -e 's/127.0.0.1:8000/[fe80::1%lo]:8001/' -e 's/":443"/"[fe80::1%lo]:443"/' $file
systemctl restart fairlead.service
served '[fe80::1%25lo]:443'
cp /tmp/good $file
systemctl restart fairlead.service
eventually page 127.0.0.1:443

say watchdog
mkdir -p /run/systemd/system/fairlead.service.d
printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/fairlead.service.d/soon.conf
systemctl daemon-reload
systemctl restart fairlead.service
before=$(pid)
kill -STOP "$before"
other() { [ "$(pid)" != "$before" ] && [ "$(pid)" != 0 ]; }
eventually other
eventually page 127.0.0.1:443
rm -r /run/systemd/system/fairlead.service.d
systemctl daemon-reload

say sockets
systemctl stop fairlead.service
cp /tmp/first $file
systemctl enable --now fairlead.socket
is service "$(state fairlead.service)" inactive
served 127.0.0.1:8080
is service "$(state fairlead.service)" active
curl --silent --show-error --fail --retry 0 --max-time 20 'http://127.0.0.1:8080/page?[1-200]' >/tmp/pages &
pages=$!
systemctl restart fairlead.service
wait $pages || fail "a client was turned away while the process restarted"
systemctl reload fairlead.service
served 127.0.0.1:8080
sed -i 's/8080/8081/' $file
if systemctl restart fairlead.service; then fail "a socket that nobody accepts from is nothing to it"; fi
journalctl --no-pager --unit fairlead.service | grep --quiet '127.0.0.1:8080 (fairlead.socket)' || fail "the socket is not named"
systemctl stop fairlead.service fairlead.socket
systemctl reset-failed
cp /tmp/first $file
systemctl start fairlead.socket
served 127.0.0.1:8080

say a socket in the folder of the service
systemctl stop fairlead.service fairlead.socket
mkdir /run/systemd/system/fairlead.socket.d
printf '[Socket]\nListenStream=/run/fairlead/admin.sock\n' >/run/systemd/system/fairlead.socket.d/more.conf
systemctl daemon-reload
systemctl start fairlead.socket
fairlead status
systemctl restart fairlead.service
fairlead status
systemctl stop fairlead.service
fairlead status
systemctl stop fairlead.service fairlead.socket
rm -r /run/systemd/system/fairlead.socket.d
systemctl daemon-reload
systemctl start fairlead.socket

say sockets of both families, and of the admin API
systemctl stop fairlead.service fairlead.socket
mkdir /run/systemd/system/fairlead.socket.d
printf '[Socket]\nListenStream=\nListenStream=443\nListenStream=/run/lab.sock\n' >/run/systemd/system/fairlead.socket.d/more.conf
sed -i -e 's/127.0.0.1:8080/:443/' -e 's,unix:/run/fairlead/admin.sock,unix:/run/lab.sock,' $file
systemctl daemon-reload
systemctl start fairlead.socket
served '[::1]:443'
served 127.0.0.1:443
fairlead status --admin unix:/run/lab.sock
is "sockets at port 443" "$(ss --no-header --listening --tcp --numeric 'sport = 443' | wc -l)" 1
systemctl stop fairlead.service fairlead.socket
rm -r /run/systemd/system/fairlead.socket.d
cp /tmp/first $file
systemctl daemon-reload
systemctl start fairlead.socket
served 127.0.0.1:8080

say remove
echo '# mine' >>$file
dpkg --remove fairlead
is service "$(state fairlead.service)" inactive
is socket "$(state fairlead.socket)" inactive
! pgrep -x fairlead || fail "it still runs"
grep --quiet mine $file || fail "the configuration was removed"
[ ! -e /usr/bin/fairlead ] || fail "the program is still there"

say again
dpkg --install /lab/fairlead.deb
is service "$(enabled fairlead.service)" enabled
is socket "$(state fairlead.socket)" active
served 127.0.0.1:8080
grep --quiet mine $file || fail "the configuration is another"

say purge
dpkg --purge fairlead
left=$(find /etc /usr /var/lib/systemd /var/log /run -xdev -path '*fairlead*' ! -path '/usr/local/*' ! -path '/usr/src/*' ! -path '/usr/share/mime/*')
is "what is left" "$left" ""
getent passwd fairlead || fail "the user is gone, and files may be its own"
say done
