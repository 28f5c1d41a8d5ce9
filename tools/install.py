#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install.py: puts weft where programs find it, and takes it away again.

`make install` and `make uninstall` call it, with the variables of mk/install.mk. One list says what
is installed, and both commands go through it: uninstall removes these files and links, then the
folders that hold nothing but ours, if they are empty, and touches nothing else. A file is written
beside its place and moved there, so that a program which runs with the old library keeps it. What
pkg-config and CMake read is made from the templates in mk/; the version stands in
include/weft/types.h alone.
"""

import argparse
import glob
import os
import re
import shutil
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
PLACES = ("prefix", "libdir", "includedir", "mandir")
HEADERS = os.path.join(ROOT, "include", "weft")
MAN = os.path.join(ROOT, "build", "man")


def read_version(root=ROOT):
    """The version as three strings, from the header that has it."""
    with open(os.path.join(root, "include", "weft", "types.h"), encoding="utf-8") as file:
        text = file.read()
    return [re.search(rf"^#define WEFT_VERSION_{part} (\d+)$", text, re.M)[1]
            for part in ("MAJOR", "MINOR", "PATCH")]


def below_prefix(path, prefix):
    """A path as a .pc file has it: relative to its own variable where that is possible."""
    inside = os.path.commonpath([path, prefix]) == prefix and path != prefix
    return "${prefix}/" + os.path.relpath(path, prefix) if inside else path


def template_values(options):
    version = read_version()
    oldest = [version[0], version[1] if version[0] == "0" else "0"]
    return {
        "version": ".".join(version),
        "oldest_compatible": ".".join(oldest),
        "shared_library": f"libweft.so.{version[0]}",
        "prefix": options.prefix,
        "libdir": below_prefix(options.libdir, options.prefix),
        "includedir": below_prefix(options.includedir, options.prefix),
        "libdir_to_includedir": os.path.relpath(options.includedir, options.libdir),
    }


def fill(template, values):
    with open(os.path.join(ROOT, "mk", template), encoding="utf-8") as file:
        return re.sub(r"@(\w+)@", lambda match: values[match[1]], file.read())


def list_of_files(options):
    """[(place, kind, what)]: a copy of a file, a text, or a link to a name."""
    values = template_values(options)
    shared = values["shared_library"]
    files = [(os.path.join(options.libdir, "libweft.a"), "copy",
              os.path.join(options.build, "libweft.a")),
             (os.path.join(options.libdir, shared), "copy", os.path.join(options.build, shared)),
             (os.path.join(options.libdir, "libweft.so"), "link", shared),
             (os.path.join(options.libdir, "pkgconfig", "weft.pc"), "text",
              fill("weft.pc.in", values))]
    for name in ("weftConfig.cmake", "weftConfigVersion.cmake"):
        files.append((os.path.join(options.libdir, "cmake", "weft", name), "text",
                      fill(name + ".in", values)))
    for header in glob.glob(os.path.join(glob.escape(HEADERS), "**", "*.h"), recursive=True):
        place = os.path.join(options.includedir, "weft", os.path.relpath(header, HEADERS))
        files.append((place, "copy", header))
    for page in glob.glob(os.path.join(glob.escape(MAN), "man*", "*")):
        files.append((os.path.join(options.mandir, os.path.relpath(page, MAN)), "copy", page))
    return sorted(files)


def own_folders(options):
    """Folders that nobody else puts files into; what is inside comes before what it is in."""
    return [os.path.join(options.includedir, "weft", "testing"),
            os.path.join(options.includedir, "weft"),
            os.path.join(options.libdir, "cmake", "weft")]


def install(place, kind, what):
    os.makedirs(os.path.dirname(place), exist_ok=True)
    beside = f"{place}.{os.getpid()}.new"
    if kind == "link":
        os.symlink(what, beside)
    elif kind == "copy":
        shutil.copyfile(what, beside)
    else:
        with open(beside, "w", encoding="utf-8") as file:
            file.write(what)
    if kind != "link":
        os.chmod(beside, 0o644)
    os.replace(beside, place)


def uninstall(files, folders):
    """Returns how many of the files were there."""
    count = 0
    for place in files:
        if os.path.lexists(place):
            os.unlink(place)
            count += 1
    for folder in folders:
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    return count


def parse_arguments():
    parser = argparse.ArgumentParser(description="installs and uninstalls weft")
    parser.add_argument("command", choices=("install", "uninstall"))
    parser.add_argument("--build", required=True, help="the folder with the libraries")
    parser.add_argument("--destdir", required=True, help="put before all places; may be empty")
    for name in PLACES:
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    for name in PLACES:
        if not os.path.isabs(getattr(options, name)):
            parser.error(f"{name.upper()} must be an absolute path: {getattr(options, name)!r}")
        setattr(options, name, os.path.normpath(getattr(options, name)))
    return options


def main():
    options = parse_arguments()
    # DESTDIR goes before whole paths: /tmp/stage and /usr/lib are /tmp/stage/usr/lib.
    def staged(path):
        return options.destdir + path if options.destdir else path
    files = [(staged(place), kind, what) for place, kind, what in list_of_files(options)]
    where = staged(options.prefix)
    if options.command == "install":
        os.umask(0o022)  # folders are for everybody, however careful the one who installs is
        for place, kind, what in files:
            install(place, kind, what)
        print(f"installed {len(files)} files below {where}")
        if not options.destdir:
            print("A system that caches its libraries must be told: ldconfig, as root.")
    else:
        count = uninstall([place for place, _, _ in files], map(staged, own_folders(options)))
        print(f"removed {count} of {len(files)} files below {where}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
