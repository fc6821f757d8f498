from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from hawklet_benchmarks.compare import Named, compare
from hawklet_benchmarks.report import render, write_report
from hawklet_benchmarks.result import Executed, Result
from made_results import made_result


def page(*results: Result, names: str = "ABC", anyway: bool = False) -> str:
    named = [Named(name, result) for name, result in zip(names, results, strict=False)]
    return render(compare(named, anyway=anyway))


@pytest.fixture(scope="module")
def html() -> str:
    other = made_result(8.0, seed=2)
    return page(made_result(20.0, seed=1), replace(other, model=replace(other.model, accuracy=97.0, sha256="d" * 64)))


def test_the_report_says_who_is_faster_first(html: str) -> None:
    assert re.search(r"B is 2\.\d\dx faster than A at p50", html)
    assert html.index("faster than") < html.index("<table")


def test_the_report_refers_to_nothing_outside_itself(html: str) -> None:
    assert not re.search(r"(?:src|href|url|@import)\s*[=(]", html)
    assert "http" not in html
    assert "<script" not in html


def test_the_report_is_small(html: str) -> None:
    assert len(html) < 300_000


def test_every_plot_is_well_formed(html: str) -> None:
    plots = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(plots) == 7
    for plot in plots:
        ElementTree.fromstring(plot)  # noqa: S314 -- our own output
        assert "nan" not in plot and "inf" not in plot.replace("infer", "")


def test_accuracy_size_and_time_stand_together(html: str) -> None:
    assert "98.50 %" in html and "97.00 %" in html
    assert "2.50 MB" in html


def test_without_accuracies_there_is_no_map_of_them() -> None:
    results = [made_result(ms, seed=int(ms)) for ms in (10.0, 5.0)]
    bare = [replace(r, model=replace(r.model, accuracy=None, variant=None)) for r in results]
    assert "disc" not in page(*bare).split("</style>")[1]


def test_conditions_that_differ_are_marked() -> None:
    other = made_result(5.0, engine=Executed("onnxruntime 1.32.0", "CPUExecutionProvider", 4))
    html = page(made_result(), other)
    row = re.search(r'<tr class="differs ?"><td>runtime</td>.*?</tr>', html, flags=re.DOTALL)
    assert row and "onnxruntime 1.32.0" in row.group()
    assert re.search(r'<tr class=" ?"><td>threads</td>', html)


def test_an_unfair_comparison_says_so_on_the_page() -> None:
    other = made_result(5.0, engine=Executed("ai-edge-litert 2.3.0", "XNNPACK (CPU)", 1))
    assert "Unfair, compared anyway" in page(made_result(), other, anyway=True)


def test_warnings_stand_under_the_verdict() -> None:
    assert "mind the &lt;gap&gt;" in page(made_result(), made_result(5.0, warnings=("mind the <gap>",)))


def test_names_from_files_cannot_inject_markup() -> None:
    named = [Named("<script>alert(1)</script>", made_result()), Named('"><b>', made_result(5.0, seed=3))]
    html = render(compare(named))
    assert "<script" not in html and '"><b>' not in html


@pytest.mark.parametrize("infer_ms", [0.0001, 10.0, 50_000.0])
def test_results_of_one_process_without_any_scatter_can_be_drawn(infer_ms: float) -> None:
    made = made_result(infer_ms, noise=0.0)
    single = replace(made, runs=made.runs[:1])
    assert "<svg" in page(single, single)


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    named = [Named("A", made_result()), Named("B", made_result(5.0)), Named("C", made_result(7.0))]
    write_report(compare(named), tmp_path / "sub" / "report.html")
    assert (tmp_path / "sub" / "report.html").read_text().rstrip().endswith("</html>")
