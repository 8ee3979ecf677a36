"""Where pictures and sounds may come from."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from encoders.media import Media, MediaUnusable
from encoders.media_config import MediaConfig
from encoders.media_reference import MediaReference
from encoders.media_source import MediaSource

GIF = b"GIF89a and more"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue's folder, with a secret beside it."""
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "catalogue"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "a.gif").write_bytes(GIF)
    return folder


def located(value: str | bytes, folder: Path | str = "", config: MediaConfig | None = None) -> Media:
    """The one medium.

    Raises:
        MediaUnusable
    """
    is_bytes = isinstance(value, bytes)
    reference = MediaReference("" if is_bytes else value, str(folder), value if is_bytes else b"")
    found = MediaSource(config or MediaConfig()).locate("image", [reference])[0]
    if isinstance(found, MediaUnusable):
        raise found
    assert found is not None
    return found


def result(value: str | bytes, folder: Path | str = "", config: MediaConfig | None = None) -> str:
    try:
        located(value, folder, config)
    except MediaUnusable as error:
        return error.result
    return "ok"


def test_the_same_bytes_are_the_same_media_however_they_are_named(folder: Path) -> None:
    """Path, absolute path, file: URI, data: URI and bytes have one digest, and give the bytes back."""
    path = folder / "pictures" / "a.gif"
    data = "data:image/png;base64," + base64.b64encode(GIF).decode()
    values = ["pictures/a.gif", str(path), path.as_uri(), data, GIF, "data:,GIF89a%20and%20more"]
    every = [located(value, folder) for value in values]
    assert len({media.digest for media in every}) == 1
    assert {media.read(100) for media in every} == {GIF}


def test_nothing_is_read_outside_the_folder(folder: Path) -> None:
    """Neither by .. nor by an absolute path or a link, to a file or through a folder, whether or not the file is there."""
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "up").symlink_to(folder.parent)
    outside = ["../secret.png", "pictures/../../secret.png", str(folder.parent / "secret.png"), "/etc/passwd"]
    outside += ["link.png", "up/secret.png", "../nothing.png", "file:///etc/passwd", "file://elsewhere/a.gif"]
    assert {value: result(value, folder) for value in outside} == dict.fromkeys(outside, "refused")
    assert result("a\0.png", folder) == result("", folder) == "refused"


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    """Data sets link files; what they lead to must lie inside, too."""
    (folder / "same.gif").symlink_to(folder / "pictures" / "a.gif")
    assert located("same.gif", folder).read(100) == GIF


def test_a_link_that_is_swapped_in_later_is_not_followed(folder: Path) -> None:
    """Between the look at a path and its reading nobody can lead the reader elsewhere."""
    media = located("pictures/a.gif", folder)
    (folder / "pictures").rename(folder / "before")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "a.gif").write_bytes(GIF)
    (folder / "pictures").symlink_to(folder / "elsewhere")
    with pytest.raises(MediaUnusable):
        media.read(100)


def test_a_record_of_the_topic_names_no_path_unless_there_is_a_root(folder: Path) -> None:
    """Without media.root paths of the topic are refused; with it they are the root's, and a catalogue's are, too."""
    assert result("pictures/a.gif") == "refused"
    config = MediaConfig(root=folder / "pictures")
    assert result("a.gif", "", config) == "ok"
    assert result("a.gif", "/somewhere/else", config) == "ok"
    assert result("../link.png", "", config) == "refused"


def test_missing_empty_and_large_files_are_told_apart(folder: Path) -> None:
    """Each has its own result; a folder or a pipe is no file, and nobody waits for its other end."""
    (folder / "empty.gif").write_bytes(b"")
    os.mkfifo(folder / "pipe.gif")
    found = {
        name: result(name, folder, MediaConfig(max_bytes=10))
        for name in ("none.gif", "empty.gif", "pictures/a.gif", "pipe.gif", "pictures", "pictures/a.gif/b")
    }
    assert found == {
        "none.gif": "not_found",
        "empty.gif": "broken",
        "pictures/a.gif": "too_large",
        "pipe.gif": "refused",
        "pictures": "refused",
        "pictures/a.gif/b": "not_found",
    }


def test_a_file_that_changes_after_its_digest_is_not_taken_for_what_it_was(folder: Path) -> None:
    """The vector of other bytes never stands under this digest."""
    media = located("pictures/a.gif", folder)
    (folder / "pictures" / "a.gif").write_bytes(b"GIF89a and other")
    with pytest.raises(MediaUnusable, match="changed"):
        media.read(100)


def test_data_that_is_damaged_or_too_large_is_refused_before_it_is_unpacked() -> None:
    """The limit holds for data URIs and bytes as for files."""
    small = MediaConfig(max_bytes=8)
    assert result("data:image/png;base64,@@@@") == result("data:image/png") == "broken"
    assert result("data:,", config=small) == "broken"
    assert result("data:," + "a" * 9, config=small) == "too_large"
    assert result("data:;base64," + "a" * 10_000, config=small) == "too_large"
    assert result(b"a" * 9, config=small) == "too_large"
