# Sourced by scripts of a boot: an audit from each place on the node, with the mounts, namespaces and capabilities that
# host-ctr and containerd give it. bwrap forbids new privileges and, where it binds without --dev-bind, devices.
CONTAINER="CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL"
CONTAINER="$CONTAINER AUDIT_WRITE"
OWN_PROCESSES="--unshare-pid --ro-bind /dev/null /proc/kcore --ro-bind /dev/null /proc/keys"
HOST_ROOT="--dev-bind / /.bottlerocket/rootfs --remount-ro /.bottlerocket/rootfs"

only() {
    printf -- '--cap-drop ALL'
    for one in "$@"; do printf -- ' --cap-add CAP_%s' "$one"; done
}

# box OPTIONS... -- COMMAND...: a fresh /sys shows nothing of what is mounted in the host's
box() {
    native bwrap --unshare-ipc --unshare-uts --ro-bind /mnt /mnt --bind /run/out /out --proc /proc --dev /dev \
        --tmpfs /tmp --ro-bind /local/sys /sys --clearenv "$@"
}

# look NAME OPTIONS...: the evidence that can be had there
look() {
    name=$1
    shift
    box "$@" --setenv PYTHONHOME /mnt/py --setenv PYTHONPATH /mnt/audit --setenv PYTHONDONTWRITEBYTECODE 1 -- \
        /mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib /mnt/py/bin/python3 /mnt/audit/probe.py \
        /mnt/audit/keys.json "/out/$name.json"
}

$B mkdir -p /local/sys /local/own/control /local/own/audit /local/own/verify /local/bin
$B mount -t sysfs sysfs /local/sys
for tool in cat date gzip head readlink sed timeout tr; do $B ln -s /mnt/bin/busybox /local/bin/$tool; done
echo '#!/mnt/bin/busybox sh
exec /mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib /mnt/bin/jq "$@"' >/local/bin/jq
$B chmod 755 /local/bin/jq

# shellcheck disable=SC2046,SC2086 # lists of options
shapes() {
    control="$OWN_PROCESSES $(only $CONTAINER) --bind /local/own/control /.bottlerocket/host-containers/control
        --ro-bind /sys/fs/cgroup /sys/fs/cgroup"
    look control $control
    box $control --ro-bind /local/bin /bin --setenv PATH /bin -- \
        /mnt/bin/busybox sh /mnt/audit/collect.sh --nonce lab-1 >/run/out/bundle
    look superpowered $HOST_ROOT --bind /local/own/audit /.bottlerocket/host-containers/audit
    look bootstrap $HOST_ROOT --bind /local/own/verify /.bottlerocket/bootstrap-containers/verify \
        $(only $CONTAINER SYS_ADMIN NET_ADMIN SYS_MODULE AUDIT_CONTROL)
    look pod $OWN_PROCESSES --unshare-cgroup --ro-bind / /host --tmpfs /sys/firmware --setenv KUBERNETES_SERVICE_HOST ::1 \
        $(only)
}

# resident NAME: an audit that sees the host's processes and files but no disk, and what it makes the verity device read
resident() {
    verity_reads() { $B awk '{ print $1, $3 }' /sys/block/dm-0/stat; }
    before=$(verity_reads)
    look "$1" --ro-bind / /host --setenv KUBERNETES_SERVICE_HOST ::1 --setenv DIGESTS yes
    echo "$before to $(verity_reads)" >"/run/out/$1.reads"
}

# hold FILE: a process that has all of a file mapped, and in memory
hold() {
    python -c 'import mmap, sys, time
file = open(sys.argv[1], "rb")
held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
print(sum(held[::4096]) >= 0, flush=True)
time.sleep(1000)' "$1" >"/run/held" &
    tries=0
    while [ ! -s /run/held ] && [ $tries -lt 200 ]; do $B usleep 100000; tries=$((tries + 1)); done
}
