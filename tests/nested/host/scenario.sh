# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What a scenario of the nested host is written in. It is a bash script whose head says
# how long it may take on a machine that nothing slows down, and on which level it works
# (1: this host; 2: in a guest as well):
#
#   # Limit: 20 s on level 2
#   . "$NESTED/host/scenario.sh"
#
# Its status is its result: 0 passed, 77 skipped, else failed; the last line it prints
# says why. Scenarios run in the order of their names, and share the host as the ones
# before have left it: the guest 'web' is booted once, by the first.

set -euE -o pipefail
# shellcheck source=tests/nested/host/level.sh
. "$NESTED/host/level.sh"
trap 'echo "${0##*/}:$LINENO: failed: $BASH_COMMAND"' ERR

fail() {
    echo "failed: $*"
    trap - ERR
    exit 1
}

skip() {
    echo "$*"
    exit 77
}

# timed TEXT COMMAND...: says how long COMMAND took.
timed() {
    local text=$1 begin=$EPOCHREALTIME
    shift
    "$@"
    echo "$text: $(level_seconds_since "$begin") s"
}

# within LEVEL SECONDS COMMAND...: tries until COMMAND succeeds.
within() {
    local limit ended
    limit=$(level_scale "$1" "$2")
    ended=$((SECONDS + limit))
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$ended" ] || fail "not so after $limit s: $*"
        sleep 1
    done
}

# as USER COMMAND...
as() {
    setpriv --reuid="$1" --regid="$1" --init-groups "${@:2}"
}

# refused PATTERN COMMAND...: COMMAND must fail, and say so.
refused() {
    local pattern=$1 said
    shift
    if said=$("$@" 2>&1); then
        fail "was allowed: $*"
    fi
    printf '%s\n' "$said"
    grep -q "$pattern" <<<"$said" || fail "no word of '$pattern' in what '$*' said"
}

virsh() { command virsh -q -k 0 "$@"; }

# Guests -----------------------------------------------------------------

# of GUEST MEMBER: of what memplug lists; sizes in MiB.
of() {
    memplug list --json | jq -r --arg name "$1" --arg member "$2" \
        '.[] | select(.name == $name) | .[$member] |
         if type == "number" and . > 1048576 then . / 1048576 | floor else . end'
}

# has GUEST MIB: whether memplug says so.
has() { [ "$(of "$1" actual)" = "$2" ]; }

# at_least GUEST MIB, at_most GUEST MIB
at_least() { [ "$(of "$1" actual)" -ge "$2" ]; }
at_most() { [ "$(of "$1" actual)" -le "$2" ]; }

# agree GUEST MIB: memplug, libvirt and the guest itself have the same opinion. The
# guest counts without what its kernel keeps for itself, so it is asked for the
# difference from what it had at first.
agree() {
    local total
    within 2 3 has "$1" "$2"
    within 2 3 libvirt_has "$1" "$2"
    within 2 3 guest_has "$1" "$2"
    total=$(guest_total "$1")
    echo "$1: memplug, libvirt and the guest agree on $2 MiB (MemTotal $total MiB)"
}

# dommemstat's "actual" is without virtio-mem.
libvirt_has() {
    [ "$(virsh domstats --balloon "$1" | awk -F= '/balloon.current=/ { print int($2 / 1024) }')" = "$2" ]
}

guest_total() { guest_file "$1" /proc/meminfo | awk '/^MemTotal:/ { print int($2 / 1024) }'; }

# Page descriptors of what was added may be missing from MemTotal.
guest_has() {
    local expected total
    expected=$(($(cat "$NESTED/state/$1-total") + $2 - 256))
    total=$(guest_total "$1")
    [ "$total" -le $((expected + 2)) ] && [ "$total" -ge $((expected - ($2 - 256) / 64 - 2)) ]
}

# guest GUEST SCRIPT: runs it in the guest. Prints what it printed; its status is the
# script's.
guest() { ask_guest "$1" run "$2"; }

# guest_file GUEST PATH: what is in it. No program has to be started for that.
guest_file() { ask_guest "$1" read "$2"; }

# The pair of pipes that QEMU has for the guest's second serial line.
control_of() { echo "$NESTED/state/$1-control"; }

