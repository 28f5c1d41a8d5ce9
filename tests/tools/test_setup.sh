#!/bin/sh
# SPDX-License-Identifier: MIT
#
# test_setup.sh: tools/setup on machines that it is not run on
#
# Stand-ins for dpkg-query, apt-get, id and sudo come first in PATH. They answer as the machine
# would and write down how they were called, so that every branch is seen and nothing installed:
# all there, something missing as root, with sudo, without either, a system that is not Debian, and
# two who install at once.

set -u
cd "$(dirname "$0")/../.." || exit 1
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
mkdir "$place/bin"
calls=$place/calls
debian=$place/debian
printf 'ID=debian\n' >"$debian"

stand_in() {
    printf '#!/bin/sh\n%s\n' "$2" >"$place/bin/$1"
    chmod +x "$place/bin/$1"
}
# shellcheck disable=SC2016 # the stand-ins expand these
{
    stand_in dpkg-query 'for last; do :; done
        case " $MISSING " in *" $last "*) exit 1 ;; *) echo installed ;; esac'
    # Like apt-get it fails where another one is at work.
    stand_in apt-get 'echo "apt-get $* (${DEBIAN_FRONTEND-asks})" >>"$CALLS"
        mkdir "$CALLS.busy" || exit 99
        [ -z "${APT_SLOW-}" ] || sleep 0.3
        rmdir "$CALLS.busy"
        exit "${APT_STATUS:-0}"'
    stand_in id 'echo "$FAKE_UID"'
    stand_in sudo '[ "$SUDO_WORKS" = yes ] && [ "$1" = -n ] || exit 1
        shift; [ "$1" = true ] || echo "sudo $*" >>"$CALLS"; "$@"'
}

setup() {
    PATH="$place/bin:$PATH" CALLS=$calls MISSING="$missing" FAKE_UID=$uid SUDO_WORKS=$sudo \
        WEFT_OS_RELEASE=$system WEFT_SETUP_LOCK=$place/lock sh tools/setup "$@" 2>&1
}

# run GROUP: sets $status and $output, and leaves the calls in $calls.
run() {
    : >"$calls"
    output=$(setup "$@")
    status=$?
}

number=0
failed=0
# verdict NAME CONDITION...: the condition is a command.
verdict() {
    name=$1
    number=$((number + 1))
    shift
    if "$@"; then
        echo "ok $number - tools/test_setup/$name"
    else
        failed=$((failed + 1))
        echo "not ok $number - tools/test_setup/$name"
        echo "# status $status, output: $output"
        sed 's/^/# called: /' "$calls"
    fi
}

all_there() { [ "$status" = 0 ] && [ -z "$output" ] && [ ! -s "$calls" ]; }
updates_then_installs() {
    [ "$status" = 0 ] && [ "$(sed -n 1p "$calls")" = "apt-get update -q (noninteractive)" ] &&
        sed -n 2p "$calls" | grep -q \
            "^apt-get install -y --no-install-recommends socat python3 .*(noninteractive)$"
}
uses_sudo() {
    [ "$status" = 0 ] &&
        grep -q '^sudo env DEBIAN_FRONTEND=noninteractive .*apt-get update' "$calls"
}
prints_the_line() {
    install="DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends socat"
    [ "$status" = 1 ] && [ ! -s "$calls" ] && case $output in
    *"apt-get update && $install") ;;
    *) false ;;
    esac
}
prints_the_needs() {
    [ "$status" = 1 ] && [ ! -s "$calls" ] && case $output in
    *gcc*make*libc6-dev*socat*python3*) ;;
    *) false ;;
    esac
}
is_refused() { [ "$status" = 2 ] && [ ! -s "$calls" ]; }
take_turns() {
    [ "$status" = 0 ] && [ "$first_status" = 0 ] &&
        [ "$(cut -d' ' -f2 "$calls" | tr '\n' ' ')" = "update install update install " ]
}
has_failed() { [ "$status" = 100 ] && [ "$(wc -l <"$calls")" = 1 ]; }

echo "1..9"
system=$debian missing='' uid=1000 sudo=no
run test
verdict all_there_needs_nothing all_there
missing='socat python3' uid=0
run test
verdict root_updates_first_and_installs_what_is_missing updates_then_installs
uid=1000 sudo=yes
run test
verdict sudo_without_a_question_is_used uses_sudo
missing=socat sudo=no
run demo
verdict without_root_the_exact_line_is_printed prints_the_line
system=$place/none uid=0
run test
verdict another_system_gets_the_list_of_needs prints_the_needs
system=$debian
run nonsense
verdict an_unknown_group_is_refused is_refused
run
verdict no_group_is_refused is_refused
APT_SLOW=yes
export APT_SLOW
: >"$calls"
setup demo >"$place/first" &
output=$(setup demo)
status=$?
wait $!
first_status=$?
verdict two_at_once_take_turns take_turns
APT_STATUS=100
export APT_STATUS
run demo
verdict a_failed_update_ends_it has_failed
[ "$failed" = 0 ]
