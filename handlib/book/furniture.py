"""Sphinx extension with the book's furniture: the box a page opens with, and its three kinds of margin note.

    :::{page-header}
    You will be able to
    : pose a hand and say what each number does

    You need to know
    : what a rotation matrix is

    Run time
    : 20 s on two CPU cores, no GPU

    Data and licence
    : the open hand (CC0)
    :::

    :::{pitfall}                 or {code-differs}, or {try-it}; the note stands in the margin
    Millimetres here, metres there.
    :::

A page header that lacks one of its four entries is a warning, which fails the build.
"""

from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

HEADER_ENTRIES = ("You will be able to", "You need to know", "Run time", "Data and licence")
"""What every page has to say before it begins."""

MARGIN_NOTES = {
    "pitfall": "Pitfall",
    "code-differs": "The released code differs",
    "try-it": "Try it",
}
"""Directive -> heading of each kind of margin note."""


class PageHeader(SphinxDirective):
    """The box at the top of a page: a definition list with the entries :data:`HEADER_ENTRIES`."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Parse the list and check that nothing is missing."""
        box = nodes.container(classes=["page-header"])
        self.set_source_info(box)
        self.state.nested_parse(self.content, self.content_offset, box)
        terms = [term.astext() for term in box.findall(nodes.term)]
        if missing := [entry for entry in HEADER_ENTRIES if entry not in terms]:
            message = f"page-header lacks {', '.join(map(repr, missing))}; write each as a term with ': text' under it"
            return [box, self.state.document.reporter.warning(message, line=self.lineno)]
        return [box]


class MarginNote(SphinxDirective):
    """A note in the margin beside the text it belongs to; under it on a narrow screen."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Build the note; an argument is added to its heading."""
        self.assert_has_content()
        heading = MARGIN_NOTES[self.name]
        note = nodes.sidebar(classes=["margin", "margin-note", self.name])
        self.set_source_info(note)
        words, messages = self.state.inline_text(self.arguments[0], self.lineno) if self.arguments else ([], [])
        note += nodes.title("", "", nodes.Text(f"{heading}: " if words else heading), *words)
        note += messages
        self.state.nested_parse(self.content, self.content_offset, note)
        return [note]


def drop_thebe(_app: Any, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Take off the page what Jupyter Book's live-code extension puts on every page: its script comes from a CDN."""
    for kind in ("script_files", "css_files"):
        kept = [item for item in context.get(kind, ()) if not _mentions_thebe(item)]
        context[kind] = kept


def _mentions_thebe(item: Any) -> bool:
    """Whether a script or style sheet of a page, by its address or its inline text, is the live-code extension's."""
    return "thebe" in f"{getattr(item, 'filename', item)} {getattr(item, 'attributes', {})}".lower()


def setup(app: Any) -> dict[str, Any]:
    """Register the directives with Sphinx."""
    app.add_directive("page-header", PageHeader)
    for name in MARGIN_NOTES:
        app.add_directive(name, MarginNote)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
