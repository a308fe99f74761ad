# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

# follow MECHANISM: a load of 160 MiB comes to web and goes again; memory follows it.
follow() {
    local begin lent
    # What the scenario before lent by another mechanism, this one could not take back.
    memplug limits web --mechanism auto --floor 256M --ceiling 768M >/dev/null
    timed 'setmem 256M' memplug setmem web 256M
    memplug limits web --mechanism "$1" >/dev/null
    memplug manage web on
    guest web 'memory-user grow=160M@16M hold >/tmp/load.log 2>&1 &'
    begin=$EPOCHREALTIME
    within 2 5 at_least web 260
    echo "the first memory came after $(level_seconds_since "$begin") s"
    within 2 20 load_has_all
    echo "the load has all it wants after $(level_seconds_since "$begin") s: web has $(of web actual) MiB"
    guest web 'grep -e pswpin -e pswpout /proc/vmstat'

    lent=$(($(of web actual) - 256))
    guest web 'killall memory-user'
    begin=$EPOCHREALTIME
    # The policy holds still for half a minute first, whatever the level.
    sleep 30
    within 2 10 at_most web $((256 + lent / 2))
    echo "half of it was back $(level_seconds_since "$begin") s after the load had gone"
    memplug info web
}

load_has_all() { guest web 'grep -q ^step=grow /tmp/load.log'; }
