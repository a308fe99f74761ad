# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# shellcheck disable=SC2154 # contrib/nested's variables
#
# contrib/nested's ear: reads what the nested host tells of its progress (tests/nested/
# host/run has the lines), shows it, counts the results, and says when the host has to
# be given up. Of contrib/nested it uses mode, most, output and work (folders), and qemu (process).

# For the host to boot and to say its first word, where TCG runs it; KVM needs a few.
readonly BOOT_S=300
# Beyond what a step may take: the host ends it itself, is late sometimes, and has a word
# to say on what has failed.
readonly GRACE_S=120

# Results ----------------------------------------------------------------

passed=0 failed=0 skipped=0
step='' step_log='' told_bye=no deadline=0

escape() {
    tr -cd '\11\12\15\40-\176\200-\377' | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'
}

# case_done NAME RESULT SECONDS TEXT
case_done() {
    local text
    text=$(escape <<<"$4")
    printf '== %s %s after %s s%s\n' "$1" "$2" "$3" "${4:+: $4}"
    {
        printf '  <testcase classname="nested" name="%s" time="%s">' "$(escape <<<"$1")" "$3"
        case $2 in
        failed) printf '<failure message="%s">%s</failure>' "$text" "$(escape <<<"$step_log")" ;;
        skipped) printf '<skipped message="%s"/>' "$text" ;;
        esac
        printf '</testcase>\n'
    } >>"$work/cases"
    case $2 in
    passed) passed=$((passed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) failed=$((failed + 1)) ;;
    esac
    step=''
}

write_junit() {
    {
        echo '<?xml version="1.0" encoding="UTF-8"?>'
        echo "<testsuite name=\"nested\" tests=\"$((passed + failed + skipped))\" failures=\"$failed\" skipped=\"$skipped\">"
        cat "$work/cases" 2>/dev/null || true
        echo '</testsuite>'
    } >"$output/junit.xml"
}

# understand LINE: of the host's.
understand() {
    local kind rest name result seconds text
    read -r kind rest <<<"$1"
    case $kind in
    say)
        rest=${1#say }
        step_log+=$rest$'\n'
        printf '%6d s  %s\n' "$((SECONDS - begun))" "$rest"
        ;;
    begin)
        read -r step seconds <<<"$rest"
        step_log='' step_begun=$SECONDS
        deadline=$((seconds > 0 ? SECONDS + seconds + GRACE_S : SECONDS + 7 * 86400))
        printf '== %s (at most %d s)\n' "$step" "$seconds"
        ;;
    end)
        read -r name result seconds text <<<"$rest"
        deadline=$((SECONDS + BOOT_S))
        case_done "$name" "$result" "$seconds" "$text"
        ;;
    bye)
        told_bye=yes deadline=$((SECONDS + BOOT_S))
        [ "$step" != shell ] || step=''
        ;;
    esac
}

# follow: until the host has ended, or has to be.
follow() {
    local line='' part status
    begun=$SECONDS deadline=$((SECONDS + BOOT_S)) step_begun=$SECONDS
    while :; do
        status=0
        IFS= read -r -t 1 -u 4 part || status=$?
        line+=$part
        if [ "$status" -eq 0 ]; then
            understand "$line"
            line=''
            continue
        fi
        kill -0 "$qemu" 2>/dev/null || break
        if [ "$SECONDS" -ge "$deadline" ]; then
            give_up "no sign of life in time"
            return
        elif [ "$mode" != shell ] && [ "$SECONDS" -ge $((begun + most)) ]; then
            give_up "all together is not done after $most s"
            return
        fi
    done
    [ "$told_bye" = yes ] || give_up 'the host has ended before its work was done'
}

# give_up WHY: what can be known then is on the console.
give_up() {
    echo "contrib/nested: $1; the host's console ends so:" >&2
    tail -n 15 "$output/console.txt" >&2 || true
    cat "$output/qemu.txt" >&2
    case_done "${step:-host}" failed "$((SECONDS - step_begun))" "$1"
}
