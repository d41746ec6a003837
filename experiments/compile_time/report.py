"""Prints the tables of the README from results.csv."""

import csv
import statistics
from pathlib import Path

NUM_FIRST = 10


def main() -> None:
    with Path(__file__).with_name("results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ways = list(dict.fromkeys(row["way"] for row in rows))
    by_way = {way: [row for row in rows if row["way"] == way] for way in ways}
    print("| way | prepare, first ten (CPU s each) | prepare, later | programs, first ten | programs, later |")
    print("|---|---|---|---|---|")
    for way, own in by_way.items():
        cells = [
            f"{statistics.mean(float(row[name]) for row in part):.2f}"
            for name in ("prepare_s", "programs")
            for part in (own[:NUM_FIRST], own[NUM_FIRST:])
        ]
        print(f"| {way} | {' | '.join(cells)} |")
    for way in ways[1:]:
        ratios = [float(a["epoch_s"]) / float(b["epoch_s"]) for a, b in zip(by_way[way], by_way[ways[0]], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"an epoch, {way} to {ways[0]}: {middle:.2f} (quartiles {low:.2f} and {high:.2f})")


if __name__ == "__main__":
    main()
