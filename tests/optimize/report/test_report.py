"""The report: whole, in two languages, safe, and readable without a network."""

import io
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from pumice.cli.optimize.live import live_race
from pumice.cli.optimize.table import frontier_table, race_table, reasons
from pumice.domain.errors import BadArtefact, StorageFailed
from pumice.domain.evidence.recheck import recheck
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.progress import ContenderView, RaceView
from pumice.optimize.report import read_report, write_report
from pumice.optimize.report.figures import points, ratio_interval, size, standing
from pumice.optimize.report.page import render
from pumice.optimize.report.texts import texts
from tests.optimize.report.reports import report

VOID = {"meta", "link", "br", "input", "img", "hr"}


class Page(HTMLParser):
    """Reads a page: its tags must close, and nothing may be loaded."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {"en": [], "zh": []}
        self._languages: list[str | None] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not given.keys() & {"src", "data", "srcset", "action"}, f"<{tag}> loads something"
        self.ids.add(given.get("id") or "")
        if tag == "a":
            self.links.add((given["href"] or "")[1:])
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self.open.append(tag)
            self._languages.append(given.get("lang") if tag in {"span", "text"} else None)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._languages.pop()

    def handle_data(self, data: str) -> None:
        language = next((one for one in reversed(self._languages) if one), None)
        for known in self.text:
            if language in {known, None} and data.strip():
                self.text[known].append(data.strip())


@pytest.mark.parametrize("labelled", [True, False])
def test_the_page_is_whole_in_both_languages(labelled: bool) -> None:
    page = render(report(labelled=labelled))
    assert not re.search(r"https?://|@import|url\(", page.replace("http://www.w3.org/2000/svg", ""))
    read = Page(page)
    english, chinese = (" ".join(read.text[language]) for language in ("en", "zh"))
    assert "1 of 5 variants may stand in for the original" in english
    assert "5 个变体中有 1 个可以替代原模型" in chinese
    assert "Both give the same label." in english
    assert "两者给出相同的标签。" in chinese
    assert not re.search("[一-鿿]", english.replace("中文", "").replace("<long & 长>", ""))
    assert read.links <= read.ids
    assert page.count('class="frontier"') == 2
    assert ("disagreement, points" in english) is not labelled


def test_names_of_others_are_text_and_nothing_more() -> None:
    assert "<script>alert" not in render(report(name="<script>alert(1)</script>"))
    assert "&lt;long &amp; 长&gt;" in render(report())


def test_every_sentence_is_used() -> None:
    folder = resources.files("pumice.optimize.report")
    code = "".join(folder.joinpath(name).read_text("utf-8") for name in ("page.html", "page.py", "frontier.py"))
    composed = {"standing", "objective", "best", "axis", *("calibration", "search", "certification")}
    for key, lines in texts().items():
        assert set(lines) == {"en", "zh"}, key
        assert f'"{key}' in code or key in composed or key.split("-")[0] in composed, f"{key} is used nowhere"
        fields = [set(re.findall(r"\{(\w+)\}", line)) for line in lines.values()]
        assert fields[0] == fields[1], key


def test_a_report_comes_back_and_its_evidence_holds(tmp_path: Path) -> None:
    written = report()
    files = write_report(written, tmp_path / "new")
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["report.html", "report.json"]
    read = read_report(files[0])
    assert msgspec.json.encode(read) == msgspec.json.encode(written)
    for variant in read.variants:
        for record in variant.quality.evidence if variant.quality else []:
            assert recheck(record).verdict is variant.verdict
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed):
        write_report(written, tmp_path / "file")
    with pytest.raises(BadArtefact, match=r"report\.json"):
        read_report(files[1])


def test_the_tables_of_the_terminal() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    found = report()
    assert [standing(one) for one in found.variants] == ["offered", "passed", "passed", "failed", "unbuilt"]
    console.print(frontier_table(found), *reasons(found))
    view = RaceView(
        "racing",
        512,
        3000,
        [ContenderView("int8", "racing", Verdict.NOT_YET, 512, (-0.01, 0.03), (0.5, 0.4, 0.6), 0.25)],
    )
    console.print(race_table(view))
    told = console.export_text()
    for part in (
        "1 of 5 variants offered",
        "−0.38…+0.54",
        "no gain",
        "no bfloat16",
        "512 of 3,000",
        "0.50 [0.40…0.60]",
    ):
        assert part in told, part


def test_a_race_tells_a_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with live_race() as watch:
        for done in range(0, 3000, 100):
            watch(
                RaceView("building", 0, 0, [ContenderView("a")]) if done < 500 else RaceView("racing", done, 3000, [])
            )
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_figures() -> None:
    assert [points(value) for value in (0.0042, -0.001, 0.0, -0.00001)] == ["+0.42", "−0.10", "0.00", "0.00"]
    assert [size(count) for count in (999, 1000, 938_000, 9_400_000, 2 * 10**12)] == [
        "999 B", "1 kB", "938 kB", "9.4 MB", "2e+03 GB",
    ]  # fmt: skip
    assert ratio_interval((float("-inf"), float("inf"))) == "0.00 … ∞"
