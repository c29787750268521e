#!/bin/sh
# Reads what the rules of rocketaudit need of a Bottlerocket node where there is no Python, and prints it as a bundle
# of lines, which `rocketaudit judge --bundle FILE` judges elsewhere. Needs a POSIX shell, coreutils, sed and jq; gzip
# where it is there (without it the kernel's options stay unread); apiclient for settings. Writes nothing, changes
# nothing, asks the API with GET only. Values of kernel arguments and settings that no rule asks for stay on the node.
#
#   sh collect.sh [--nonce TEXT]
#
# A line is "=<TAB>KEY<TAB>JSON" (seen), "-<TAB>KEY" (looked for, not there), "!<TAB>KEY<TAB>REASON" (not read) or
# "api<TAB>TARGET<TAB>STATUS<TAB>JSON". The last line counts the others: a bundle without it was cut off.
set -u
LC_ALL=C
export LC_ALL
R=${ROCKETAUDIT_ROOT:-} # another root, for tests
TAB=$(printf '\t')
NONCE=-
LIMIT=23900      # SSM shows 24,000 characters of what a command prints
LONGEST=6000     # one value; what is longer stays unread
OWN_NETWORK="this may be the container's own network, not the node's; it takes hostNetwork: true"
OWN_USERS="this process lives in its own user namespace"
OWN_GROUPS="this shows the container's own control groups; it takes the host's cgroup namespace, or its /sys"

