"""Fetch the JavaScript that the book's pages need and put it below ``book/assets/vendor``, checked by SHA-256.

    python data_scripts/vendor_javascript.py            # download again and compare with what is committed
    python data_scripts/vendor_javascript.py --write    # replace what is committed

Each package is taken from the npm registry at one version whose checksum stands here; nothing is built or changed, only
the few files that a static page needs are kept. The widget manager is kept gzipped (3.6 MB to 0.9 MB); the builder
unpacks it. plotly.js is not here: the builder takes it out of the installed plotly package.
"""

import argparse
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "book" / "assets" / "vendor"


@dataclass(frozen=True)
class Package:
    """One npm package: what is kept of it (path in the package -> path in the vendor folder) and its checksum."""

    name: str
    version: str
    licence: str
    sha256: str
    keep: dict[str, str]


MATHJAX_FONTS = (
    "AMS-Regular Calligraphic-Bold Calligraphic-Regular Fraktur-Bold Fraktur-Regular Main-Bold Main-Italic "
    "Main-Regular Math-BoldItalic Math-Italic Math-Regular SansSerif-Bold SansSerif-Italic SansSerif-Regular "
    "Script-Regular Size1-Regular Size2-Regular Size3-Regular Size4-Regular Typewriter-Regular "
    "Vector-Bold Vector-Regular Zero"
).split()
FONT_FOLDER = "output/chtml/fonts/woff-v2"

PACKAGES = (
    Package(
        "mathjax",
        "3.2.2",
        "Apache-2.0",
        "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09",
        {
            "LICENSE": "mathjax/LICENSE",
            "es5/tex-chtml-full.js": "mathjax/tex-chtml-full.js",
            **{f"es5/{FONT_FOLDER}/MathJax_{f}.woff": f"mathjax/{FONT_FOLDER}/MathJax_{f}.woff" for f in MATHJAX_FONTS},
        },
    ),
    Package(
        "requirejs",
        "2.3.8",
        "MIT",
        "777158e89275e16bd51aec3ef714fbcb5dc45789e7078659933bc814916d7dec",
        {"require.js": "require.js"},
    ),
    Package(
        "@jupyter-widgets/html-manager",
        "1.0.15",
        "BSD-3-Clause",
        "2b9d65cb7913e1c7d671757a10008b32c9c2448d4429513371e55c07d6107638",
        {"dist/embed-amd.js": "embed-amd.js.gz"},
    ),
)


def download(package: Package, folder: Path) -> bytes:
    """The package's archive from the npm registry; an error if it is not the one whose checksum is recorded."""
    wanted = f"{package.name}@{package.version}"
    done = subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True, text=True)
    data = (folder / done.stdout.split()[-1]).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != package.sha256:
        sys.exit(f"{wanted}: the archive's SHA-256 is {found}, expected {package.sha256}: not the release we vendored")
    return data


def vendored_files(package: Package, archive: bytes) -> dict[str, bytes]:
    """The files that are kept of a package, by their path below the vendor folder."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for source, target in package.keep.items():
            data = tar.extractfile(f"package/{source}").read()
            files[target] = gzip.compress(data, 9, mtime=0) if target.endswith(".gz") else data
    return files


def write_readme(files: dict[str, bytes]) -> str:
    """The vendor folder's README: where each file comes from, its licence and its checksum."""
    lines = [
        "# JavaScript of other projects, unchanged",
        "",
        "Written by `data_scripts/vendor_javascript.py`, which downloads it again and compares. A `.gz` is unpacked",
        "by the builder of the book. `plotly.min.js` (MIT) is copied out of the installed plotly package there.",
        "",
        "| npm package | version | licence | SHA-256 of the npm archive |",
        "|---|---|---|---|",
        *(f"| {p.name} | {p.version} | {p.licence} | `{p.sha256}` |" for p in PACKAGES),
        "",
        "| file | bytes | SHA-256 (of the unpacked file for a `.gz`) |",
        "|---|---|---|",
    ]
    for name, data in sorted(files.items()):
        plain = gzip.decompress(data) if name.endswith(".gz") else data
        lines.append(f"| `{name}` | {len(data)} | `{hashlib.sha256(plain).hexdigest()}` |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Download, then compare or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace the committed files")
    write = parser.parse_args().write
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            files.update(vendored_files(package, download(package, Path(folder))))
    files["README.md"] = write_readme(files).encode()
    differing = [n for n, data in files.items() if not (VENDOR / n).is_file() or (VENDOR / n).read_bytes() != data]
    for name in differing if write else ():
        (VENDOR / name).parent.mkdir(parents=True, exist_ok=True)
        (VENDOR / name).write_bytes(files[name])
    print(f"{len(files)} files, {len(differing)} {'written' if write else 'differ'}: {', '.join(differing[:6])}")
    if differing and not write:
        sys.exit(1)


if __name__ == "__main__":
    main()
