# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# How slow a level is, and what that makes of a time limit.
#
# state/slowness-1 and state/slowness-2 hold by how much the nested host and its guest
# are slower than the machine on which contrib/nested runs: whole numbers from 1 on.

# Rounds of the loop that is measured.
readonly LEVEL_ROUNDS=100000

# level_seconds_since EPOCHREALTIME: with one digit after the point.
level_seconds_since() {
    local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

# level_work_ms ROUNDS COMMAND...: how long COMMAND, busybox' shell, which all levels have,
# takes for the loop; the best of three, as whatever else runs can only add to it. With fewer
# ROUNDS it takes as much less time, and is told as if it had been all.
level_work_ms() {
    local rounds=$1 best='' begin ms _
    shift
    for _ in 1 2 3; do
        begin=${EPOCHREALTIME/[.,]/}
        "$@" "i=0; while [ \$i -lt $rounds ]; do i=\$((i+1)); done" || return
        ms=$(((${EPOCHREALTIME/[.,]/} - begin) * LEVEL_ROUNDS / rounds / 1000))
        [ -n "$best" ] && [ "$best" -le "$ms" ] || best=$ms
    done
    echo "$best"
}

# level_measure REFERENCE-MS: this level's slowness.
level_measure() {
    local ms
    ms=$(level_work_ms "$LEVEL_ROUNDS" busybox ash -c)
    echo $(((ms + $1 - 1) / $1))
}

# level_slowness LEVEL
level_slowness() {
    local one
    one=$(cat "$NESTED/state/slowness-1")
    if [ "$1" = 1 ]; then
        echo "$one"
    elif [ -s "$NESTED/state/slowness-2" ]; then
        cat "$NESTED/state/slowness-2"
    elif [ "$(cat "$NESTED/state/accelerator")" = kvm ]; then
        # Twice, were it not for the exits, which cost most where they are emulated.
        echo $((4 * one))
    else
        echo $((one * one))
    fi
}

# level_scale LEVEL SECONDS: of a machine that nothing slows down. Ten seconds more for what
# is late anywhere now and then.
level_scale() {
    echo $(($(level_slowness "$1") * $2 + 10))
}
