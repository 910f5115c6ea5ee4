"""The page of a run: what it shows, what it keeps in memory, and that no name can script it."""

import html.parser
import re

import numpy as np
import pytest

from lensfinder.errors import STATUS
from lensfinder.find import find
from lensfinder.model import model
from lensfinder.report import page as pages
from lensfinder.report.page import REMEDIES, Page
from tests import tiny

HOSTILE = [
    "<script>document.title='x'</script>",
    "</style><script>1</script>",
    "</title><script>1</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "javascript:alert(1)",
    "<a href='javascript:alert(1)'>x</a>",
    "<img src='http://evil.example/x.png'>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example>",
    "<form action=//evil.example><input type=submit>",
    "<math><mtext></mtext><script>1</script></math>",
    "<style>*{display:none}</style>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "--><script>1</script><!--",
    "]]><script>1</script>",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${7*7}",
    "&lt;script&gt;1&lt;/script&gt;",
    "&#60;script&#62;1",
    "\u202egnp.exe",
    "\x00<script>1</script>",
    "=cmd|' /C calc'!A0",
    "<ScRiPt>1</sCrIpT>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>1</x:script>",
]


class Reader(html.parser.HTMLParser):
    """Elements, attributes and text of a page, as a browser would take them apart."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)
        self.text = "".join(self.words)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    return tiny.save(folder, "finder"), tiny.save(folder, "modeller")


def _page(path, presets, cutouts, **options):
    finder, modeller = presets
    find(cutouts, preset=finder, model=modeller, report=path, threshold=0.0, **options)
    return path.read_text("utf-8")


def test_the_page_is_one_file_without_scripts(tmp_path, presets):
    text = _page(tmp_path / "r.html", presets, tiny.cutouts(4))
    read = Reader(text)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(read.tags)
    for tag, name, value in read.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith("data:image/png;base64,"), (tag, name, value[:60])
        assert name != "style", "the policy allows the one style sheet only"
    policy = [v for tag, name, v in read.attributes if name == "content" and "default-src" in v]
    assert policy[0].startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "http://" not in text
    assert "https://" not in text


def test_hostile_names_stay_text(tmp_path, presets):
    assert len(HOSTILE) == 30
    plain = Reader(_page(tmp_path / "plain.html", presets, tiny.cutouts(30)))
    cutouts = tiny.cutouts(30)
    for cutout, name in zip(cutouts, HOSTILE, strict=True):
        cutout.id = name
    read = Reader(_page(tmp_path / "r.html", presets, cutouts))
    assert read.tags == plain.tags, "no name may add or remove an element"
    attributes = [item[:2] for item in read.attributes]
    assert attributes == [item[:2] for item in plain.attributes]
    for name in HOSTILE:
        assert pages.plain(name) in read.text
    assert "\u202e" not in read.text
    assert "\x00" not in read.text


def test_hostile_names_of_bad_rows_stay_text(tmp_path, presets):
    sane = tiny.cutouts(30, message="no", status=STATUS["unreadable"])
    plain = Reader(_page(tmp_path / "plain.html", presets, sane))
    cutouts = tiny.cutouts(30, status=STATUS["unreadable"])
    for cutout, name in zip(cutouts, HOSTILE, strict=True):
        cutout.id, cutout.message = name, f"cannot read {name}"
    read = Reader(_page(tmp_path / "r.html", presets, cutouts))
    assert read.tags == plain.tags
    assert all(pages.plain(name) in read.text for name in HOSTILE)


def test_hostile_names_are_seen_without_escaping(tmp_path, presets, monkeypatch):
    """The control: with autoescape off, the tests above fail."""
    environment = pages.environment()
    monkeypatch.setattr(environment, "autoescape", False)
    environment.cache.clear()
    cutouts = tiny.cutouts(2)
    cutouts[0].id = HOSTILE[0]
    text = _page(tmp_path / "r.html", presets, cutouts)
    environment.cache.clear()
    assert "script" in Reader(text).tags


def test_counts_and_problems_are_shown(tmp_path, presets):
    cutouts = tiny.cutouts(8)
    cutouts[1].bands["VIS"][0, 0] = np.nan
    cutouts[2].bands.clear()
    text = Reader(_page(tmp_path / "r.html", presets, cutouts)).text
    words = " ".join(text.split())
    assert "8images" in text.replace("\n", "")
    for expected in ("nan_pixels", "missing_band", REMEDIES["missing_band"], "object-2"):
        assert expected in words
    assert "ROC AUC0.5000" in words


def test_every_status_has_a_remedy():
    assert set(REMEDIES) == set(STATUS.as_dict())
    assert all(len(words) > 20 for words in REMEDIES.values())


def test_the_page_keeps_the_best_only(tmp_path, presets):
    finder, _ = presets
    page = Page(tmp_path / "r.html", gallery=5, details=2)
    table = find(tiny.cutouts(40), preset=finder, watch=[page], batch_size=8, threshold=0.0)
    read = Reader((tmp_path / "r.html").read_text("utf-8"))
    best = table[np.argsort(table["rank"])][:5]
    assert read.tags.count("figure") == 5
    assert read.tags.count("article") == 2
    order = [value for tag, name, value in read.attributes if (tag, name) == ("span", "title")]
    assert order == list(best["id"])


def test_below_the_threshold_is_said(tmp_path, presets):
    finder, _ = presets
    find(tiny.cutouts(4), preset=finder, report=tmp_path / "r.html", threshold=1.0)
    read = Reader((tmp_path / "r.html").read_text("utf-8"))
    assert "Below the threshold" in read.text
    assert "article" not in read.tags


def test_mocks_are_marked_and_counted(tmp_path, presets):
    cutouts = tiny.cutouts(6)
    truth = {"theta_E": 1.234, "q": 0.7, "phi": 0.3}
    for cutout in cutouts[:3]:
        cutout.meta = {"kind": "mock-lens", "truth": truth}
    cutouts[3].meta = {"kind": "mock-nonlens"}
    text = _page(tmp_path / "r.html", presets, cutouts)
    words = " ".join(Reader(text).text.split())
    assert "This set holds 4 mock images" in words
    assert "3 of 3 mock lenses are found, and 1 of 1 mock non-lenses" in words
    assert "Not mocks: 2, of which 2" in words
    assert "1.234″" in words
    assert "not a lens" in words
    assert text.count('class="trueline"') == 3
    assert text.count('class="fitline"') == 6
    text = _page(tmp_path / "real.html", presets, tiny.cutouts(2))
    assert "mock image" not in text
    assert "trueline" not in text.split("</style>")[1]


def test_a_modelling_page_shows_rows_in_order(tmp_path, presets):
    _, modeller = presets
    model(tiny.cutouts(5), preset=modeller, report=tmp_path / "r.html")
    read = Reader((tmp_path / "r.html").read_text("utf-8"))
    order = [value for tag, name, value in read.attributes if (tag, name) == ("span", "title")]
    assert order == [f"object-{i}" for i in range(5)]
    assert "p_lens" not in re.sub(r"\s", "", read.text)
    assert "Lens models" in read.text


def test_two_resolutions_and_colour(tmp_path):
    terms = {"groups": ("vis", "nisp")}
    finder = tiny.save(tmp_path, "finder", **terms)
    agreed = tiny.contract(**terms)
    find(tiny.cutouts(3, agreed), preset=finder, report=tmp_path / "r.html", threshold=0.0)
    text = (tmp_path / "r.html").read_text("utf-8")
    assert Reader(text).tags.count("svg") == 3 * (2 + 2 + 2) + 1  # mosaic, two columns, histogram
    assert "H J Y as RGB" in text


def test_no_object_and_no_preprocessing_are_no_error(tmp_path):
    finder = tiny.save(tmp_path, "finder", stretch="none", metrics={})
    find(iter(()), preset=finder, report=tmp_path / "empty.html")
    assert "0" in Reader((tmp_path / "empty.html").read_text("utf-8")).text
    find(tiny.cutouts(2), preset=finder, report=tmp_path / "raw.html")
    words = (tmp_path / "raw.html").read_text("utf-8")
    assert "no preprocessing layer, raw" in words
    assert "brings no measured figures" in words
