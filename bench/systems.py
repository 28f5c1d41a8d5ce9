# SPDX-License-Identifier: MIT
"""The systems that the benches compare, and how their programs are built.

weft's own program is built by make and only found here. A peer's program is built from bench/peers
with what the machine has, without a network, into a folder outside the sources. Nothing is
installed. Peers whose compiler or package is absent are named in one line that says what installs
them; a peer that is there but does not build is an error that is shown.
"""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
CRATES = "/usr/share/cargo/registry"
ALL_BENCHES = ("switch", "spawn_join", "yield_ring", "queue", "socket", "callbacks", "timers",
               "sleepers")
# Those in which a server is kept busy by bench/load.
SERVED = ("tcp_echo", "udp_echo", "idle")
WITHOUT_CALLBACKS = tuple(bench for bench in ALL_BENCHES if bench != "callbacks") + SERVED
PYTHON = "/usr/bin/python3"  # the one that the packaged modules belong to
ENGINES = ("epoll", "io_uring")


class Absent(Exception):
    """A system that cannot be had here; the text names the package that is missing."""


class Native:
    """A peer in C or C++: where its source lies, what it needs, in which benches it takes part."""

    def __init__(self, source, package, header, libraries, benches, standard=None):
        self.source = source
        self.package = package
        self.header = header
        self.libraries = [f"-l{library}" for library in libraries] + ["-pthread"]
        self.benches = benches
        self.compiler = "g++" if source.endswith(".cpp") else "gcc"
        self.language = "c++" if source.endswith(".cpp") else "c"
        self.flags = [f"-std={standard}"] if standard else []

    def check(self):
        """Raises Absent unless the compiler, the header and the libraries are there."""
        if not shutil.which(self.compiler):
            raise Absent(self.compiler)
        probe = f"#include <{self.header}>\nint main(void) {{ return 0; }}\n"
        command = [self.compiler, *self.flags, "-x", self.language, "-", "-o", os.devnull]
        if subprocess.run(command + self.libraries, input=probe, capture_output=True, text=True,
                          check=False).returncode:
            raise Absent(self.package)

    def compile(self, source, program, out):
        """Builds one of the peer's programs."""
        build([self.compiler, "-O3", "-DNDEBUG", "-Wall", "-Wextra", *self.flags, "-o", program,
               os.path.join(HERE, "peers", source), *self.libraries], out)

    def system(self, name, out):
        """Builds the programs; the column that they fill."""
        self.check()
        program, server = os.path.join(out, name), os.path.join(out, f"{name}-echo")
        echo = os.path.join(os.path.dirname(self.source), "echo.c")
        self.compile(self.source, program, out)
        if SERVED[0] in self.benches:
            self.compile(echo, server, out)
        return System(name, [program], package_version(self.package), benches=self.benches,
                      server=[server])


NATIVE = {
    "boost.context": Native("boost/context.cpp", "libboost-context-dev", "boost/context/fiber.hpp",
                            ["boost_context"], ("switch", "spawn_join", "yield_ring")),
    "boost.fiber": Native("boost/fiber.cpp", "libboost-fiber-dev", "boost/fiber/all.hpp",
                          ["boost_fiber", "boost_context"],
                          ("switch", "spawn_join", "yield_ring", "queue", "sleepers")),
    "asio": Native("asio/bench.cpp", "libasio-dev", "asio.hpp", [], ALL_BENCHES, "c++20"),
    "state-threads": Native("st/bench.c", "libst-dev", "st.h", ["st"],
                            ("switch", "spawn_join", "yield_ring", "queue", "socket", "sleepers")),
    "libuv": Native("libuv/bench.c", "libuv1-dev", "uv.h", ["uv"],
                    ("callbacks", "timers") + SERVED),
    "libevent": Native("libevent/bench.c", "libevent-dev", "event2/event.h",
                       ["event", "event_pthreads"], ("callbacks", "timers") + SERVED),
    "libev": Native("libev/bench.c", "libev-dev", "ev.h", ["ev"],
                    ("callbacks", "timers") + SERVED),
}


class System:
    """One column of the table: a name, a command, and the benches that it takes part in.

    `server` is the command of its echo servers where that is another one.
    """

    def __init__(self, name, command, version="", benches=ALL_BENCHES, env=None, without=(),
                 tail=(), server=None):
        self.name = name
        self.command = command
        self.tail = list(tail)  # arguments after those of the bench
        self.version = version
        self.benches = benches
        self.env = dict(os.environ, **(env or {}))
        self.server = server or command
        for variable in without:
            self.env.pop(variable, None)

    def command_for(self, arguments):
        """The command of a run; of a server's, the load that starts it."""
        if arguments[0] not in SERVED:
            return self.command + arguments + self.tail
        service = arguments[0].replace("idle", "tcp_echo")
        return [self.load] + arguments + self.server + [service] + self.tail


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


