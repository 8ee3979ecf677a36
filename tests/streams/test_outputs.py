"""What commands write: nothing is replaced unasked, and what fails leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.errors import OutputError, SettingsError
from streams.outputs import check_output, whole_file, whole_folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    """The refusal names the file and the way out; with it nothing is refused."""
    file = tmp_path / "out.json"
    check_output(file, force=False)
    file.write_text("old")
    with pytest.raises(SettingsError, match=r"out\.json already exists; say --force"):
        check_output(file, force=False)
    check_output(file, force=True)


@pytest.mark.parametrize("folder", [False, True])
def test_what_can_not_be_written_is_refused_before_the_work(tmp_path: Path, folder: bool) -> None:
    """A folder for a file, a file for a folder, and no folder for it, whatever is forced."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for force in (False, True):
        with pytest.raises(SettingsError, match="it is a"):
            check_output(tmp_path / ("file" if folder else "folder"), force, folder)
    with pytest.raises(SettingsError):
        check_output(tmp_path / "file" / "in-it", True, folder)
    if not folder:
        with pytest.raises(SettingsError, match="no folder"):
            check_output(tmp_path / "none" / "out", True)


def test_an_empty_folder_is_free_and_a_full_one_is_not(tmp_path: Path) -> None:
    """Folders that lead there are made with it."""
    check_output(tmp_path / "a" / "b" / "c", False, folder=True)
    check_output(tmp_path, False, folder=True)
    (tmp_path / "x").touch()
    with pytest.raises(SettingsError, match="--force"):
        check_output(tmp_path, False, folder=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    """Before the work, not after it."""
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="permission"):
        check_output(tmp_path / "out", False)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError(28, "No space left on device")])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    """Whatever cuts the writing off: an error, a full disk, Ctrl-C."""
    (tmp_path / "out").write_text("old")
    expected = OutputError if isinstance(error, OSError) else error
    with pytest.raises(expected), whole_file(tmp_path / "out") as draft:  # type: ignore[arg-type]
        draft.write_text("ne")
        raise error
    with pytest.raises(expected), whole_folder(tmp_path / "a" / "b") as draft:  # type: ignore[arg-type]
        (draft / "one").touch()
        raise error
    assert names(tmp_path) == {"out"} and (tmp_path / "out").read_text() == "old"


def test_what_succeeds_is_whole(tmp_path: Path) -> None:
    """A file takes the old one's place, through a link too; a folder keeps what else is in it."""
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with whole_file(tmp_path / "link") as draft:
        draft.write_text("new")
        assert (tmp_path / "real").read_text() == "old"
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    for text in ("first", "second"):
        with whole_folder(tmp_path / "a" / "b") as draft:
            (draft / "one").write_text(text)
        (tmp_path / "a" / "b" / "mine").touch()
    assert names(tmp_path) == {"real", "link", "a", "b", "one", "mine"}
    assert (tmp_path / "a" / "b" / "one").read_text() == "second"


def test_a_device_is_written_to_and_never_replaced() -> None:
    """`--out /dev/null` and `/dev/stdout` are what people expect."""
    check_output(Path("/dev/null"), force=False)
    with whole_file(Path("/dev/null")) as draft:
        draft.write_text("gone")
    assert not Path("/dev/null").is_file()
