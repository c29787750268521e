#!/bin/busybox sh
# First process: loads modules, makes the mapped root as dm-mod.create says, and goes on in that root.
B=/bin/busybox
$B mkdir -p /proc /sys /dev /root /run
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs dev /dev
for module in /modules/*; do $B insmod "$module" || echo "insmod $module failed"; done
line=$($B cat /proc/cmdline)
table=${line#*dm-mod.create=}
table=${table#\"}
table=${table%%\"*}
table=${table#root,,,ro,}
tries=0
while [ $tries -lt 100 ] && [ ! -e /sys/class/block/vdd ]; do $B usleep 50000; tries=$((tries + 1)); done
$B mkdir -p /dev/mapper
LD_LIBRARY_PATH=/lib /lib/ld-linux-x86-64.so.2 /sbin/dmsetup create root --readonly --noudevsync --table "$table" ||
    { echo "DMSETUP FAILED: $table" >/dev/kmsg; $B poweroff -f; }
$B mount -o ro -t erofs /dev/dm-0 /root 2>/dev/null || $B mount -o ro -t ext4 /dev/dm-0 /root ||
    { echo "ROOT MOUNT FAILED" >/dev/kmsg; $B poweroff -f; }
$B mount -o ro -t ext4 /dev/vdb /root/mnt || { echo "TOOLS MOUNT FAILED" >/dev/kmsg; $B poweroff -f; }
$B mount --move /proc /root/proc
$B mount --move /sys /root/sys
$B mount --move /dev /root/dev
exec $B switch_root /root /mnt/init
