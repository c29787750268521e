#!/mnt/bin/busybox sh
# First process in the root of the node: what systemd mounts there, then the script of this boot, then off.
export PATH=/mnt/bin B=/mnt/bin/busybox
$B mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
$B mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
$B mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs /etc
$B mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs /var
$B mount -t tmpfs -o nosuid,nodev tmpfs /local
$B mount -t securityfs securityfs /sys/kernel/security
$B mount -t selinuxfs selinuxfs /sys/fs/selinux 2>/dev/null
$B mount -t cgroup2 cgroup2 /sys/fs/cgroup
$B mkdir -p /etc/kubernetes/kubelet /var/log/journal /var/lib/bottlerocket /sys/fs/cgroup/system.slice/chronyd.service
echo "readOnlyPort: 0" >/etc/kubernetes/kubelet/config
echo "CANARY-0b5e" >/var/lib/bottlerocket/datastore
$B sleep 1000 &
echo $! >/sys/fs/cgroup/system.slice/chronyd.service/cgroup.procs
$B ip link set lo up 2>/dev/null
$B mount -o ro -t ext4 /dev/vdc /mnt/audit || echo "AUDIT MOUNT FAILED" >/dev/kmsg
$B mkdir -p /run/out
native() { name=$1; shift; /mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib "/mnt/bin/$name" "$@"; }
python() {
    PYTHONHOME=/mnt/py PYTHONPATH=/mnt/audit:/mnt/py/packages PYTHONDONTWRITEBYTECODE=1 HOME=/run LC_ALL=C.UTF-8 \
        /mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib /mnt/py/bin/python3 "$@"
}
audit() { python -m rocketaudit "$@"; }
send() { $B tar cf /dev/vdd -C /run/out . && $B sync; }
cd /run || exit
. /mnt/audit/run.sh >/run/out/log 2>&1
send
$B poweroff -f
