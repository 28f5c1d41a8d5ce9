#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_install.py: weft as others get it.

`make install` is run into folders of our own; then small programs in C and C++ (consumer.c,
consumer.cpp) are built with what was installed, in the ways in which people do it: pkg-config,
CMake's find_package, add_subdirectory and FetchContent, each with the shared and with the static
library, and run. The compiler is CC and its C++ sibling, so that `make test CC=clang` tries the
others. What is installed is the release build whatever the preset, therefore only PRESET=dev does
all this.
"""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
sys.path[0:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "support")]

import install  # noqa: E402, pylint: disable=wrong-import-position
import tap  # noqa: E402, pylint: disable=wrong-import-position

CC = os.environ.get("CC", "gcc").split()
CXX = CC[:-1] + [re.sub(r"clang", "clang++", CC[-1]) if "clang" in CC[-1] else
                 re.sub(r"gcc|cc$", "g++", CC[-1])]
WARNINGS = ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
VERSION = ".".join(install.read_version())
# What a make or a person around us set for other purposes.
FOREIGN = re.compile(r"MAKE|MFLAGS|PKG_CONFIG|CMAKE|(DESTDIR|PREFIX|LIBDIR|INCLUDEDIR|MANDIR)$")
CLEAN = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}


def run(*command, **environment):
    """Runs a command in the checkout; returns its output. One that fails ends the test."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=ROOT, env={**CLEAN, **environment}, check=False)
    if done.returncode != 0:
        raise tap.Failed(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def make(target, *variables):
    return run("make", "-s", target, "SETUP=true", f"CC={' '.join(CC)}", *variables)


def snapshot(folder):
    """{path: what it is} of everything below a folder."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(parent, name)
            kind = os.readlink(path) if os.path.islink(path) else \
                "folder" if os.path.isdir(path) else os.stat(path).st_size
            found[os.path.relpath(path, folder)] = kind
    return found


def differences(wanted, found):
    return [f"{path}: {wanted.get(path)} expected, {found.get(path)} found"
            for path in sorted(set(wanted) | set(found)) if wanted.get(path) != found.get(path)]


class Place:
    """The folder of one run, with weft installed in `prefix`."""

    def __init__(self, folder):
        self.folder = folder
        self.prefix = os.path.join(folder, "moved")
        # Installed in one place, used in another: the CMake package must not mind.
        first = os.path.join(folder, "prefix")
        make("install", f"PREFIX={first}")
        os.rename(first, self.prefix)
        self.libdir = os.path.join(self.prefix, "lib")
        self.built = {}

    def pkg_config(self, *arguments):
        return run("pkg-config", "--define-prefix", *arguments, "weft",
                   PKG_CONFIG_PATH=os.path.join(self.libdir, "pkgconfig")).split()

    def check_run(self, program, shared):
        """Runs a consumer, which has the kind of library in it that it should have."""
        said = run(program, LD_LIBRARY_PATH=self.libdir)
        complaints = [] if said == f"weft {VERSION}: 55\n" else [f"{program} said {said!r}"]
        if ("libweft" in run("readelf", "-dW", program)) != shared:
            complaints.append(f"{program} is linked with the other kind of library")
        return complaints

    def cmake(self, kind, language, *arguments):
        """Configures and builds the CMake project; returns the folder of the programs."""
        build = os.path.join(self.folder, f"{kind}-{language}")
        if build not in self.built:
            compilers = [f"-DCMAKE_C_COMPILER={CC[-1]}", f"-DCMAKE_CXX_COMPILER={CXX[-1]}"]
            said = run("cmake", "-S", HERE, "-B", build, f"-DLANGUAGE={language}", *compilers,
                       "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *arguments)
            run("cmake", "--build", build, "-j", "2")
            self.built[build] = said
        return build

    def subdirectory(self, language, *arguments):
        return self.cmake("subdirectory", language, f"-DWEFT_SOURCE={ROOT}", *arguments)


# --- What is installed ----------------------------------------------------------------------------


def installs_below_destdir_with_spaces(place):
    stage = os.path.join(place.folder, "a stage")
    make("install", f"DESTDIR={stage}", "PREFIX=/usr", "LIBDIR=/usr/lib/some-linux",
         "INCLUDEDIR=/opt/include", "MANDIR=/usr/man")
    found = snapshot(stage)
    shared = f"libweft.so.{install.read_version()[0]}"
    wanted = ["usr/lib/some-linux/libweft.a", f"usr/lib/some-linux/{shared}",
              "usr/lib/some-linux/libweft.so", "usr/lib/some-linux/pkgconfig/weft.pc",
              "usr/lib/some-linux/cmake/weft/weftConfig.cmake",
              "usr/lib/some-linux/cmake/weft/weftConfigVersion.cmake",
              "usr/man/man3/weft_scope_enter.3", "usr/man/man7/weft_scope.7"]
    wanted += [f"opt/include/weft/{name}" for name, kind in
               snapshot(f"{ROOT}/include/weft").items() if kind != "folder"]
    complaints = [f"{path} is not there" for path in wanted if path not in found]
    complaints += [f"{path} is where nothing belongs" for path, kind in found.items()
                   if kind != "folder" and path not in wanted and not path.startswith("usr/man/")]
    if found.get("usr/lib/some-linux/libweft.so") != shared:
        complaints.append("libweft.so does not point to its neighbour")
    return complaints


def everybody_may_read_it(place):
    stage = os.path.join(place.folder, "careful")
    before = os.umask(0o077)
    try:
        make("install", f"DESTDIR={stage}", "PREFIX=/usr")
    finally:
        os.umask(before)
    complaints = []
    for folder, folders, files in os.walk(stage):
        for name in folders + files:
            status = os.stat(os.path.join(folder, name))
            if stat.S_IMODE(status.st_mode) != (0o755 if name in folders else 0o644):
                complaints.append(f"{folder}/{name}: {stat.filemode(status.st_mode)}")
    return complaints


def uninstall_takes_what_install_brought(place):
    stage = os.path.join(place.folder, "another stage")
    for path in ("usr/lib/libother.a", "usr/lib/cmake/other/otherConfig.cmake",
                 "usr/lib/pkgconfig/other.pc", "usr/include/weft/other.h", "usr/include/weft.h",
                 "usr/share/man/man3/weft.3", "usr/share/man/man7/other.7"):
        path = os.path.join(stage, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("not weft's\n")
    before = snapshot(stage)
    make("install", f"DESTDIR={stage}", "PREFIX=/usr")
    installed = len(snapshot(stage)) - len(before)
    make("uninstall", f"DESTDIR={stage}", "PREFIX=/usr")
    complaints = differences(before, snapshot(stage))
    return complaints if installed > 100 else complaints + [f"{installed} were installed"]


def folders_of_ours_go_when_empty(place):
    stage = os.path.join(place.folder, "third stage")
    for command in ("install", "uninstall"):
        make(command, f"DESTDIR={stage}", "PREFIX=/usr")
    left = snapshot(stage)
    return [f"{path} is left" for path, kind in left.items()
            if kind != "folder" or os.path.basename(path) == "weft"]


def every_symbol_has_a_version(place):
    table = run("nm", "-D", "--defined-only", os.path.join(place.libdir, "libweft.so"))
    names = [line.split()[-1] for line in table.splitlines()]
    complaints = [name for name in names
                  if not re.fullmatch(r"weft_\w+@@WEFT_\d+\.\d+|WEFT_\d+\.\d+(@@.*)?", name)]
    return complaints if len(names) > 100 else complaints + [f"{len(names)} symbols"]


def one_version_everywhere(place):
    found = {"weft.pc": place.pkg_config("--modversion")[0]}
    with open(os.path.join(place.prefix, "share/man/man7/weft_task.7"), encoding="utf-8") as file:
        found["man page"] = re.search(r'"weft ([\d.]+)"', file.readline())[1]
    build = place.cmake("package", "C", f"-DCMAKE_PREFIX_PATH={place.prefix}")
    found["CMake package"] = re.search(r"found weft (\S+)", place.built[build])[1]
    with open(os.path.join(ROOT, "src/weft.map"), encoding="utf-8") as file:
        newest = re.findall(r"^WEFT_([\d.]+) \{", file.read(), re.M)[-1]
    found["newest node of weft.map"] = newest + VERSION[len(newest):]
    with open(os.path.join(ROOT, "CHANGELOG.md"), encoding="utf-8") as file:
        found["CHANGELOG"] = re.search(r"^## ([\d.]+)", file.read(), re.M)[1]
    dynamic = run("readelf", "-dW", os.path.join(place.libdir, "libweft.so"))
    major = re.search(r"SONAME.*\[libweft\.so\.(\d+)\]", dynamic)[1]
    found["soname"] = major + VERSION[len(major):]
    return [f"{what}: {version}, not {VERSION}" for what, version in found.items()
            if version != VERSION]


# --- Programs that use it -------------------------------------------------------------------------


def by_pkg_config(place, language, static):
    compiler, source = (CC + ["-std=c11"], "consumer.c") if language == "C" else \
        (CXX + ["-std=c++11"], "consumer.cpp")
    options = ["--static"] if static else []
    program = os.path.join(place.folder, f"pkg-config-{language}-{static}")
    run(*compiler, *WARNINGS, *place.pkg_config("--cflags"), os.path.join(HERE, source),
        *(["-static"] if static else []), *place.pkg_config(*options, "--libs"), "-o", program)
    return place.check_run(program, not static)


def c_by_pkg_config_shared(place):
    return by_pkg_config(place, "C", False)


def c_by_pkg_config_static(place):
    return by_pkg_config(place, "C", True)


def cpp_by_pkg_config_shared(place):
    return by_pkg_config(place, "CXX", False)


def cpp_by_pkg_config_static(place):
    return by_pkg_config(place, "CXX", True)


def both_libraries(place, build):
    return place.check_run(os.path.join(build, "with_weft"), True) + \
        place.check_run(os.path.join(build, "with_weft_static"), False)


def c_by_find_package(place):
    return both_libraries(place, place.cmake("package", "C", f"-DCMAKE_PREFIX_PATH={place.prefix}"))


def cpp_by_find_package(place):
    build = place.cmake("package", "CXX", f"-DCMAKE_PREFIX_PATH={place.prefix}")
    return both_libraries(place, build)


def find_package_keeps_to_compatible_versions(place):
    major, minor, _ = install.read_version()
    complaints = []
    for wanted, fits in ((f"{major}.{minor}", True), (f"{major}.{int(minor) + 1}", False),
                         (f"{int(major) + 1}.0", False), ("0.0", False)):
        try:
            place.cmake(f"wanted-{wanted}", "C", f"-DCMAKE_PREFIX_PATH={place.prefix}",
                        f"-DWEFT_WANTED={wanted}")
            found = True
        except tap.Failed:
            found = False
        if found != fits:
            complaints.append(f"{wanted}: {'found' if found else 'not found'}")
    return complaints


def c_by_add_subdirectory(place):
    return both_libraries(place, place.subdirectory("C"))


def cpp_by_fetch_content(place):
    """FetchContent, told that what it would fetch is here."""
    return both_libraries(place, place.subdirectory("CXX", "-DWEFT_FETCHED=ON"))


def add_subdirectory_compiles_as_make_does(place):
    build = place.subdirectory("C")
    complaints = []
    # libweft.so itself: the same name, the same symbols.
    libraries = [os.path.join(place.libdir, "libweft.so"), os.path.join(build, "weft/libweft.so")]
    for command in (("nm", "-D", "--defined-only", "--format=just-symbols"),
                    ("readelf", "-dW")):
        texts = [run(*command, library) for library in libraries]
        if command[0] == "readelf":
            texts = [re.findall(r"(?:SONAME|NEEDED|FLAGS).*", text) for text in texts]
        if texts[0] != texts[1]:
            complaints.append(f"{command[0]} sees a difference")
    # Flags that change the code and not only its debugging or its speed.
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
        blocks = re.findall(r"^(?:common|library)_flags :=(?:.*\\\n)*.*", file.read(), re.M)
    wanted = set(re.findall(r"(?<=\s)-f[\w=-]+", " ".join(blocks))) | {"-std=gnu11", "-pthread"}
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = [shlex.split(entry["command"]) for entry in json.load(file)
                    if entry["file"].startswith(os.path.join(ROOT, "src"))]
    for command in commands:
        if command[-1].endswith(".c") and not wanted <= set(command):
            complaints.append(f"{command[-1]} lacks {wanted - set(command)}")
    sources = {os.path.relpath(command[-1], ROOT) for command in commands}
    listed = {os.path.relpath(os.path.join(folder, name), ROOT)
              for folder, _, files in os.walk(os.path.join(ROOT, "src")) for name in files
              if name.endswith((".c", ".S"))}
    return complaints + [f"{path} is compiled by one alone" for path in sources ^ listed]


TESTS = (installs_below_destdir_with_spaces, everybody_may_read_it,
         uninstall_takes_what_install_brought, folders_of_ours_go_when_empty,
         every_symbol_has_a_version, one_version_everywhere, c_by_pkg_config_shared,
         c_by_pkg_config_static, cpp_by_pkg_config_shared, cpp_by_pkg_config_static,
         c_by_find_package, cpp_by_find_package, find_package_keeps_to_compatible_versions,
         c_by_add_subdirectory, cpp_by_fetch_content, add_subdirectory_compiles_as_make_does)


def reason_to_skip():
    if os.environ.get("WEFT_PRESET", "dev") != "dev":
        return "what is installed is tested with PRESET=dev"
    absent = [name for name in ("pkg-config", "cmake", CC[-1], CXX[-1]) if not shutil.which(name)]
    return f"absent peer program: {', '.join(absent)}" if absent else None


def main():
    reason = reason_to_skip()
    with tempfile.TemporaryDirectory() as folder:
        tap.run("install", TESTS, None if reason else Place(folder), skip=reason)


if __name__ == "__main__":
    main()
