# SPDX-License-Identifier: MIT
"""What was measured: every sample by figure and system, their medians, the tables, the files.

A figure is named bench/param/metric, without the parts that say nothing. Its value is the median
of the rounds, beside it stand the lowest and the highest; rounds in which other processes took a
good part of the machine are left out where enough quieter ones exist. What was not measured in
this run is nowhere.
"""
import os
import statistics

# metric on a result line -> last part of the figure's name, unit
METRICS = {
    "round_trip": ("", "ns"),
    "per_task": ("", "ns"),
    "per_yield": ("", "ns"),
    "per_message": ("", "ns"),
    "per_callback": ("", "ns"),
    "arm": ("arm", "ns"),
    "cancel": ("cancel", "ns"),
    "resident": ("resident", "B/task"),
    "page_tables": ("page_tables", "B/task"),
    "start": ("start", "ms"),
    "wake": ("wake", "ms"),
    "start_cpu": ("start_cpu", "ns/task"),
    "wake_cpu": ("wake_cpu", "ns/task"),
    "stopped_at": ("stopped_at", "tasks"),
    "server_cpu": ("server_cpu", "ns"),
    "per_request": ("per_request", "ns"),
    "p99": ("p99", "us"),
    "per_connection": ("per_connection", "B"),
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

    def base(self, figure):
        """weft's median, to which the others are compared; of engines the default one counts."""
        ours = self.median(figure, "weft")
        return self.median(figure, "weft/epoll") if ours is None else ours

    def ratio(self, figure, system):
        """The system's median by weft's: above 1 weft is better."""
        ours, theirs = self.base(figure), self.median(figure, system)
        if system in ("weft", "weft/epoll") or not ours or not theirs:
            return ""
        return "" if self.units[figure] == "tasks" else f"{short(theirs / ours)}x"

    def span(self, figure, system):
        """Lowest and highest value of the rounds that count."""
        values = self.chosen(figure, system)
        return f"{short(min(values))} .. {short(max(values))}" if len(values) > 1 else ""

    def systems_of(self, figure, systems):
        """Those of the systems that have the figure."""
        return [name for name in systems if (figure, name) in self.samples]

    def table(self, systems):
        """The printed tables: one block for each figure, a line for each system that has it."""
        lines = []
        for figure, unit in self.units.items():
            head = f"{figure}, {unit}"
            lines.append(f"{head:<34}{'median':>10}  {'lowest .. highest':>22}  {'by weft':>9}")
            for system in self.systems_of(figure, systems):
                value = short(self.median(figure, system))
                lines.append((f"  {system:<32}{value:>10}  {self.span(figure, system):>22}"
                              f"  {self.ratio(figure, system):>9}").rstrip())
            lines.append("")
        return "\n".join(lines)

    def markdown(self, figures, systems):
        """A Markdown table of some figures: a row for each system, a column for each figure."""
        figures = [figure for figure in figures if figure in self.units]
        rows = [["system"] + [f"`{figure}` {self.units[figure]}" for figure in figures],
                ["---"] + ["---:"] * len(figures)]
        for system in systems:
            cells = [self.markdown_cell(figure, system) for figure in figures]
            if any(cells):
                rows.append([system] + cells)
        return "".join("| " + " | ".join(row) + " |\n" for row in rows)

    def markdown_cell(self, figure, system):
        """Median, range, ratio; nothing where the system does not have the figure."""
        if (figure, system) not in self.samples:
            return ""
        span = self.span(figure, system).replace(" .. ", "–")
        ratio = self.ratio(figure, system)
        return short(self.median(figure, system)) + (f" ({span})" if span else "") + (
            f" **{ratio}**" if ratio else "")

    def write(self, folder):
        """Writes results.tsv, the medians, and samples.tsv, the value of each round."""
        medians = [(figure, system, f"{self.median(figure, system):.4g}", self.units[figure])
                   for figure, system in self.samples]
        write_rows(os.path.join(folder, "results.tsv"), ("bench", "system", "value", "unit"),
                   medians)
        rounds = [(figure, system, f"{value:.6g}", f"{foreign:.0f}")
                  for (figure, system), samples in self.samples.items()
                  for value, foreign in samples]
        write_rows(os.path.join(folder, "samples.tsv"),
                   ("bench", "system", "value", "percent_others"), rounds)


def write_rows(path, names, rows):
    """Writes a file of columns; nobody reads half of it."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        for row in [names] + rows:
            file.write("\t".join(row) + "\n")
    os.replace(path + ".new", path)
