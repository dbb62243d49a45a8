"""The entries of the runs as Markdown tables, beside the published figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.papers.experiments import ABLATION, CLASSIFIERS, DETECTORS, PUBLISHED, Arm

Entry = Mapping[str, Any]
Entries = Mapping[str, Sequence[Entry]]
"""What was run, by arm: one entry a seed."""

DETECTION = (("mAP50", "mAP@0.5"), ("mAP", "mAP@0.5:0.95"), ("precision", "precision"), ("recall", "recall"))
ENGINES = {"pytorch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
TOP_K = (("top1", "top-1"), ("top3", "top-3"), ("top5", "top-5"))
BEGIN, END = "<!-- papers: {} -->", "<!-- papers: end -->"


def read_entries(folder: Path) -> dict[str, list[Entry]]:
    """The entries in a protocol's folder by arm, in the order of their seeds."""
    found: dict[str, list[Entry]] = {}
    for path in sorted(folder.glob("*-seed*.json")):
        entry = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(entry["arm"], []).append(entry)
    return {name: sorted(entries, key=lambda entry: entry["seed"]) for name, entries in found.items()}


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ablation_table(entries: Entries) -> str:
    """Figure 8 of the first paper: means over the seeds, and the gain over YOLOv4 with its interval."""
    first = ABLATION[0].name
    header = [
        "",
        *(title for _, title in DETECTION),
        "gain over YOLOv4, mAP@0.5",
        "seeds",
        "published mAP@0.5",
    ]
    rows = []
    for arm in _run(ABLATION, entries):
        gain = (
            ""
            if arm.name == first or first not in entries
            else told_gain(paired_gain(entries, first, arm.name))
        )
        told = [_mean(entries[arm.name], name) for name, _ in DETECTION]
        rows.append([arm.title, *told, gain, str(len(entries[arm.name])), _published(arm, "mAP50")])
    return markdown(header, rows)


def classes_table(entries: Entries) -> str:
    """Figure 9 of the first paper: AP at IoU 0.5 by category, means over the seeds."""
    arms = _run((ABLATION[0], ABLATION[2]), entries)
    names = entries[arms[0].name][0]["metrics"]["classes"] if arms else {}
    rows = []
    for name, row in names.items():
        values = [
            _told_mean(entry["metrics"]["classes"][name]["AP50"] for entry in entries[arm.name])
            for arm in arms
        ]
        rows.append([name, f"{row['boxes']:,}", *values])
    return markdown(["category", "boxes", *(arm.title for arm in arms)], rows)


def detectors_table(entries: Entries) -> str:
    """Figure 10 of the first paper: seed 0 of each detector."""
    header = ["", *(title for _, title in DETECTION), "hours"]
    rows = [
        [
            arm.title,
            *(_first(entries[arm.name], name) for name, _ in DETECTION),
            f"{entries[arm.name][0]['hours']:.1f}",
        ]
        for arm in _run(DETECTORS, entries)
    ]
    return markdown(header, rows)


def classifier_table(entries: Entries) -> str:
    """The second paper's comparison: top-1, top-3 and top-5."""
    header = ["", *(title for _, title in TOP_K), "hours", "published top-5"]
    rows = [
        [
            arm.title,
            *(_first(entries[arm.name], name) for name, _ in TOP_K),
            f"{entries[arm.name][0]['hours']:.1f}",
            _published(arm, "top5"),
        ]
        for arm in _run(CLASSIFIERS, entries)
    ]
    return markdown(header, rows)


def costs_table(costs: Mapping[str, Any]) -> str:
    """Parameters, multiply-adds, bytes and milliseconds of all networks, and savings over the papers' own."""
    engines = costs["engines"]
    header = ["", "parameters", "backbone", "MACs", "file", *(f"{ENGINES[name]}, ms" for name in engines)]
    rows = []
    for row in costs["networks"]:
        backbone = row["backbone_parameters"]
        rows.append(
            [
                row["title"],
                f"{row['parameters'] / 1e6:.2f} M",
                "" if backbone is None else f"{backbone / 1e6:.2f} M",
                f"{row['macs'] / 1e9:.2f} G",
                f"{row['bytes'] / 2**20:.1f} MiB",
                *(_milliseconds(row["milliseconds"].get(name)) for name in engines),
            ]
        )
    return markdown(header, rows)