def package_version(package):
    """What dpkg says of a package, without Debian's own part."""
    version = output_of(["dpkg-query", "-W", "-f", "${source:Upstream-Version}", package])
    return version


def go(_name, out):
    """Go on one thread; its build cache is kept beside the program."""
    if not shutil.which("go"):
        raise Absent("golang-go")
    env = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GO111MODULE": "on",
           "GOCACHE": os.path.join(out, "go-cache"), "GOPATH": os.path.join(out, "go-path")}
    program = os.path.join(out, "go-peer")
    build(["go", "build", "-buildvcs=false", "-o", program, "."],
          os.path.join(HERE, "peers", "go"), env)
    version = output_of(["go", "env", "GOVERSION"])[2:]
    return System("go", [program], version, env={"GOMAXPROCS": "1"}, benches=WITHOUT_CALLBACKS)


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
    version = f"{crate('tokio')[6:]}, {output_of([rustc, '--version']).split(' (')[0]}"
    return System("tokio", [program], version,
                  benches=WITHOUT_CALLBACKS)


def crate(name):
    """The packaged crate's folder name, for example tokio-1.24.2; nothing where it is absent."""
    folders = sorted(os.listdir(CRATES)) if os.path.isdir(CRATES) else []
    return next((f for f in folders if f.startswith(name + "-") and f[len(name) + 1].isdigit()), "")


def tokio(_name, out):
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
    server = [os.path.join(os.path.dirname(program), "echo")]
    if not os.access(program, os.X_OK):
        raise Absent(f"no program at {path}: make bench builds it")
    benches = tuple(bench for bench in ALL_BENCHES if bench != "socket")
    columns = [System("weft", [program], benches=benches, without=("WEFT_BACKEND",))]
    columns += [System(f"weft/{engine}", [program], benches=("socket",) + SERVED,
                       env={"WEFT_BACKEND": engine}, server=server) for engine in ENGINES]
    columns += [System("weft/raw", [program], benches=("tcp_echo", "idle"), tail=["raw"],
                       env={"WEFT_BACKEND": "epoll"}, server=server)]
    columns += [System("weft/transport", [program], benches=SERVED, tail=["transport"],
                       env={"WEFT_BACKEND": "epoll"}, server=server)]
    return columns + [System("weft/small", [program], benches=("yield_ring", "sleepers"),
                             tail=["small"], without=("WEFT_BACKEND",))]


def python(name, _out):
    """asyncio, or uvloop in its place."""
    module, package = ("uvloop", "python3-uvloop") if name == "uvloop" else ("asyncio", "python3")
    version = output_of([PYTHON, "-c", f"import sys, {module}; print('Python', *sys.version.split("
                         f")[:1], getattr({module}, '__version__', ''))"])
    if not version:
        raise Absent(package)
    program = os.path.join(HERE, "peers", "python", "bench.py")
    return System(name, [PYTHON, program, name], version.replace(" 0.", ", uvloop 0."),
                  benches=ALL_BENCHES + SERVED, env={"PYTHONDONTWRITEBYTECODE": "1"})


PEERS = {name: native.system for name, native in NATIVE.items()}
PEERS |= {"go": go, "tokio": tokio, "asyncio": python, "uvloop": python}
NAMES = (["weft"] + [f"weft/{engine}" for engine in ENGINES] +
         ["weft/raw", "weft/transport", "weft/small"] + list(PEERS))


def build_load(out):
    """The program that keeps servers busy. Who has no compiler has nothing of the rest either."""
    program = os.path.join(out, "load")
    if shutil.which("gcc"):
        build(["gcc", "-O2", "-o", program, os.path.join(HERE, "load", "load.c")], out)
    return program


def find(wanted, path, out, say):
    """All wanted systems that can be run here, in the table's order, and whether one failed."""
    found, absent, failed = [], [], False
    System.load = build_load(out)
    try:
        found += weft(path) if any(name.startswith("weft") for name in wanted) else []
    except Absent as reason:
        say(f"weft: {reason}")
        failed = True
    for name in (name for name in PEERS if name in wanted):
        try:
            found.append(PEERS[name](name, out))
        except Absent as package:
            absent.append(f"{name} ({package})")
        except RuntimeError as error:
            say(f"{name}: does not build\n{error}")
            failed = True
    if absent:
        say(f"absent, and left out: {', '.join(absent)}; make bench-setup installs them")
    return [system for system in found if system.name in wanted], failed