# ask_guest GUEST WHAT TEXT: by the port that guest-control serves (tests/guest/image).
ask_guest() {
    local control id=$RANDOM word number status length
    control=$(control_of "$1")
    {
        flock 8
        printf '%s %d %d\n%s' "$2" "$id" "${#3}" "$3" >&7
        while :; do
            read -r -t "$(level_scale 2 10)" word number status length <&8 ||
                fail "the guest $1 does not answer: $2 $3"
            [ "$word" = 'done' ] || fail "the guest $1 answers '$word $number' to $id"
            [ "$number" != "$id" ] || break
            # For somebody who was not patient enough.
            head -c "$length" <&8 >/dev/null
        done
        head -c "$length" <&8
        flock -u 8
    } 7<>"$control.in" 8<>"$control.out"
    return "$status"
}

# define_guest NAME MIB: as anybody might, without a word of memplug.
define_guest() {
    local xml=$NESTED/state/$1.xml control type=kvm clock=''
    control=$(control_of "$1")
    rm -f "$control.in" "$control.out"
    mkfifo -m 666 "$control.in" "$control.out"
    if [ "$(cat "$NESTED/state/accelerator")" = tcg ]; then
        type=qemu
        clock="<qemu:commandline><qemu:arg value='-icount'\/><qemu:arg value='shift=5,sleep=on'\/><\/qemu:commandline>"
    fi
    sed -e "s/@name@/$1/g" -e "s/@mib@/$2/g" -e "s/@type@/$type/" -e "s/@clock@/$clock/" -e "s|@control@|$control|" \
        "$NESTED/host/domain.xml" >"$xml"
    virsh define "$xml" >/dev/null
}

console_of() { echo "/var/log/libvirt/qemu/$1-console.log"; }

guest_is_ready() { grep -q '^guest: ready' "$(console_of "$1")"; }

# The CPU time that its QEMU has had: a guest that is slow gets on with it, one that hangs
# burns it or has none.
cpu_time_of() { ps -o time= -p "$1" || echo 'none'; }

# await_boot NAME: tells every ten seconds how far it has come, by its console.
await_boot() {
    local begin=$SECONDS told=$SECONDS limit line pid
    limit=$(level_scale 2 5)
    pid=$(cat "/run/libvirt/qemu/$1.pid")
    until guest_is_ready "$1"; do
        # A look every now and then: it costs the guest, which has a CPU with this.
        sleep 2
        if [ $((SECONDS - begin)) -ge "$limit" ] || [ ! -d "/proc/$pid" ]; then
            echo "the console of $1 ends so:"
            tail -n 30 "$(console_of "$1")"
            fail "$1 has not booted within $limit s; its QEMU has had $(cpu_time_of "$pid")" \
                "of a CPU, and it is $(virsh domstate "$1" --reason)"
        elif [ $((SECONDS - told)) -ge 10 ]; then
            told=$SECONDS
            line=$(tail -n 1 "$(console_of "$1")" | tr -d '\r')
            echo "$1 after $((SECONDS - begin)) s ($(cpu_time_of "$pid") of a CPU): $line"
        fi
    done
}

# boot_guest NAME: starts it and waits; measures the level.
boot_guest() {
    local ready
    rm -f "$(console_of "$1")"
    virsh start "$1" >/dev/null
    timed "$1 boots" await_boot "$1"
    # Before that its terminal echoes what it is sent.
    read -r -t "$(level_scale 2 10)" ready _ <>"$(control_of "$1").out" ||
        fail "the guest $1 does not say that it is ready"
    [ "$ready" = ready ] || fail "the guest $1 says '$ready', and not that it is ready"
    measure_guest "$1"
}

# measure_guest NAME: how slow it is, and how much memory it has at first.
measure_guest() {
    local ms reference_ms=1
    # shellcheck source=/dev/null
    . "$NESTED/job"
    ms=$(level_work_ms 2000 guest "$1")
    echo "$1 takes $((ms / 1000)) s for what takes the machine below all $reference_ms ms"
    echo $(((ms + reference_ms - 1) / reference_ms)) >"$NESTED/state/slowness-2"
    guest_total "$1" >"$NESTED/state/$1-total"
}

need_guest() {
    [ -s "$NESTED/state/$1-total" ] || skip "the guest $1 has not booted"
}
