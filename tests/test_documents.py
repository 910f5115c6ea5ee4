"""What a reader may copy from a document is run here, in the order it stands there.

Fenced blocks marked ``sh`` and ``python`` are run, one document in one folder. ``sh slow`` and
``python slow`` are run by `make test-all` only. Any other mark is shown, not run.
"""

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lensfinder import cli

ROOT = Path(__file__).resolve().parents[1]
OURS = ("lensfinder", "models", "data_specs", "benchmarks", "notebooks", "docs", "tests")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for folder in OURS for path in (ROOT / folder).rglob("*.md"))]
)
RUN = ("sh", "python")
SHOWN = ("text", "yaml", "json")
FENCE = re.compile(r"^```(?P<mark>[^\n]*)\n(?P<text>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, how it is marked, what it says."""

    line: int
    mark: str
    text: str

    @property
    def language(self):
        return self.mark.split(" ")[0]

    @property
    def slow(self):
        return self.mark.endswith(" slow")


def blocks(text):
    """The fenced blocks of a document."""
    return [
        Block(text[: match.start()].count("\n") + 1, match["mark"].strip(), match["text"])
        for match in FENCE.finditer(text)
    ]


def commands(text):
    """Words of each command of a shell block."""
    joined = text.replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def run_command(words):
    """One command of a document, in the current folder."""
    program, *arguments = words
    if program == "lensfinder":
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert not stop.value.code, f"{shlex.join(words)} ended with {stop.value.code}"
    elif program == "make":
        # the tests are what `make` runs: here only that it knows what to do
        plan = ["make", "--dry-run", "--directory", str(ROOT), *arguments]
        done = subprocess.run(plan, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    elif program == "python" and arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).is_file(), f"there is no {arguments[0]}"
    else:
        raise AssertionError(f"A document shows {program!r}, which this test cannot run.")


def run_document(path, folder, monkeypatch, *, slow):
    """Run a document's blocks; returns how many."""
    monkeypatch.chdir(folder)
    chosen = [b for b in blocks(path.read_text("utf-8")) if b.language in RUN]
    chosen = [block for block in chosen if slow or not block.slow]
    scope = {"__name__": "document"}
    for block in chosen:
        where = f"{path.name}:{block.line}"
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, where, "exec"), scope)
            continue
        for words in commands(block.text):
            try:
                run_command(words)
            except BaseException as error:
                error.add_note(f"in {where}: {shlex.join(words)}")
                raise
    return len(chosen)


def named(path):
    """The path as the tests are named."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_what_a_document_shows_works(path, tmp_path, monkeypatch):
    run_document(path, tmp_path, monkeypatch, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_what_a_document_shows_works_with_its_slow_parts(path, tmp_path, monkeypatch):
    run_document(path, tmp_path, monkeypatch, slow=True)


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_block_is_marked(path):
    allowed = {*RUN, *SHOWN, *(f"{language} slow" for language in RUN)}
    unknown = {block.line: block.mark for block in blocks(path.read_text("utf-8"))}
    assert {line: mark for line, mark in unknown.items() if mark not in allowed} == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_links_lead_somewhere(path):
    targets = [link.split("#")[0] for link in LINK.findall(path.read_text("utf-8"))]
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_readme_shows_every_verb_and_both_commands_of_make():
    text = (ROOT / "README.md").read_text("utf-8")
    shown = {tuple(words[:2]) for block in blocks(text) for words in commands_of(block)}
    assert {("make", "find"), ("make", "test")} <= shown
    verbs = {"find", "model", "simulate", "train", "evaluate"}
    assert {("lensfinder", verb) for verb in verbs} <= shown


def commands_of(block):
    """The commands of a block, none if it is not a shell's."""
    return commands(block.text) if block.language == "sh" else []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```sh\nlensfinder surveys show nowhere\n```\n", "ended with 2"),
        ("```sh\nlensfinder surveys list\nrm -rf /nowhere\n```\n", "cannot run"),
        ("```sh\nmake nothing\n```\n", "nothing"),
        ("```python\nassert False, 'seen'\n```\n", "seen"),
    ],
    ids=["verb", "program", "target", "python"],
)
def test_a_block_that_fails_is_seen(text, error, tmp_path, monkeypatch):
    path = tmp_path / "page.md"
    path.write_text("# A page\n\n" + text)
    with pytest.raises(AssertionError, match=error):
        run_document(path, tmp_path, monkeypatch, slow=False)
    path.write_text(text.replace("sh\n", "sh slow\n", 1).replace("python\n", "python slow\n", 1))
    assert run_document(path, tmp_path, monkeypatch, slow=False) == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_its_targets():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    for target in phony.split():
        run_command(["make", target])
