# Boots systemd in namespaces of its own, over this machine's files: what it writes is gone with it. $1 is a folder that both
# share, as /lab there; its file run.sh is run, and what that prints and exits with is in output and status.
set -eu
lab=$1
mount --make-rprivate /
mount -t tmpfs tmpfs "$lab/over"
cd "$lab/over"
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
cd root
mkdir lab old
mount --bind "$lab" lab
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for dir in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs $dir; done
chmod 1777 tmp
for device in null zero full random urandom tty; do
	: >dev/$device
	mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
: >dev/console
ip link set lo up
pivot_root . old
umount -l old
# Of the machine's own that would be in the way: its file systems, its identity, its ban on starting services, and what
# container images leave out of packages, man pages among it.
rm -f /etc/fstab /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/*
: >/etc/machine-id
cat >/etc/systemd/system/lab.target <<'U'
[Unit]
Requires=basic.target lab.service
U
cat >/etc/systemd/system/lab.service <<'U'
[Unit]
After=basic.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'sh /lab/run.sh; echo $? >/lab/status'
ExecStopPost=systemctl exit 0
StandardOutput=file:/lab/output
StandardError=file:/lab/output
U
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=lab \
	/lib/systemd/systemd --unit=lab.target --log-target=journal --show-status=0
