# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# How slow a level is, and what that makes of a time limit.
#
# state/slowness-1 and state/slowness-2 hold by how much the nested host and its guest
# are slower than the machine on which contrib/nested runs: whole numbers from 1 on.

# The loop that is measured, for busybox' shell, which all levels have.
# shellcheck disable=SC2016 # for the other shell
level_work='i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'

# level_seconds_since EPOCHREALTIME: with one digit after the point.
level_seconds_since() {
    local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

# level_work_ms COMMAND...: how long COMMAND takes for the loop; the best of three, as
# whatever else runs can only add to it.
level_work_ms() {
    local best='' begin ms _
    for _ in 1 2 3; do
        begin=${EPOCHREALTIME/[.,]/}
        "$@" "$level_work" || return
        ms=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
        [ -n "$best" ] && [ "$best" -le "$ms" ] || best=$ms
    done
    echo "$best"
}

# level_measure REFERENCE-MS: this level's slowness.
level_measure() {
    local ms
    ms=$(level_work_ms busybox ash -c)
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
