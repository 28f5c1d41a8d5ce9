#!/bin/bash
# SPDX-License-Identifier: MIT
#
# clean_root.sh: the README's commands on a machine that has nothing
#
# Makes a bare Debian with debootstrap in a folder of its own, puts a copy of this checkout there
# (in a folder with a space in its name), and runs what the README says: its first line, which
# gets git and make, then `make demo` and `make test`, as root. Then two more copies run both
# commands at once, each as an ordinary user with 1024 descriptors. Mirror and suite come from
# this machine's own apt settings; nothing is kept. Needs root, debootstrap and unshare. The
# mounts live in a mount namespace and the processes in a process namespace, so that both are gone
# when this script ends, however it ends.

set -euo pipefail
cd "$(dirname "$0")/.."

# "site suite component" of every Debian archive that this machine's apt is told to use.
archives() {
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages'
}

make_root() {
    local suite site
    # shellcheck disable=SC1091 # the system's own file
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    site=$(archives | awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
    [ -n "$site" ] || { echo "clean_root: apt has no main archive of $suite" >&2; exit 1; }
    echo "clean_root: debootstrap of $suite"
    debootstrap --variant=minbase "$suite" "$root" "$site" >"$root.log" 2>&1 ||
        { tail -n 20 "$root.log" >&2; exit 1; }
    archives | awk -v suite="$suite" 'index($2, suite) == 1 { print "deb", $0 }' |
        sort -u >"$root/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(Check-|https?::)' \
        >"$root/etc/apt/apt.conf.d/99host" || true
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
}

mount_kernel_folders() {
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
}

# copy_checkout NAME OWNER: the files that git knows, as they are now.
copy_checkout() {
    mkdir -p "$root/srv/$1"
    git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- --ignore-failed-read | tar --extract -C "$root/srv/$1"
    chown -R "$2:$2" "$root/srv/$1"
}

# The first line of the README's first block of commands.
readme_line() {
    awk '/^```/ { if (inside) exit; inside = /^```(sh|console|bash)/; next }
        inside { print; exit }' README.md | sed 's/^[$#] //'
}

# in_root USER FOLDER COMMAND: a shell in the root, with nothing of our environment.
in_root() {
    local proxies=()
    for name in http_proxy https_proxy no_proxy; do
        [ -z "${!name-}" ] || proxies+=("$name=${!name}")
    done
    chroot "$root" /usr/bin/setpriv --reuid="$1" --regid="$1" --clear-groups \
        /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp CI=true "${proxies[@]}" \
        /bin/sh -ec "cd '/srv/$2'; $3" </dev/null
}

inside() {
    local line one two failed=0
    root=$1
    make_root
    mount_kernel_folders
    copy_checkout "weft of root" 0
    copy_checkout "weft of one" 1001
    copy_checkout "weft of two" 1002
    line=$(readme_line)
    case $line in
    *git*make* | *make*git*) echo "clean_root: $line" ;;
    *) echo "clean_root: the README's first command does not get git and make: $line" >&2; exit 1 ;;
    esac
    in_root 0 "weft of root" "$line" >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; exit 1; }
    echo "clean_root: make demo and make test, as root"
    in_root 0 "weft of root" "make -s demo; make -s test"
    echo "clean_root: twice at once, as ordinary users with 1024 descriptors"
    in_root 1001 "weft of one" "ulimit -n 1024; make -s demo; make -s test" >"$root.one" 2>&1 &
    one=$!
    in_root 1002 "weft of two" "ulimit -n 1024; make -s demo; make -s test" >"$root.two" 2>&1 &
    two=$!
    wait "$one" || failed=1
    wait "$two" || failed=1
    cat "$root.one" "$root.two"
    return "$failed"
}

if [ "${1-}" = --inside ]; then
    inside "$2"
else
    place=$(mktemp -d)
    trap 'rm -rf --one-file-system "$place"' EXIT
    mkdir -m 755 "$place/root"
    chmod 755 "$place"
    unshare --mount --propagation private --pid --fork --kill-child bash "$0" --inside "$place/root"
fi
