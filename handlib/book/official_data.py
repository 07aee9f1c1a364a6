"""What the pages on official data share: tiny data sets in the official formats, and the facts of each set."""

import html
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from handlib.data.official import root_variable
from handlib.data.official_sets import official_set
from handlib.errors import HandlibError, MissingFileError
from handlib.reproduce.places import checkout_folder
from handlib.viz.tables import table_text

_ADDRESS = re.compile(r"https?://\S+")
SCRIPT = "data_scripts/make_format_fixtures.py"


def write_format_fixtures(folder: str | Path, *names: str) -> Path:
    """Write tiny data sets in official formats, as ``python data_scripts/make_format_fixtures.py FOLDER`` does.

    Args:
        folder: gets a folder for each set, to be given as ``root``, and MANO_RIGHT.npz, the hand they were drawn with.
        names: keys of :data:`handlib.data.official_sets.OFFICIAL_SETS`; all without any.

    Returns:
        the folder.

    Raises:
        MissingFileError: the script is not there, because handlib is installed without its repository.
        HandlibError: the script failed; the message is its own.
    """
    checkout = checkout_folder()
    if checkout is None or not (checkout / SCRIPT).is_file():
        raise MissingFileError(f"no {SCRIPT} from here up: clone the repository and work inside it")
    only = [word for name in names for word in ("--only", official_set(name).name)]
    done = subprocess.run(
        [sys.executable, str(checkout / SCRIPT), str(folder), *only], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise HandlibError(f"{SCRIPT} failed: {done.stderr.strip()[-1000:]}")
    return Path(folder)


def show_official(*names: str) -> None:
    """Show what is to be known of some official data sets before one asks for them: a row a fact, a column a set.

    Raises:
        BadInputError: a name that is no official data set's.
    """
    from IPython.display import display

    sets = [official_set(name) for name in names]
    facts = {
        "what it shows": [source.what for source in sets],
        "samples": [published_counts(source.name) for source in sets],
        "unlocks": [source.unlocks for source in sets],
        "licence": [source.licence for source in sets],
        "to register": [source.get for source in sets],
        "named to handlib by": [root_variable(source.name) for source in sets],
    }
    head = "".join(f'<th scope="col">{source.name}</th>' for source in sets)
    rows = "".join(
        f'<tr><th scope="row">{fact}</th>' + "".join(f"<td>{_with_link(value)}</td>" for value in values) + "</tr>"
        for fact, values in facts.items()
    )
    page = f'<table class="table hl-table"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>'
    text = table_text(["", *(source.name for source in sets)], [[fact, *values] for fact, values in facts.items()])
    display({"text/html": page, "text/plain": text}, raw=True)


def published_counts(name: str) -> str:
    """How many samples the authors of a data set state for its splits, in words."""
    stated = {split: counts[0] for split, counts in official_set(name).published.items() if counts}
    return ", ".join(f"{count:,} {split}" for split, count in stated.items()) or "not stated"


def _with_link(text: str) -> str:
    """Escaped text, whose address, if it has one, is a link that shows the host alone: whole ones break the column."""
    address, host = _ADDRESS.search(text), urlsplit(text).netloc
    if address is None:
        # Long names of variables may go on in the next line.
        return html.escape(text).replace("_", "_<wbr>")
    whole = html.escape(address[0])
    return html.escape(text).replace(whole, f'<a href="{whole}">{html.escape(host)}</a>')