def paired_gain(entries: Entries, first: str, other: str, metric: str = "mAP50") -> dict[str, float]:
    """Mean difference of two arms over the seeds that both have, and its 95 % intervals.

    ``low``, ``high``: basic bootstrap over photos, which both arms and all seeds share. ``seed_low``,
    ``seed_high``: Student's over the seeds' differences, NaN for a single seed.
    """
    ours = {entry["seed"]: entry for entry in entries[other]}
    theirs = {entry["seed"]: entry for entry in entries[first]}
    seeds = sorted(ours.keys() & theirs.keys())
    gains = np.array([ours[seed]["metrics"][metric] - theirs[seed]["metrics"][metric] for seed in seeds])
    draws = np.mean(
        [
            np.array(ours[seed]["resamples"][metric]) - np.array(theirs[seed]["resamples"][metric])
            for seed in seeds
        ],
        axis=0,
    )
    mean = float(gains.mean())
    low, high = 2 * mean - np.percentile(draws, 97.5), 2 * mean - np.percentile(draws, 2.5)
    half = np.nan
    if len(seeds) > 1:
        half = float(stats.t.ppf(0.975, len(seeds) - 1) * stats.sem(gains))
    return {
        "gain": mean,
        "low": float(low),
        "high": float(high),
        "seed_low": mean - half,
        "seed_high": mean + half,
        "seeds": len(seeds),
    }


def told_gain(gain: Mapping[str, float]) -> str:
    """A gain in words: with its interval over photos, and over seeds where there are several."""
    told = f"{gain['gain']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f}"
    over_seeds = (
        f"; over seeds {gain['seed_low']:+.3f} to {gain['seed_high']:+.3f}" if gain["seeds"] > 1 else ""
    )
    return f"{told}{over_seeds})"


def _run(arms: Sequence[Arm], entries: Entries) -> list[Arm]:
    return [arm for arm in arms if arm.name in entries]


def _mean(entries: Sequence[Entry], name: str) -> str:
    return _told_mean(entry["metrics"][name] for entry in entries)


def _told_mean(values: Iterable[float | None]) -> str:
    """A mean in three digits; a dash where nothing was measured."""
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3f}" if known else "–"


def _first(entries: Sequence[Entry], name: str) -> str:
    """The first seed's metric with its interval over photos, where the entry has one."""
    metrics = entries[0]["metrics"]
    interval = metrics["intervals"].get(name)
    told = f"{metrics[name]:.3f}"
    return f"{told} ({interval[0]:.3f} to {interval[1]:.3f})" if interval else told


def _published(arm: Arm, metric: str) -> str:
    value = PUBLISHED.get(arm.name, {}).get(metric)
    return "" if value is None else f"{100 * value:.2f} %" if metric == "top5" else f"{100 * value:.1f} %"


def _milliseconds(row: Mapping[str, float] | None) -> str:
    return "" if row is None else f"{row['median_ms']:.0f}"


TABLES = {
    "ablation": ablation_table,
    "classes": classes_table,
    "detectors": detectors_table,
    "classifier": classifier_table,
}


def all_tables(results: Path, protocol: str) -> dict[str, str]:
    """Every table that has an entry, by its experiment."""
    entries = read_entries(results / protocol)
    arms = {
        "ablation": ABLATION,
        "classes": (ABLATION[0], ABLATION[2]),
        "detectors": DETECTORS,
        "classifier": CLASSIFIERS,
    }
    found = {name: TABLES[name](entries) for name, wanted in arms.items() if _run(wanted, entries)}
    costs = results / "costs.json"
    if costs.is_file():
        found["costs"] = costs_table(json.loads(costs.read_text(encoding="utf-8")))
    return found


def fill_in(text: str, tables: Mapping[str, str]) -> str:
    """A document with each table between its marks, ``<!-- papers: NAME -->`` and ``<!-- papers: end -->``.

    Raises ValueError for a mark without an end.
    """
    for name, table in tables.items():
        begin = BEGIN.format(name)
        if begin not in text:
            continue
        head, _, tail = text.partition(begin)
        _, end, rest = tail.partition(END)
        if not end:
            raise ValueError(f"expected {END} after {begin}, found none")
        text = f"{head}{begin}\n{table}\n{END}{rest}"
    return text
