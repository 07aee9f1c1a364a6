"""The doctor: finds what is there, what is missing and what is broken, and harms nothing."""

import json
import sys
from importlib import metadata

import pytest
from typer.testing import CliRunner

from handlib import cli, doctor
from handlib.doctor import Finding, Status

runner = CliRunner()


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("HANDLIB_DATA", "HANDLIB_MANO", "PLAYWRIGHT_BROWSERS_PATH"):
        monkeypatch.delenv(name, raising=False)


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_report_of_this_machine_and_its_json():
    done = runner.invoke(cli.app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "ok    torch: " in done.output and done.output.endswith("Everything that is needed is here.\n")
    findings = json.loads(runner.invoke(cli.app, ["doctor", "--json"]).output)
    names = {finding["name"] for finding in findings}
    assert {
        "python",
        "torch",
        "open hand",
        "CUDA",
        "mediapipe",
        "pytorch3d",
        "manopth",
        "MANO",
        "chromium",
        "trained network",
    } <= names
    assert all(finding["adds"] for finding in findings if finding["status"] == "missing")


def test_broken_requirement_is_named_and_fails(monkeypatch):
    def load(name):
        if name == "roma":
            raise OSError("libroma.so: cannot open shared object file")

    monkeypatch.setattr(doctor, "import_module", load)
    found = by_name(doctor.check_required())
    assert found["roma"].status is Status.BROKEN and "libroma.so" in found["roma"].detail
    assert found["numpy"].status is Status.OK
    done = runner.invoke(cli.app, ["doctor"])
    assert done.exit_code == 1
    assert "FAIL  roma: OSError: libroma.so" in done.output and done.output.endswith("Broken: roma\n")


def test_a_python_that_is_too_old_is_broken(monkeypatch):
    assert by_name(doctor.check_python())["python"].status is Status.OK
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    finding = by_name(doctor.check_python())["python"]
    assert finding.status is Status.BROKEN and "3.11 or newer" in finding.adds


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert by_name(doctor.examine())["devices"].status is Status.BROKEN


def test_missing_optional_packages_say_what_they_add(monkeypatch):
    def version(name):
        if name in ("mediapipe", "papermill"):
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor.metadata, "version", version)
    findings = doctor.check_optional()
    found = by_name(findings)
    assert found["mediapipe"].status is Status.MISSING and ".[detect]" in found["mediapipe"].adds
    assert found["papermill"].area == "Book" and found["deodr"].status is Status.OK
    text = doctor.report(findings)
    assert "-     mediapipe: not installed -> handlib demo finds hands anywhere in a photograph" in text
    assert "Broken" not in text


def test_lock_is_compared_without_the_build(tmp_path, monkeypatch):
    (tmp_path / "requirements.lock").write_text(
        "# comment\ntorch==2.13.0\nnumpy==1.0 ; python_version > '3'\nabsent[extra]==3.1\n-r other.txt\n"
    )
    have = {"torch": "2.13.0+cpu", "numpy": "2.4.6"}

    def version(name):
        if name not in have:
            raise metadata.PackageNotFoundError(name)
        return have[name]

    monkeypatch.setattr(doctor.metadata, "version", version)
    monkeypatch.setattr(doctor, "checkout_folder", lambda: tmp_path)
    finding = doctor.check_lock()[0]
    assert finding.status is Status.NOTE
    assert finding.detail == "numpy 2.4.6 (locked: 1.0); not installed: absent"
    have |= {"numpy": "1.0", "absent": "3.1"}
    assert doctor.check_lock()[0].detail == "all 3 packages as locked"
    (tmp_path / "requirements.lock").unlink()
    assert "not found" in doctor.check_lock()[0].detail


def test_data_folder_is_listed(tmp_path, monkeypatch):
    assert doctor.check_data()[0].status is Status.MISSING
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path / "gone"))
    assert "no such folder" in doctor.check_data()[0].detail
    monkeypatch.setenv("HANDLIB_DATA", str(tmp_path))
    (tmp_path / "backgrounds").mkdir()
    found = by_name(doctor.check_data())
    assert found["backgrounds"].status is Status.OK and found["digits_crops"].status is Status.MISSING


def test_mano_file_is_read_and_a_bad_one_is_no_failure(tmp_path, monkeypatch):
    assert doctor.check_mano()[0].status is Status.MISSING
    monkeypatch.setenv("HANDLIB_MANO", str(tmp_path / "MANO_RIGHT.pkl"))
    assert doctor.check_mano()[0].status is Status.NOTE and "MANO_RIGHT.pkl" in doctor.check_mano()[0].detail
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(b"not a pickle")
    assert doctor.check_mano()[0].status is Status.NOTE


def test_chromium_of_the_system_and_of_playwright(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    assert doctor.find_chromium() is None
    assert doctor.check_browser()[0].status is Status.MISSING
    own = tmp_path / "browsers" / "chromium-1200" / "chrome-linux" / "chrome"
    own.parent.mkdir(parents=True)
    own.touch(mode=0o755)
    assert doctor.find_chromium() == own
    (tmp_path / "chromium").touch(mode=0o755)
    assert doctor.find_chromium() == tmp_path / "chromium"


def test_report_stands_under_headings():
    findings = [Finding("A", "x", Status.OK, "1"), Finding("B", "y", Status.NOTE, "old", "update it")]
    assert doctor.report(findings).splitlines()[:4] == ["A", "  ok    x: 1", "B", "  note  y: old -> update it"]
