#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs weft's benches beside those of its peers and prints a table.

    bench/run.py [--bin build/release/bench] [--out build/bench] [--only switch,sleepers/10000]
                 [--systems weft,go] [--rounds 5] [--quick]

Each program runs alone, pinned to one processor, and the systems take turns (A B C, B C A), so
that a machine that grows slower or noisier does so for all. OUT/results.tsv gets the medians of
this run and nothing else, OUT/samples.tsv every round, OUT/results.md the tables of
docs/benchmarks.md. That page tells how to read them.
"""
import argparse
import os
import platform
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the sources may lie where nothing can be written

import figures  # noqa: E402
import systems  # noqa: E402

# name of the run -> arguments of the program, most rounds that are worth their time
RUNS = {
    "switch": (["switch"], 99),
    "spawn_join": (["spawn_join"], 99),
    "yield_ring/1000": (["yield_ring", "1000"], 99),
    "yield_ring/100000": (["yield_ring", "100000"], 99),
    "queue": (["queue"], 99),
    "socket": (["socket"], 99),
    "callbacks": (["callbacks"], 99),
    "timers": (["timers"], 99),
    "tcp_echo/1/64": (["tcp_echo", "1", "64"], 99),
    "tcp_echo/50/64": (["tcp_echo", "50", "64"], 99),
    "tcp_echo/1000/64": (["tcp_echo", "1000", "64"], 99),
    "tcp_echo/1/16384": (["tcp_echo", "1", "16384"], 99),
    "tcp_echo/50/16384": (["tcp_echo", "50", "16384"], 99),
    "tcp_echo/1000/16384": (["tcp_echo", "1000", "16384"], 99),
    "udp_echo/50/64": (["udp_echo", "50", "64"], 99),
    "idle/1000": (["idle", "1000"], 3),
    "sleepers/10000": (["sleepers", "10000", "1"], 99),
    "sleepers/100000": (["sleepers", "100000", "4"], 3),
    "sleepers/1000000": (["sleepers", "1000000", "30"], 2),
}
LONG = ("sleepers/100000", "sleepers/1000000")
PATIENCE_SECONDS = 180
QUIET_WAIT_SECONDS = 1.0
# The tables of results.md: a heading, and the figures that are its columns.
TABLES = {
    "Tasks": ("switch", "spawn_join/seq", "spawn_join/batch1000", "yield_ring/1000",
              "yield_ring/100000"),
    "Queue and socket": ("queue/pingpong", "socket/pingpong"),
    "Echo of 64 bytes over TCP": tuple(f"tcp_echo/{count}/64/{metric}" for count in (1, 50, 1000)
                                       for metric in ("server_cpu", "p99")),
    "Echo of 16 KiB over TCP": tuple(f"tcp_echo/{count}/16384/{metric}" for count in (1, 50, 1000)
                                     for metric in ("server_cpu", "p99")),
    "Echo over UDP, and idle connections": ("udp_echo/50/64/server_cpu", "udp_echo/50/64/p99",
                                            "idle/1000/per_connection"),
    "Callbacks and timers": ("callbacks/soon", "callbacks/thread", "timers/arm", "timers/cancel"),
}
TABLES |= {f"{int(crowd):,} sleepers": tuple(f"sleepers/{crowd}/{metric}" for metric in (
    "resident", "page_tables", "start_cpu", "wake_cpu", "stopped_at"))
    for crowd in ("10000", "100000", "1000000")}
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def machine_ticks():
    """Clock ticks that all processors spent busy, and all that passed."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def await_quiet():
    """Waits a little for other processes to pause; on a busy machine it gives up."""
    begun = time.monotonic()
    while time.monotonic() - begun < QUIET_WAIT_SECONDS:
        busy, total = machine_ticks()
        time.sleep(0.1)
        busy_now, total_now = machine_ticks()
        if busy_now - busy <= 0.12 * (total_now - total):
            return


class Foreign:
    """Measures what processes other than ours used meanwhile, in percent of the machine."""

    def __init__(self):
        self.busy, self.total = machine_ticks()
        self.own = self.own_ticks()

    @staticmethod
    def own_ticks():
        """Ticks that this process and its ended children used."""
        return sum(os.times()[:4]) * os.sysconf("SC_CLK_TCK")

    def percent(self):
        """The share since this object was made."""
        busy, total = machine_ticks()
        others = busy - self.busy - (self.own_ticks() - self.own)
        return max(0.0, 100.0 * others / max(1, total - self.total))


def prepare():
    """In the child: its own process group, one processor, the first to go when memory ends."""
    os.setsid()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass


def run_once(system, arguments):
    """One run of a program: its lines, the share of others; raises RuntimeError where it fails."""
    await_quiet()
    foreign = Foreign()
    command = system.command_for(arguments)
    with subprocess.Popen(command, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, preexec_fn=prepare) as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE_SECONDS)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise RuntimeError(f"not done after {PATIENCE_SECONDS} s") from error
            raise
    if process.returncode:
        raise RuntimeError(f"status {process.returncode} {(output + errors).strip()[-300:]}")
    return output.splitlines(), foreign.percent()