while [ $# -gt 0 ]; do
  case $1 in
    --nonce)
      [ $# -gt 1 ] || { echo "collect.sh: --nonce takes a text" >&2; exit 2; }
      case $2 in
        '' | *[!A-Za-z0-9._-]*) echo "collect.sh: a nonce is letters, digits, '.', '_' and '-'" >&2; exit 2 ;;
      esac
      [ ${#2} -le 128 ] || { echo "collect.sh: a nonce has at most 128 characters" >&2; exit 2; }
      NONCE=$2
      shift 2
      ;;
    *) echo "usage: collect.sh [--nonce TEXT]" >&2; exit 2 ;;
  esac
done
command -v jq >/dev/null 2>&1 || { echo "collect.sh: jq is needed" >&2; exit 3; }
[ -r "$R/proc/sys/kernel/random/boot_id" ] || { echo "collect.sh: there is no /proc to read" >&2; exit 3; }

# --- generated from the rules by deploy/generate.py; do not edit ---
KEYS=1a4bab2fb571f314d335fc87d0baa014682c27fb70577d5ce3340fd69c911c33
SYSCTLS="dev.tty.ldisc_autoload fs.protected_fifos fs.protected_hardlinks fs.protected_regular fs.protected_symlinks"
SYSCTLS="$SYSCTLS fs.suid_dumpable kernel.dmesg_restrict kernel.kexec_load_disabled kernel.kptr_restrict kernel.panic"
SYSCTLS="$SYSCTLS kernel.panic_on_oops kernel.perf_event_paranoid kernel.randomize_va_space kernel.sysrq"
SYSCTLS="$SYSCTLS kernel.unprivileged_bpf_disabled kernel.yama.ptrace_scope net.core.bpf_jit_harden"
SYSCTLS="$SYSCTLS net.ipv4.conf.all.accept_redirects net.ipv4.conf.all.accept_source_route net.ipv4.conf.all.arp_ignore"
SYSCTLS="$SYSCTLS net.ipv4.conf.all.log_martians net.ipv4.conf.all.secure_redirects net.ipv4.conf.all.send_redirects"
SYSCTLS="$SYSCTLS net.ipv4.conf.default.accept_redirects net.ipv4.conf.default.accept_source_route"
SYSCTLS="$SYSCTLS net.ipv4.conf.default.log_martians net.ipv4.conf.default.secure_redirects net.ipv4.conf.default.send_redirects"
SYSCTLS="$SYSCTLS net.ipv4.icmp_echo_ignore_broadcasts net.ipv4.icmp_ignore_bogus_error_responses net.ipv4.tcp_syncookies"
SYSCTLS="$SYSCTLS net.ipv6.conf.all.accept_redirects net.ipv6.conf.all.accept_source_route"
SYSCTLS="$SYSCTLS net.ipv6.conf.default.accept_redirects net.ipv6.conf.default.accept_source_route user.max_user_namespaces"
SYSCTLS="$SYSCTLS vm.unprivileged_userfaultfd"
ARGUMENTS="1 _b _s amd_iommu arm64.nobti arm64.nopauth audit biosdevname boot_image bootconfig cgroup_enable cgroup_no_v1"
ARGUMENTS="$ARGUMENTS clearcpuid console crashkernel debugfs default_hugepagesz dm_mod.create efi emergency enforcing fips"
ARGUMENTS="$ARGUMENTS gather_data_sampling hardened_usercopy hash_pointers hugepages hugepagesz ima_appraise"
ARGUMENTS="$ARGUMENTS indirect_target_selection init init_on_alloc init_on_free initcall_blacklist intel_iommu iomem iommu"
ARGUMENTS="$ARGUMENTS ipv6.disable kgdboc kgdbwait kpti kvm.nx_huge_pages kvm_intel.vmentry_l1d_flush l1tf lockdown loglevel lsm mds"
ARGUMENTS="$ARGUMENTS mitigations mmio_stale_data module.sig_enforce module_blacklist net.ifnames netdog.default_interface"
ARGUMENTS="$ARGUMENTS nmi_watchdog no_hash_pointers nokaslr nopti norandmaps nosmap nosmep nosmt nospec_store_bypass_disable"
ARGUMENTS="$ARGUMENTS nospectre_bhb nospectre_v1 nospectre_v2 numa_balancing nvme_core.io_timeout page_alloc.shuffle panic"
ARGUMENTS="$ARGUMENTS proc_mem.force_override pti quiet raid random.trust_bootloader random.trust_cpu randomize_kstack_offset"
ARGUMENTS="$ARGUMENTS rd.break rd.emergency rd.rescue rd.shell rd.systemd.debug_shell rd.systemd.unit rd.systemd.wants rdinit"
ARGUMENTS="$ARGUMENTS reg_file_data_sampling rescue retbleed ro rodata root rootfstype rootwait rw s security selinux single"
ARGUMENTS="$ARGUMENTS slab_nomerge slub_debug spec_rstack_overflow spec_store_bypass_disable spectre_bhi spectre_v2 spectre_v2_user"
ARGUMENTS="$ARGUMENTS splash srbds ssbd sysrq_always_enabled systemd.crash_shell systemd.debug_shell systemd.default_debug_tty"
ARGUMENTS="$ARGUMENTS systemd.log_color systemd.log_level systemd.log_target systemd.mask systemd.show_status systemd.ssh_listen"
ARGUMENTS="$ARGUMENTS systemd.unified_cgroup_hierarchy systemd.unit systemd.volatile systemd.wants transparent_hugepage tsa tsc"
ARGUMENTS="$ARGUMENTS tsx_async_abort vmscape vsyscall"
OPTIONS="CONFIG_ARM64 CONFIG_BPF_UNPRIV_DEFAULT_OFF CONFIG_DEVKMEM CONFIG_DM_INIT CONFIG_DM_VERITY"
OPTIONS="$OPTIONS CONFIG_FORTIFY_SOURCE CONFIG_HARDENED_USERCOPY CONFIG_HIBERNATION CONFIG_INITRAMFS_FORCE"
OPTIONS="$OPTIONS CONFIG_INIT_ON_ALLOC_DEFAULT_ON CONFIG_LEGACY_VSYSCALL_NONE CONFIG_LEGACY_VSYSCALL_XONLY"
OPTIONS="$OPTIONS CONFIG_LOCK_DOWN_IN_EFI_SECURE_BOOT CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY"
OPTIONS="$OPTIONS CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY CONFIG_MITIGATION_PAGE_TABLE_ISOLATION CONFIG_MODULES"
OPTIONS="$OPTIONS CONFIG_MODULE_SIG CONFIG_PAGE_TABLE_ISOLATION CONFIG_RANDOMIZE_BASE CONFIG_SECCOMP CONFIG_SECCOMP_FILTER"
OPTIONS="$OPTIONS CONFIG_SECURITY_LOCKDOWN_LSM CONFIG_SECURITY_LOCKDOWN_LSM_EARLY CONFIG_SECURITY_SELINUX"
OPTIONS="$OPTIONS CONFIG_SECURITY_SELINUX_BOOTPARAM CONFIG_SECURITY_SELINUX_CHECKREQPROT_VALUE CONFIG_SECURITY_SELINUX_DEVELOP"
OPTIONS="$OPTIONS CONFIG_SECURITY_SELINUX_DISABLE CONFIG_SECURITY_YAMA CONFIG_SLAB_FREELIST_HARDENED CONFIG_SLAB_FREELIST_RANDOM"
OPTIONS="$OPTIONS CONFIG_STACKPROTECTOR_STRONG CONFIG_STRICT_DEVMEM CONFIG_STRICT_KERNEL_RWX CONFIG_STRICT_MODULE_RWX"
OPTIONS="$OPTIONS CONFIG_UNMAP_KERNEL_AT_EL0 CONFIG_VMAP_STACK"
UNITS="chronyd.service"
SETTINGS='[["container-runtime","enable-unprivileged-ports"], ["host-containers","*","enabled"],
  ["host-containers","*","superpowered"], ["host-containers","admin","enabled"],
  ["host-containers","admin","source"], ["host-containers","control","source"],
  ["host-containers","control","superpowered"], ["kernel","lockdown"], ["kubernetes","allowed-unsafe-sysctls"],
  ["updates","metadata-base-url"], ["updates","targets-base-url"]]'
