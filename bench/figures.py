# SPDX-License-Identifier: MIT
"""What was measured: every sample by figure and system, their medians, the table, the file.

A figure is named bench/param/metric, without the parts that say nothing. Its value is the median
of the runs; runs in which other processes took a good part of the machine are left out where
enough quieter ones exist. What was not measured in this run is nowhere.
"""
import os
import statistics

# metric on a result line -> last part of the figure's name, unit
METRICS = {
    "round_trip": ("", "ns"),
    "per_task": ("", "ns"),
    "per_yield": ("", "ns"),
    "per_message": ("", "ns"),
    "arm": ("arm", "ns"),
    "cancel": ("cancel", "ns"),
    "resident": ("resident", "B/task"),
    "page_tables": ("page_tables", "B/task"),
    "start": ("start", "ms"),
    "wake": ("wake", "ms"),
    "start_cpu": ("start_cpu", "ns/task"),
    "wake_cpu": ("wake_cpu", "ns/task"),
    "stopped_at": ("stopped_at", "tasks"),
}
NOISY_PERCENT = 15.0
ENOUGH_RUNS = 3


def short(value):
    """Three significant digits, which is more than the noise allows."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


class Figures:
    """The samples of one run of the benches."""

    def __init__(self):
        self.samples = {}  # (figure, system) -> [(value, percent of the machine others used)]
        self.units = {}    # figure -> unit, in the order of measuring

    def add(self, system, line, foreign):
        """Takes one result line of a program; False where it is none."""
        parts = line.split("\t")
        if len(parts) != 5 or parts[0] != "R" or parts[3] not in METRICS:
            return False
        suffix, unit = METRICS[parts[3]]
        figure = "/".join(part for part in (parts[1], parts[2], suffix) if part)
        self.units.setdefault(figure, unit)
        self.samples.setdefault((figure, system), []).append((float(parts[4]), foreign))
        return True

    def chosen(self, figure, system):
        """The values that count: the quiet runs where there are enough of them, else all."""
        samples = self.samples.get((figure, system), [])
        quiet = [value for value, foreign in samples if foreign <= NOISY_PERCENT]
        return quiet if len(quiet) >= ENOUGH_RUNS else [value for value, _ in samples]

    def median(self, figure, system):
        """The figure's value, or None where it was not measured."""
        values = self.chosen(figure, system)
        return statistics.median(values) if values else None

    def cell(self, figure, system):
        """Median and half the range, as a part of the median, of the runs that count."""
        values = self.chosen(figure, system)
        if not values:
            return "-"
        middle = statistics.median(values)
        if len(values) < 2 or not middle:
            return short(middle)
        return f"{short(middle)} ±{50 * (max(values) - min(values)) / abs(middle):.0f}%"

    def ratio(self, figure, peer):
        """weft's value by the peer's: below 1 weft is better. Of engines the default one counts."""
        ours = self.median(figure, "weft")
        ours = self.median(figure, "weft/epoll") if ours is None else ours
        theirs = self.median(figure, peer)
        if ours is None or not theirs or self.units[figure] == "tasks":
            return "-"
        return f"{ours / theirs:.2f}"

    def table(self, systems):
        """The printed table: a row for each figure, columns of values, then of ratios."""
        systems = [name for name in systems if any(name == key[1] for key in self.samples)]
        peers = [name for name in systems if not name.startswith("weft")]
        peers = peers if len(peers) < len(systems) else []
        rows = [["figure", "unit"] + systems + [f"weft:{peer}" for peer in peers]]
        for figure, unit in self.units.items():
            rows.append([figure, unit] + [self.cell(figure, system) for system in systems]
                        + [self.ratio(figure, peer) for peer in peers])
        return aligned(rows)

    def write(self, path):
        """Writes the file in one step, so that nobody reads half of it."""
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write("bench\tsystem\tvalue\tunit\n")
            for figure, system in self.samples:
                value = self.median(figure, system)
                file.write(f"{figure}\t{system}\t{value:.4g}\t{self.units[figure]}\n")
        os.replace(path + ".new", path)


def aligned(rows):
    """Rows of text as lines: the first two columns to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [text.ljust(width) if column < 2 else text.rjust(width)
                 for column, (text, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
