# The life of the .rpm, in a machine of its own (boot.sh), as root. It ends at the first thing that is not as it should be.
. /lab/check.sh
rpm() { command rpm --nodeps --dbpath /var/lib/rpm-lab "$@"; } # what Debian has installed is unknown to rpm

say install
rpm --install /lab/fairlead.rpm
is service "$(state fairlead.service)" inactive
case $(enabled fairlead.socket) in enabled) fail "the socket is on" ;; esac
getent passwd fairlead
systemctl start fairlead.service
served 127.0.0.1:8080
is user "$(stat --format %U "/proc/$(pid)")" fairlead
fairlead status
[ -s /usr/share/zsh/site-functions/_fairlead ] || fail "no completion for zsh"

say upgrade
before=$(pid)
echo '# mine' >>$file
rpm --upgrade --replacepkgs --force /lab/fairlead.rpm
is process "$(pid)" "$before"
grep --quiet mine $file || fail "the upgrade took the configuration away"

say remove
rpm --erase fairlead
is service "$(state fairlead.service)" inactive
is service "$(enabled fairlead.service)" ""
[ ! -e /usr/bin/fairlead ] || fail "the program is still there"
grep --quiet mine $file.rpmsave || fail "the configuration was removed"
left=$(find /etc /usr /run -xdev -path '*fairlead*' ! -path '/usr/local/*' ! -path '/usr/src/*' ! -path /etc/fairlead ! -name '*.rpmsave')
is "what is left" "$left" ""
say done