# --- end of what is generated ---

# What the functions print goes through `encode`: "t" marks a text, "j" JSON that is there already.
text() { printf 't\t%s\t%s\n' "$1" "$2"; }
absent() { printf -- '-\t%s\n' "$1"; }
unread() { printf '!\t%s\t%s\n' "$1" "$2"; }

# one_line FILE: its text with runs of blanks and newlines as one space
one_line() { tr -s '\0\t\n\r ' '     ' <"$1" 2>/dev/null | sed 's/^ *//; s/ *$//'; }

# a_file KEY FILE: the text of a file of /proc or /sys
a_file() {
  if [ ! -e "$2" ]; then absent "$1"
  elif cat "$2" >/dev/null 2>&1; then text "$1" "$(one_line "$2")"
  else unread "$1" "permission denied"
  fi
}

shares_network() {
  [ -z "${KUBERNETES_SERVICE_HOST:-}" ] && [ ! -d "$R/var/run/secrets/kubernetes.io" ] &&
    { [ -d "$R/.bottlerocket/host-containers" ] || [ -d "$R/.bottlerocket/bootstrap-containers" ]; }
}

sysctls() {
  for name in $SYSCTLS; do
    key="sysctl:$name"
    case $name in
      net.*) shares_network || { unread "$key" "$OWN_NETWORK"; continue; } ;;
      user.*)
        [ "$(readlink "$R/proc/self/ns/user")" = "user:[4026531837]" ] || { unread "$key" "$OWN_USERS"; continue; }
        ;;
    esac
    a_file "$key" "$R/proc/sys/$(printf %s "$name" | tr . /)"
  done
}

# The command line in words as the kernel splits it; values that no rule asks for are left out. The kernel takes the
# byte 0xA0 for a blank, which jq cannot see inside a character: such a command line stays unread.
command_line() {
  key=kernel_command_line:text
  [ -r "$R/proc/cmdline" ] || { unread "$key" "permission denied"; return; }
  tr '\0\n\r\t\013\014' '      ' <"$R/proc/cmdline" 2>/dev/null | jq -Rrs --arg shown "$ARGUMENTS" --arg key "$key" '
    def name: gsub("\""; "") | split("=")[0];
    def plain: name | gsub("-"; "_") | ascii_downcase;
    ($shown | split(" ")) as $names
    | if test("[^\u0000-\u007f]") then "!\t" + $key + "\tit holds bytes that are no ASCII"
      else [match("(?:[^ \"]|\"[^\"]*(?:\"|$))+"; "g").string
        | (plain) as $name
        | if (index("=") == null) or any($names[]; . == $name)
             or any("sysctl.", "systemd.mask", "systemd.wants"; . as $head | $name | startswith($head))
          then . else "\"" + name + "=(not shown)\"" end]
        | join(" ") | "j\t" + $key + "\t" + tojson end' || unread "$key" "it could not be taken apart"
}