class Bench:
    """The whole run: which programs, how often, and what came out."""

    def __init__(self, programs, rounds):
        self.programs = programs
        self.rounds = rounds
        self.figures = figures.Figures()
        self.notes = []
        self.broken = set()  # (run, system) that failed: not tried again

    def note(self, text):
        """Says a thing once, however many runs say it."""
        if text not in self.notes:
            self.notes.append(text)
            print(text, flush=True)

    def turn(self, run, system):
        """One system's turn in one run."""
        try:
            lines, foreign = run_once(system, RUNS[run][0])
        except RuntimeError as error:
            self.broken.add((run, system.name))
            self.note(f"{system.name} {run}: FAILED: {error}")
            return
        for line in lines:
            if line.startswith("#"):
                self.note(f"{system.name}: {line[1:].strip()}")
            else:
                self.figures.add(system.name, line, foreign)

    def runs(self, names):
        """All runs, the systems in turn within each round.

        Each round begins with another system: who comes after a crowd finds memory that the
        machine has at hand, and must not be the same one each time.
        """
        for run in names:
            begun = time.monotonic()
            able = [system for system in self.programs if RUNS[run][0][0] in system.benches]
            for turn in range(min(self.rounds, RUNS[run][1])):
                for place in range(len(able)):
                    system = able[(turn + place) % len(able)]
                    if (run, system.name) not in self.broken:
                        self.turn(run, system)
            print(f"{run}: {time.monotonic() - begun:.0f} s", flush=True)


def parsed():
    """The command line."""
    parser = argparse.ArgumentParser(description="Runs the benches of weft and its peers.")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build/release/bench"),
                        help="weft's bench program, or the folder that holds it as `core`")
    parser.add_argument("--out", default=os.path.join(ROOT, "build/bench"),
                        help="folder for results.tsv and peers")
    parser.add_argument("--only", default="", help="benches or single runs, with commas (all)")
    parser.add_argument("--systems", default=",".join(systems.NAMES),
                        help="columns of the table (all)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each system (5)")
    parser.add_argument("--quick", action="store_true",
                        help="one round, without the two larger crowds of sleepers")
    return parser.parse_args()


def names_it(word, run):
    """Whether a word of --only means this run: its whole name, or the bench before the slash."""
    return word in (run, run.split("/", maxsplit=1)[0])


def chosen_runs(options):
    """Names of the runs to do; an unknown one ends the program."""
    wanted = [word for word in options.only.split(",") if word]
    for word in wanted:
        if not any(names_it(word, run) for run in RUNS):
            sys.exit(f"no such bench: {word} (there are: {', '.join(RUNS)})")
    if wanted:
        return [run for run in RUNS if any(names_it(word, run) for word in wanted)]
    return [run for run in RUNS if not (options.quick and run in LONG)]


def processor():
    """The class of the processor, as it calls itself."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.machine()


def write_markdown(path, bench):
    """The tables of docs/benchmarks.md, with what they were measured on."""
    names = [system.name for system in bench.programs]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} on Linux "
                   f"{platform.release().split('-')[0]}, {processor()}, rounds: {bench.rounds} "
                   "(fewer for crowds).\n\n")
        versions = [f"{system.name} {system.version}" for system in bench.programs
                    if system.version]
        file.write("Versions: " + "; ".join(versions) + ".\n")
        for heading, row in TABLES.items():
            if any(figure in bench.figures.units for figure in row):
                file.write(f"\n### {heading}\n\n{bench.figures.markdown(row, names)}")


def prepared(options):
    """The folder for results, emptied of those of an earlier run."""
    out = os.path.abspath(options.out)
    os.makedirs(out, exist_ok=True)
    for name in ("results.tsv", "samples.tsv", "results.md"):
        if os.path.exists(os.path.join(out, name)):
            os.remove(os.path.join(out, name))
    return out


def main():
    """Builds, runs, prints, writes; exits 1 where anything that is installed failed."""
    options = parsed()
    names = chosen_runs(options)
    out = prepared(options)
    programs, failed = systems.find(options.systems.split(","), options.bin, out, print)
    for system in programs:
        if system.version:
            print(f"{system.name}: {system.version}")
    bench = Bench(programs, 1 if options.quick else options.rounds)
    try:
        bench.runs(names)
    except KeyboardInterrupt:
        print("interrupted: the tables have what was measured until now")
        failed = True
    print("\n" + bench.figures.table([system.name for system in programs]))
    bench.figures.write(out)
    write_markdown(os.path.join(out, "results.md"), bench)
    print(f"medians of {bench.rounds} interleaved rounds (fewer for crowds); above 1x weft is"
          f" better;\nwhere ranges overlap, systems are equal: noise on a busy machine is 10 % and"
          f" more\nwritten to {out}: results.tsv, samples.tsv, results.md")
    return 1 if failed or bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
