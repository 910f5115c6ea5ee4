"""RELIABILITY A8, A9, A10: presets that are fetched, names that stay inside, work without a net."""

import json
import os
import socket

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import lensfinder
from lensfinder import cli, zoo
from lensfinder.errors import DownloadError, UnknownNameError, UntrustedArtefactError
from lensfinder.zoo import preset_cache, presets
from lensfinder.zoo.artefacts import Pin
from lensfinder.zoo.preset_files import TableLine, read_table
from tests import tiny
from tests.zoo.faulty_server import serve

NAME = "compact-toy/euclid-vis"
ARGUMENTS = {"widths": (4,), "units": 4}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A models folder with one preset, as its makers have it."""
    root = tmp_path_factory.mktemp("published")
    keras.utils.set_random_seed(3)
    agreed = tiny.contract()
    model = zoo.build("compact_finder", agreed, "finder", **ARGUMENTS)
    zoo.adapt(model, [tiny.images(16)])
    zoo.save_preset(
        NAME,
        model,
        builder="compact_finder",
        arguments=ARGUMENTS,
        task="finder",
        targets=None,
        contract=agreed,
        metrics={"auc": 0.5},
        card="For tests.",
        headline={"auc": 0.5},
        root=root,
    )
    return root


@pytest.fixture(scope="module")
def server(published):
    files = {
        path.relative_to(published).as_posix(): path.read_bytes()
        for path in published.rglob("*")
        if path.is_file()
    }
    with serve(files) as running:
        yield running


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no mirror of the user's."""
    monkeypatch.setenv("LENSFINDER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LENSFINDER_MODELS_URL", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def home(published, server, tmp_path, monkeypatch):
    """A user's models folder: the table is there, the preset is not."""
    return table(published, tmp_path, monkeypatch, mirrors=[server.url("404"), server.url("up")])


def table(published, tmp_path, monkeypatch, **changes):
    root = tmp_path / "models"
    root.mkdir(exist_ok=True)
    lines = json.loads((published / "presets.json").read_text())
    lines[NAME].update(changes)
    (root / "presets.json").write_text(json.dumps(lines))
    monkeypatch.setattr(presets, "models_dir", lambda: root)
    return root


def command(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def scores(preset):
    return np.asarray(lensfinder.find(tiny.images(4), preset=preset)["p_lens"])


def test_a_listed_preset_is_fetched_when_it_is_loaded(published, server, cache, home):
    assert presets.preset_table()[NAME]["state"] == "to fetch"
    assert "to fetch" in command("models", "list").stdout
    server.asked.clear()
    np.testing.assert_array_equal(scores(NAME), scores(published / NAME))
    assert server.asked.count("up") == 4
    assert presets.preset_table()[NAME]["state"] == "cache"
    folder = cache / "presets" / NAME
    assert sorted(p.name for p in folder.iterdir()) == sorted(read_table(home)[NAME].files)
    assert [p for p in cache.rglob("*") if p.name.startswith(".partial-")] == []
    preset = zoo.open_preset(NAME)
    assert preset.pinned
    assert preset.folder == folder
    server.asked.clear()
    lensfinder.load(NAME)
    assert server.asked == []


def test_the_users_own_mirror_is_asked_first(server, cache, home, monkeypatch):
    monkeypatch.setenv("LENSFINDER_MODELS_URL", f"{server.url('503')} {server.url('redirect')}/")
    server.asked.clear()
    came = []
    zoo.fetch_preset(NAME, progress=came.append)
    assert server.asked == ["503", "redirect", "up"] * 4
    assert sum(came) == presets.preset_table()[NAME]["size"]


def test_a_damaged_file_in_the_cache_is_fetched_again(server, cache, home):
    folder = zoo.fetch_preset(NAME)
    (folder / "metrics.json").write_bytes(b"x" * (folder / "metrics.json").stat().st_size)
    server.asked.clear()
    assert zoo.open_preset(NAME).metrics == {"auc": 0.5}
    assert server.asked == ["404", "up"]


def test_without_a_mirror_the_error_says_what_to_do(
    published, server, cache, tmp_path, monkeypatch
):
    table(published, tmp_path, monkeypatch, mirrors=[server.url("wrong"), server.url("500")])
    with pytest.raises(DownloadError) as failure:
        lensfinder.load(NAME)
    words = str(failure.value)
    for part in (server.url("wrong"), server.url("500"), "HTTP 500", "pinned hash", "curl -fL"):
        assert part in words
    assert str(cache / "presets" / NAME) in words
    assert "LENSFINDER_MODELS_URL" in words
    assert len(failure.value.attempts) == 2
    done = command("models", "fetch", NAME)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: Preset")
    table(published, tmp_path, monkeypatch, mirrors=[])
    with pytest.raises(DownloadError, match="no mirror is known"):
        lensfinder.load(NAME)


def test_files_put_there_by_hand_work(published, cache, tmp_path, monkeypatch):
    table(published, tmp_path, monkeypatch, mirrors=[])
    folder = cache / "presets" / NAME
    folder.mkdir(parents=True)
    for path in (published / NAME).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert scores(NAME).shape == (4,)


def test_the_command_line(published, server, cache, home):
    assert command("models", "verify").stdout.strip() == f"{NAME}: not on this machine"
    assert command("models", "fetch").exit_code == 2
    assert command("models", "fetch", NAME, "--all").exit_code == 2
    done = command("models", "fetch", "--all")
    assert done.stdout.split() == [NAME, str(cache / "presets" / NAME)]
    assert "all as pinned" in command("models", "verify").stdout
    assert command("models", "show", NAME).stdout.strip() == "For tests."
    done = command("models", "fetch", "nothing/known")
    assert done.exit_code == 2
    assert "no preset named" in done.stderr


def test_a_mirror_for_a_team(published, server, cache, home, tmp_path, monkeypatch):
    folder = tmp_path / "served"
    assert "4 files" in command("models", "mirror", folder).stdout
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert set(files) == {f"{NAME}/{file}" for file in read_table(home)[NAME].files}
    for name, path in files.items():
        assert path.read_bytes() == (published / name).read_bytes()
    with serve({name: path.read_bytes() for name, path in files.items()}) as team:
        monkeypatch.setenv("LENSFINDER_MODELS_URL", team.url("up"))
        monkeypatch.setenv("LENSFINDER_CACHE", str(tmp_path / "other"))
        zoo.fetch_preset(NAME)
        assert team.asked == ["up"] * 4
    with pytest.raises(UnknownNameError):
        zoo.mirror_presets(folder, ["a/b"])


# --- A10: nothing but the cache -------------------------------------------------------------------
@pytest.fixture
def unplugged(monkeypatch):
    """No socket can be made; counts who tried."""
    tried = []

    class NoSocket(socket.socket):
        def __init__(self, *args, **kwargs):
            tried.append(args)
            raise OSError("the network is unplugged")

    def no_name(*args, **kwargs):
        tried.append(args)
        raise socket.gaierror("the network is unplugged")

    monkeypatch.setattr(socket, "socket", NoSocket)
    monkeypatch.setattr(socket, "create_connection", no_name)
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    return tried


def test_everything_works_offline_once_it_is_fetched(server, cache, home, request, tmp_path):
    zoo.fetch_preset(NAME)
    images = tmp_path / "images.npz"
    np.savez(
        images, images=tiny.images(3)["vis"], bands=["VIS"], pixel_scale=0.1, unit="electron/s"
    )
    tried = request.getfixturevalue("unplugged")
    assert scores(NAME).shape == (4,)
    for words in (
        ("models", "list"),
        ("models", "show", NAME),
        ("models", "verify"),
        ("models", "fetch", "--all"),
        ("models", "mirror", tmp_path / "served"),
        ("find", images, "--preset", NAME, "-o", tmp_path / "table.ecsv"),
        ("surveys", "list"),
        ("populations", "list"),
        ("recipes", "list"),
    ):
        done = command(*words)
        assert done.exit_code == 0, (words, done.output, done.exception)
    assert tried == []


def test_a_cold_cache_does_ask_the_network(cache, home, unplugged):
    """The control: the count above can see an attempt."""
    with pytest.raises(DownloadError, match="unplugged"):
        zoo.open_preset(NAME)
    assert unplugged


# --- A9: names ------------------------------------------------------------------------------------
def tree(folder):
    """Every path below a folder, with what it is, its content and its links' goals."""
    return {
        path.relative_to(folder).as_posix(): (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "/"
        )
        for path in sorted(folder.rglob("*"))
    }


PIN = Pin(sha256="0" * 64, size=10)
BAD_FILES = [
    *("../../escaped.json", "/tmp/escaped.json", "..", ".", "", ".hidden.json", "a/b.json"),
    *("..%2f..%2fescaped.json", "%2e%2e/escaped.json", "a\\b.json", "..\\escaped.json"),
    *("C:escaped.json", "C:\\escaped.json", "\\\\host\\share\\x.json", "nul\x00.json", "x\n.json"),
    *("x" * 300 + ".json", "ﬁle.json", "‥/x.json", "．．/x.json", "~/x.json", "$HOME.json"),
    *("model.keras", "model.h5", "weights.pkl", "weights.zip", "weights.tar", "weights.tar.gz"),
    *("weights.npz", "run.py", "weights.safetensors.exe", "-rf.json", "con:.json"),
]
BAD_NAMES = [
    *("../evil/x", "a/../../b", "/etc/x", "a/b/c", "a", "", "A/b", "a/..", "./b", "a/.b"),
    *("a\\b/c", "a/b\n", "a/b\x00", "%2e%2e/b", "ａ/b", "x" * 70 + "/b", "a/" + "x" * 300, "C:/x"),
]


def line(files):
    # past the model's own checks: what is tested is the last door before the disk
    return TableLine.model_construct(
        files=files,
        task="finder",
        survey="x",
        headline={},
        mirrors=("http://127.0.0.1:9",),
        format=1,
    )


def test_hostile_names_never_write_outside_the_cache(cache, tmp_path):
    assert len(BAD_FILES) + len(BAD_NAMES) >= 30
    outside = tmp_path / "outside"
    outside.mkdir()
    before = tree(tmp_path)
    for file in BAD_FILES:
        with pytest.raises(UntrustedArtefactError):
            preset_cache.fetch_files("a/b", line({"config.json": PIN, file: PIN}), tmp_path / "m")
    for name in BAD_NAMES:
        with pytest.raises(UntrustedArtefactError):
            preset_cache.fetch_files(name, line({"config.json": PIN}), tmp_path / "m")
    huge = Pin(sha256="0" * 64, size=10**9)
    with pytest.raises(UntrustedArtefactError, match="more than"):
        preset_cache.fetch_files("a/b", line({"config.json": huge}), tmp_path / "m")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("file", ["../x.json", "a\\b.json", ".x.json"])
def test_a_table_with_such_a_name_is_refused_before(published, tmp_path, monkeypatch, cache, file):
    table(published, tmp_path, monkeypatch, files={file: {"sha256": "0" * 64, "size": 1}})
    with pytest.raises(UntrustedArtefactError):
        presets.preset_table()


def test_the_control_pooch_alone_writes_outside(server, tmp_path, monkeypatch):
    import pooch

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "cache").mkdir()
    before = tree(tmp_path)
    pooch.retrieve(
        server.url("up") + f"/{NAME}/card.md",
        known_hash=None,
        fname="../escaped.md",
        path=tmp_path / "cache",
    )
    assert set(tree(tmp_path)) - set(before) == {"escaped.md"}


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_in_the_cache_are_not_followed(server, cache, home, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("mine")
    (outside / "twin").write_text("mine, too")
    before = tree(outside)

    # a link in place of a folder: refused
    (cache / "presets" / "compact-toy").parent.mkdir(parents=True)
    (cache / "presets" / "compact-toy").symlink_to(outside)
    with pytest.raises(DownloadError, match="leads out of"):
        zoo.fetch_preset(NAME)
    (cache / "presets" / "compact-toy").unlink()

    # links in place of files: replaced, what they lead to stays
    folder = cache / "presets" / NAME
    folder.mkdir(parents=True)
    (folder / "config.json").symlink_to(outside / "config.json")
    os.link(outside / "twin", folder / "card.md")
    # and in place of what we write for ourselves
    (cache / ".partial-x").symlink_to(outside)
    (cache / ".partial-y").mkdir()
    (cache / ".partial-y" / "left").write_text("an orphan")
    zoo.fetch_preset(NAME)
    assert tree(outside) == before
    assert not (folder / "config.json").is_symlink()
    assert not (cache / ".partial-y").exists()
    (cache / ".lock").unlink()
    (cache / ".lock").symlink_to(outside / "new")
    (folder / "card.md").unlink()
    with pytest.raises(DownloadError, match="cannot be written"):
        zoo.fetch_preset(NAME)
    assert tree(outside) == before