kernel_options() {
  if ! command -v gzip >/dev/null 2>&1; then unread kconfig:all "there is no gzip to read /proc/config.gz with"; return; fi
  if [ ! -e "$R/proc/config.gz" ]; then unread kconfig:all "there is no /proc/config.gz"; return; fi
  gzip -dc "$R/proc/config.gz" 2>/dev/null | head -c 8388608 |
    sed -n "s/^\(CONFIG_[A-Za-z0-9_]*\)=\(.*\)\$/\1$TAB\2/p; s/^# \(CONFIG_[A-Za-z0-9_]*\) is not set\$/\1${TAB}n/p" |
    jq -Rrn --arg names "$OPTIONS" '
      (reduce inputs as $line ({}; ($line | split("\t")) as $pair | .[$pair[0]] = $pair[1])) as $all
      | if ($all | length) == 0 then "!\tkconfig:all\tnot a kernel configuration"
        else ($names | split(" ")[]) as $name
          | if $all[$name] == null then "-\tkconfig:" + $name
            else "t\tkconfig:" + $name + "\t" + ($all[$name] | ltrimstr("\"") | rtrimstr("\"")) end
        end' || unread kconfig:all "/proc/config.gz could not be read"
}

modules() {
  if [ ! -e "$R/proc/modules" ]; then absent modules:loaded
  elif [ -r "$R/proc/modules" ]; then
    jq -Rcrn '"j\tmodules:loaded\t" + ([inputs | split(" ")[0] | select(length > 0) | gsub("-"; "_")] | sort | tojson)' \
      <"$R/proc/modules"
  else unread modules:loaded "permission denied"
  fi
  a_file kernel:tainted "$R/proc/sys/kernel/tainted"
}

units() {
  top=$R/sys/fs/cgroup/system.slice
  if [ ! -d "$top" ] || [ "$(readlink "$R/proc/self/ns/cgroup")" != "cgroup:[4026531835]" ]; then
    unread units:running "$OWN_GROUPS"
    return
  fi
  for group in "$top"/*.service "$top"/*.socket "$top"/*.mount "$top"/*.slice/*.service; do
    [ -r "$group/cgroup.events" ] || continue
    case $(one_line "$group/cgroup.events") in
      *"populated 1"*) printf '%s\n' "${group##*/}" ;;
    esac
  done | jq -Rcrn --arg asked "$UNITS" '
    ([inputs] | unique) as $found
    | ("j\tunits:running\t" + ($found | tojson)),
      (($asked | split(" ")[]) as $unit | select(any($found[]; . == $unit)) | "t\tunit:" + $unit + "#active\tactive")'
}

security() {
  found=
  for sys in "$R/sys" "$R/.bottlerocket/rootfs/sys"; do
    if [ -z "$found" ] && [ -r "$sys/kernel/security/lockdown" ]; then
      found=$(one_line "$sys/kernel/security/lockdown" | sed -n 's/.*\[\([a-z]*\)\].*/\1/p')
    fi
  done
  if [ -n "$found" ]; then text lockdown:mode "$found"
  else unread lockdown:mode "securityfs cannot be seen from here; it takes the host's /sys (a host root mount)"
  fi
  a_file fips:enabled "$R/proc/sys/crypto/fips_enabled"
  a_file fips:name "$R/proc/sys/crypto/fips_name"
}

# ask TARGET FILTER: "api" line with what the API answers, reduced by a jq filter
ask() {
  name=${1%%\?*}
  [ "${1#*type=kubernetes}" = "$1" ] || name=$name/kubernetes
  if ! command -v apiclient >/dev/null 2>&1; then
    printf 'api\t%s\t0\t"there is no apiclient"\n' "$name"
    return
  fi
  if answer=$(timeout 60 apiclient raw -m GET -u "$1" 2>&1); then
    reduced=$(printf %s "$answer" | jq -c "$2" 2>/dev/null) && [ -n "$reduced" ] &&
      printf 'api\t%s\t200\t%s\n' "$name" "$reduced" && return
    printf 'api\t%s\t0\t"the answer is no JSON of the expected kind"\n' "$name"
    return
  fi
  status=$(printf %s "$answer" | sed -n 's/.*[Ss]tatus \([1-5][0-9][0-9]\).*/\1/p' | head -n 1)
  printf 'api\t%s\t%s\t%s\n' "$name" "${status:-0}" "$(printf %s "$answer" | head -c 300 | jq -Rs .)"
}

