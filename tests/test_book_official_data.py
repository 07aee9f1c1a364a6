"""What the pages on official data share."""

import subprocess

import pytest

from handlib.book.official_data import published_counts, show_official, write_format_fixtures
from handlib.data.official_sets import OFFICIAL_SETS, open_official
from handlib.errors import BadInputError, HandlibError, MissingFileError
from handlib.hand import HandModel


def test_written_fixtures_open_with_their_hand(tmp_path):
    folder = write_format_fixtures(tmp_path / "sets", "freihand")
    hand = HandModel.load(str(folder / "MANO_RIGHT.npz"))
    assert len(open_official("freihand", folder / "freihand", hand=hand)) == 12
    with pytest.raises(HandlibError, match="is not empty"):
        write_format_fixtures(folder, "freihand")


def test_the_script_gets_the_names_and_bad_ones_are_refused_before(tmp_path, monkeypatch):
    calls = []
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: calls.append(command) or done)
    assert write_format_fixtures(tmp_path, "HO3D-v2", "stb") == tmp_path
    assert calls[0][2:] == [str(tmp_path), "--only", "ho3d_v2", "--only", "stb"]
    with pytest.raises(BadInputError, match="imagenet"):
        write_format_fixtures(tmp_path, "imagenet")
    assert len(calls) == 1


def test_without_a_checkout_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("handlib.book.official_data.checkout_folder", lambda: None)
    with pytest.raises(MissingFileError, match="clone the repository"):
        write_format_fixtures(tmp_path)


def test_every_official_set_is_shown_with_a_link_to_register(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    show_official(*OFFICIAL_SETS)
    page, text = shown[0]["text/html"], shown[0]["text/plain"]
    assert page.count('<a href="http') == len(OFFICIAL_SETS)
    assert (
        '<a href="https://lmb.informatik.uni-freiburg.de/projects/freihand/">lmb.informatik.uni-freiburg.de</a>' in page
    )
    assert "<td>HANDLIB_<wbr>HO3D_<wbr>V2</td>" in page
    assert '">icvl.ee.ic.ac.uk</a> (ask its authors)' in page
    assert "HANDLIB_FREIHAND" in text and "https://lmb.informatik" in text
    with pytest.raises(BadInputError, match="imagenet"):
        show_official("imagenet")


def test_published_counts_in_words():
    assert published_counts("FreiHAND") == "130,240 training, 3,960 evaluation"
    assert published_counts("mhp") == "not stated"
