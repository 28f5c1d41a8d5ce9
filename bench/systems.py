# SPDX-License-Identifier: MIT
"""The systems that the benches compare, and how their programs are built.

weft's own program is built by make and only found here. A peer's program is built from bench/peers
with what the machine has, without a network, into a folder outside the sources. A peer whose
compiler or package is absent is left out with one line that says what installs it; a peer that is
there but does not build is an error that is shown.
"""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
CRATES = "/usr/share/cargo/registry"
ALL_BENCHES = ("switch", "spawn_join", "yield_ring", "queue", "socket", "timers", "sleepers")
ENGINES = ("epoll", "io_uring")


class Absent(Exception):
    """A system that cannot be had here; the text names what is missing."""


class System:
    """One column of the table: a name, a command, and the benches that it takes part in."""

    def __init__(self, name, command, version="", benches=ALL_BENCHES, env=None, without=(),
                 tail=()):
        self.name = name
        self.command = command
        self.tail = list(tail)  # arguments after those of the bench
        self.version = version
        self.benches = benches
        self.env = dict(os.environ, **(env or {}))
        for variable in without:
            self.env.pop(variable, None)


def output_of(command):
    """The first line that a command prints, or nothing where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()


def build(command, where, env=None):
    """Runs a compiler; its words are shown only where it fails."""
    done = subprocess.run(command, cwd=where, env=dict(os.environ, **(env or {})),
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def compiles(source, libraries):
    """Whether the C++ compiler takes a one-line program and finds the libraries."""
    done = subprocess.run(["g++", "-x", "c++", "-", "-o", os.devnull] + libraries, input=source,
                          capture_output=True, text=True, check=False)
    return done.returncode == 0


def boost(out):
    """Boost.Context, from the distribution's headers and library."""
    if not shutil.which("g++"):
        raise Absent("g++")
    probe = "#include <boost/context/fiber.hpp>\nint main() { return 0; }\n"
    if not compiles(probe, ["-lboost_context"]):
        raise Absent("libboost-context-dev")
    program = os.path.join(out, "boost-context")
    source = os.path.join(HERE, "peers", "boost", "context.cpp")
    build(["g++", "-O3", "-DNDEBUG", "-Wall", "-Wextra", "-o", program, source, "-lboost_context"],
          out)
    return System("boost.context", [program], output_of(["g++", "--version"]),
                  benches=("switch", "spawn_join", "yield_ring"))


def go(out):
    """Go on one thread; its build cache is kept beside the program."""
    if not shutil.which("go"):
        raise Absent("golang-go")
    env = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GO111MODULE": "on",
           "GOCACHE": os.path.join(out, "go-cache"), "GOPATH": os.path.join(out, "go-path")}
    program = os.path.join(out, "go-peer")
    build(["go", "build", "-buildvcs=false", "-o", program, "."],
          os.path.join(HERE, "peers", "go"), env)
    return System("go", [program], output_of(["go", "version"]), env={"GOMAXPROCS": "1"})


def cargos():
    """The cargo in PATH and the distribution's, each with the rustc that lies beside it."""
    found = []
    for cargo in (shutil.which("cargo"), "/usr/bin/cargo"):
        rustc = os.path.join(os.path.dirname(cargo), "rustc") if cargo else ""
        if os.access(rustc, os.X_OK) and (cargo, rustc) not in found and output_of(
                [rustc, "--version"]):
            found.append((cargo, rustc))
    return found


def tokio_with(cargo, rustc, out):
    """Builds a copy of the sources, for cargo writes its lock file beside them."""
    copy = os.path.join(out, "tokio-source")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(os.path.join(HERE, "peers", "tokio"), copy)
    target = os.path.join(out, "tokio-target")
    env = {"RUSTC": rustc, "CARGO_HOME": os.path.join(out, "cargo-home"),
           "CARGO_TARGET_DIR": target, "RUSTUP_AUTO_INSTALL": "0"}
    build([cargo, "--config", 'source.crates-io.replace-with="packaged"',
           "--config", f'source.packaged.directory="{CRATES}"',
           "build", "--release", "--offline", "--quiet"], copy, env)
    program = os.path.join(target, "release", "tokio-peer")
    return System("tokio", [program], f"{crate('tokio')}, {output_of([rustc, '--version'])}")


def crate(name):
    """The packaged crate's folder name, for example tokio-1.24.2; nothing where it is absent."""
    folders = sorted(os.listdir(CRATES)) if os.path.isdir(CRATES) else []
    return next((f for f in folders if f.startswith(name + "-") and f[len(name) + 1].isdigit()), "")


def tokio(out):
    """tokio's current_thread runtime; the distribution's cargo is tried when PATH's fails."""
    if not crate("tokio"):
        raise Absent("librust-tokio-dev")
    tries = cargos()
    if not tries or not shutil.which("cc"):
        raise Absent("gcc" if tries else "cargo")
    for cargo, rustc in tries:
        try:
            return tokio_with(cargo, rustc, out)
        except RuntimeError as error:
            failure = f"{cargo}:\n{error}"
    raise RuntimeError(failure)


def weft(path):
    """weft's program, the file itself or `core` in the folder, once for each column it fills.

    Where the engine matters there is a column for each; `small` is for the stacks of crowds.
    """
    program = os.path.abspath(os.path.join(path, "core") if os.path.isdir(path) else path)
    if not os.access(program, os.X_OK):
        raise Absent(f"no program at {path}: make bench builds it")
    benches = tuple(bench for bench in ALL_BENCHES if bench != "socket")
    columns = [System("weft", [program], benches=benches, without=("WEFT_BACKEND",))]
    columns += [System(f"weft/{engine}", [program], benches=("socket",),
                       env={"WEFT_BACKEND": engine}) for engine in ENGINES]
    return columns + [System("weft/small", [program], benches=("yield_ring", "sleepers"),
                             tail=["small"], without=("WEFT_BACKEND",))]


PEERS = {"boost.context": boost, "go": go, "tokio": tokio}
NAMES = ["weft"] + [f"weft/{engine}" for engine in ENGINES] + ["weft/small"] + list(PEERS)


def find(wanted, path, out, say):
    """All wanted systems that can be run here, in the table's order, and whether one failed."""
    found, failed = [], False
    try:
        found += weft(path) if any(name.startswith("weft") for name in wanted) else []
    except Absent as absent:
        say(f"weft: {absent}")
        failed = True
    for name in (name for name in PEERS if name in wanted):
        try:
            found.append(PEERS[name](out))
        except Absent as absent:
            say(f"{name}: left out, {absent} is not installed (tools/setup bench installs it)")
        except RuntimeError as error:
            say(f"{name}: does not build\n{error}")
            failed = True
    return [system for system in found if system.name in wanted], failed