api() {
  ask /os '{pretty_name: (.pretty_name // .["pretty-name"]), variant_id: (.variant_id // .["variant-id"]),
    version_id: (.version_id // .["version-id"]), build_id: (.build_id // .["build-id"]), arch}
    | with_entries(select(.value != null))'
  # shellcheck disable=SC2016 # $asked and its like are variables of jq
  ask /settings "$SETTINGS"' as $asked | (.settings // .) as $all
    | [$asked[] as $path
      | (reduce $path[] as $name ([{path: [], value: $all}]; [.[] | . as $here | select((.value | type) == "object")
          | (.value | if $name == "*" then keys[] elif has($name) then $name else empty end) as $key
          | {path: ($here.path + [$key]), value: $here.value[$key]}])) as $found
      | (if any($path[]; . == "*") then {path: $path, all: true}
         elif ($found | length) == 0 then {path: $path} else empty end),
        ($found[] | if (.value | type) == "object" or (.value | tostring | test("//[^/ ]*@|//[^ ?]*[?]"))
                    then {path, kept: true} else . end)]
    | unique_by(.path)'
  ask /updates/status '{update_state: (.update_state // .["update-state"]),
    chosen_update: (.chosen_update // .["chosen-update"]), active_partition: (.active_partition // .["active-partition"])}'
  for report in '/report/cis?type=bottlerocket&level=2&format=json' '/report/cis?type=kubernetes&level=2&format=json' \
    '/report/fips?format=json'; do
    ask "$report" '{name, version, level, status, results: (.results | with_entries(.value |= {id, status, level}))}'
  done
}

collect() {
  command_line
  sysctls
  modules
  security
  units
  kernel_options
  api
}

# Texts as JSON; what is too long or no JSON becomes unread, and what no longer fits is left out, which the end says.
encode() {
  jq -Rrn --argjson limit "$1" --argjson longest "$LONGEST" '
    def clean: gsub("[\u0000-\u001f\u007f]"; " ");
    reduce (inputs | split("\t")) as $part ({used: 0, lines: [], left: 0};
      ($part[1] | clean) as $key
      | (if $part[0] == "t" then "=\t" + $key + "\t" + ($part[2:] | join(" ") | tojson)
         elif $part[0] == "j" then "=\t" + $key + "\t" + ($part[2:] | join("\t"))
         elif $part[0] == "-" then "-\t" + $key
         elif $part[0] == "api" then "api\t" + $key + "\t" + $part[2] + "\t" + ($part[3:] | join("\t"))
         else "!\t" + $key + "\t" + ($part[2:] | join(" ") | clean) end) as $line
      | (if ($line | length) > $longest then
           (if $part[0] == "api" then "api\t" + $key + "\t0\t\"the answer is too long for a bundle\""
            else "!\t" + $key + "\tit is too long for a bundle" end) else $line end) as $line
      | if .used + ($line | utf8bytelength) + 1 > $limit then .left += 1
        else .used += ($line | utf8bytelength) + 1 | .lines += [$line] end)
    | .lines[], "end\t" + (.lines | length | tostring) + "\t" + (.left | tostring)'
}

where=unknown
for folder in "$R"/.bottlerocket/host-containers/* "$R"/.bottlerocket/bootstrap-containers/*; do
  if [ -d "$folder" ] && [ "${folder##*/}" != current ]; then where=${folder##*/}; fi
done
where=$(printf %s "$where" | tr -c 'A-Za-z0-9._-' '_' | head -c 64)
head=$(printf 'rocketaudit-bundle 1\nkeys %s\nnonce %s\nboot_id %s\ntime %s\nwhere %s\n' "$KEYS" "$NONCE" \
  "$(one_line "$R/proc/sys/kernel/random/boot_id" | head -c 64)" "$(date +%s)" "$where")
printf '%s\n' "$head"
collect | encode $((LIMIT - ${#head} - 40))
