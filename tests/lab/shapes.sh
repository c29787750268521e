# Sourced by scripts of a boot: an audit from each place on the node, in containers of runc. Their specifications
# (containers.py) say what host-ctr and containerd ask for.
$B mkdir -p /local/bin /local/own
for tool in cat date gzip head readlink sed timeout tr; do $B ln -s /mnt/bin/busybox /local/bin/$tool; done
echo '#!/mnt/bin/busybox sh
exec /mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib /mnt/bin/jq "$@"' >/local/bin/jq
$B chmod 755 /local/bin/jq

# contain NAME: runc starts itself anew without our loader and its path, so both stand where it looks for them
contain() {
    $B mkdir -p "/local/containers/$1/rootfs"
    $B cp "/mnt/audit/$1.config" "/local/containers/$1/config.json"
    echo /mnt/lib/libseccomp.so.2 >/etc/ld.so.preload
    # shellcheck disable=SC2016 # for the other shell
    $B unshare -m "$B" sh -c '$B mount --make-rprivate /
        $B mount --bind /mnt/lib/ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2
        exec /mnt/bin/runc --root /run/runc run -b "/local/containers/$0" "$0"' "$1" </dev/null
    $B rm /etc/ld.so.preload
}

# hold FILE: a process that has all of a file mapped, and in memory
hold() {
    python -c 'import mmap, sys, time
file = open(sys.argv[1], "rb")
held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
print(sum(held[::4096]) >= 0, flush=True)
time.sleep(1000)' "$1" >/run/held &
    tries=0
    while [ ! -s /run/held ] && [ $tries -lt 200 ]; do $B usleep 100000; tries=$((tries + 1)); done
}
