"""Slides from notebooks, for a lecture hall without a network (``mixedteach slides``).

Each notebook becomes one page, a reveal.js deck, in a folder that holds all it needs and can be
copied to a USB stick. Which cell goes where is decided by :func:`arrange`, nbconvert turns each
cell into HTML, and ``slides_deck/`` has the page around it. reveal.js and MathJax are copied from
the Python packages that carry them: ``pip install "mixedteach[slides]"``.
"""

from __future__ import annotations

import base64
import copy
import html
import mimetypes
import re
import string
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from mixedteach.errors import MixedTeachError, did_you_mean, listed
from mixedteach.paths import resource

GENERATOR = "mixedteach slides"
DECK = Path(__file__).resolve().parent / "slides_deck"
ABOUT = "about.txt"
GLOSSARY = "glossary.md"  # beside the notebooks; travels with their decks
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Asset:
    """A file of another Python package that the decks need."""

    name: str  # in our folder assets/
    module: str
    path: str


_REVEAL = "_static/revealjs"
ASSETS = (
    Asset("reveal.js", "sphinx_revealjs", f"{_REVEAL}/dist/reveal.js"),
    Asset("reveal.css", "sphinx_revealjs", f"{_REVEAL}/dist/reveal.css"),
    Asset("notes.js", "sphinx_revealjs", f"{_REVEAL}/plugin/notes/notes.js"),
    Asset("reveal-LICENSE.txt", "sphinx_revealjs", f"{_REVEAL}/LICENSE"),
    Asset("mathjax.js", "mathjax", "static/mathjax/es5/tex-svg-full.js"),
    Asset("mathjax-LICENSE.txt", "mathjax", "static/mathjax/LICENSE"),
)


# -- which notebooks -------------------------------------------------------------------------------


def lessons() -> list[Path]:
    """Return the notebooks of the packaged lessons, in their order."""
    return _numbered(resource("lessons"))


def own_lessons() -> list[Path]:
    """Return the lessons of a working copy: in ``lessons`` of the current folder, or in itself."""
    here = Path.cwd()
    return _numbered(here / "lessons") or (_numbered(here) if here.name == "lessons" else [])


def _numbered(folder: Path) -> list[Path]:
    # '03_random_tablets (new).ipynb' is what `mixedteach lab` puts beside a lesson
    found = (path.resolve() for path in folder.glob("[0-9][0-9]_*.ipynb"))
    return sorted(path for path in found if not path.stem.endswith("(new)"))


def chosen(words: Sequence[str]) -> list[Path]:
    """Return the notebooks that the words of a command line mean.

    Parameters
    ----------
    words : sequence of str
        Numbers or names of lessons, or paths of notebooks; none means all lessons. Lessons of a
        working copy (:func:`own_lessons`) come before those of the package.

    Raises
    ------
    MixedTeachError
        If a word means nothing or several things, or two notebooks would become decks of one name.
    """
    own, packaged = own_lessons(), lessons()
    if not words:
        if not (own or packaged):
            raise MixedTeachError("There are no lessons in this installation of mixedteach.")
        return own or packaged
    found = list(dict.fromkeys(_notebook(word, own, packaged) for word in words))
    for i, path in enumerate(found):
        if path.stem in [other.stem for other in found[:i]]:
            raise MixedTeachError(
                f"Two notebooks are called {path.name}, and their decks would be, too; rename one, "
                "or use another --out for it."
            )
    return found


def _notebook(word: str, own: list[Path], packaged: list[Path]) -> Path:
    path = Path(word).expanduser()
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    stem = path.name.removesuffix(".ipynb")
    named = len(path.parts) > 1 or path.is_absolute()  # a place, not the name of a lesson
    tests = [] if named else [_is]
    if not named and not path.exists() and not stem.isdecimal():
        tests.append(_contains)
    for test in tests:
        for known in (own, packaged):
            found = [lesson for lesson in known if test(lesson.stem, stem)]
            if len(found) == 1:
                return found[0]
            if found:
                several = listed((lesson.stem for lesson in found), last="or")
                raise MixedTeachError(f"'{word}' may be {several}; write more of its name.")
    if path.is_dir():
        some = next((file.name for file in sorted(path.glob("*.ipynb"))), "name.ipynb")
        raise MixedTeachError(f"{path} is a folder; name notebooks in it, as in {path / some}")
    if path.exists():
        raise MixedTeachError(f"{path} is not a notebook (.ipynb).")
    if path.suffix == ".ipynb" or named:
        raise MixedTeachError(f"There is no notebook {path}.")
    hint = did_you_mean(stem, dict.fromkeys(lesson.stem for lesson in [*own, *packaged]))
    raise MixedTeachError(f"'{word}' is neither a lesson nor a notebook (.ipynb).{hint}")


def _is(lesson: str, word: str) -> bool:
    number, name = lesson.split("_", 1)
    return word in (lesson, name) or (word.isdecimal() and int(word) == int(number))


def _contains(lesson: str, word: str) -> bool:
    return word.lower() in lesson.lower()


# -- which cell on which slide ---------------------------------------------------------------------


@dataclass
class Placed:
    """A cell of a deck, and the HTML around it that opens and closes slides."""

    cell: Any
    before: str = ""
    after: str = ""


def kinds(cells: Sequence[Any]) -> list[str]:
    """Return the slide type of each cell; where none is set, each main heading begins a slide."""
    types = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in cells]
    if any(types):
        return [kind or "-" for kind in types]
    return [
        "slide" if cell.cell_type == "markdown" and re.match(r"##?\s", cell.source) else "-"
        for cell in cells
    ]


def arrange(cells: Sequence[Any]) -> list[Placed]:
    """Lay the cells of a notebook out on slides.

    Parameters
    ----------
    cells : sequence of notebook cells
        Their slide types are those of JupyterLab: ``slide``, ``subslide``, ``fragment``, ``-``,
        ``skip``, ``notes``.

    Returns
    -------
    list of Placed
        The cells shown, with tags before and after them: a ``section`` for each slide with the
        slides below it, in it a ``section`` with a box to be scaled for each of these. Text that is
        skipped becomes notes for the speaker.
    """
    shown = _shown(cells)
    if not shown:
        return []
    placed: list[Placed] = []
    context = ""
    starts = [i for i, (_, kind) in enumerate(shown) if kind in ("slide", "subslide") or i == 0]
    for start, end in zip(starts, [*starts[1:], len(shown)], strict=True):
        seen = [cell for cell, kind in shown[start:end] if kind != "notes"]
        found = headings(seen)
        slide = _slide(shown[start:end], "" if found else context)
        context = found[-1] if found else context
        if start == 0 or shown[start][1] == "slide":
            if placed:
                placed[-1].after += "</section>"
            slide[0].before = "<section>" + slide[0].before
        placed += slide
    placed[-1].after += "</section>"
    return placed


def _shown(cells: Sequence[Any]) -> list[tuple[Any, str]]:
    """Return the cells of the deck with their types; skipped text after a slide's cells: notes."""
    shown: list[tuple[Any, str]] = []
    belongs = True
    for cell, kind in zip(cells, kinds(cells), strict=True):
        if not cell.source.strip():
            continue
        if kind != "skip":
            shown.append((cell, kind))
            belongs = True
        elif cell.cell_type == "markdown" and shown:
            # a heading begins a part that has no slides; other programs are for readers
            belongs = belongs and not re.match(r"##?\s", cell.source)
            programs = "<details" in cell.source and "```" in cell.source
            if belongs and not programs:
                shown.append((cell, "notes"))
    return shown


def headings(cells: Sequence[Any]) -> list[str]:
    """Return the headings of Markdown cells, without their marks, as HTML."""
    found = []
    for cell in cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.M | re.S)
            found += re.findall(r"^#{1,4}\s+(.+?)[\s#]*$", text, re.M)
    return [html.escape(re.sub(r"[*`]", "", words), quote=False) for words in found]


def _slide(cells: Sequence[tuple[Any, str]], context: str) -> list[Placed]:
    """Arrange the cells of one slide; the notes come last, since they hold for all of it."""
    seen = [Placed(cell) for cell, kind in cells if kind != "notes"]
    types = [kind for _, kind in cells if kind != "notes"]
    for i, kind in enumerate(types):
        if kind == "fragment":
            seen[i].before = '<div class="fragment">'
            until = next((j for j in range(i + 1, len(types)) if types[j] == kind), len(types))
            seen[until - 1].after = "</div>"
    notes = [
        Placed(_opened(cell), '<aside class="notes">', "</aside>")
        for cell, kind in cells
        if kind == "notes"
    ]
    slide = [*seen, *notes]
    above = f'<p class="deck-context">{context}</p>' if context else ""
    slide[0].before = f'<section><div class="fit">{above}' + slide[0].before
    slide[-1].after += "</div></section>"
    return slide


def _opened(cell: Any) -> Any:
    """Return a note with its folded parts open: folded for readers, not for the speaker."""
    opened = copy.copy(cell)
    opened.source = cell.source.replace("<details>", "<details open>")
    return opened


# -- from notebook to page -------------------------------------------------------------------------


def title(notebook: Any, otherwise: str) -> str:
    """Return the title of a notebook: from its metadata, or its first heading."""
    if notebook.metadata.get("title"):
        return str(notebook.metadata.title)
    for cell in notebook.cells:
        heading = re.search(r"^#\s+(.+)$", cell.source, re.M)
        if cell.cell_type == "markdown" and heading:
            return re.sub(r"[*`]", "", heading[1]).strip()
    return otherwise


def read(path: Path) -> Any:
    """Return a notebook, or say in a sentence why it cannot be read."""
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old notebooks, whose cells have no ids
            return nbformat.read(path, as_version=4)
    except OSError as error:
        raise MixedTeachError(f"{path} cannot be read ({error.strerror or error}).") from None
    except Exception as error:  # nbformat raises errors of many kinds for broken files
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise MixedTeachError(
            f"{path} is not a notebook that can be read ({why[0]}); open it in JupyterLab and save "
            "it again."
        ) from None


def not_run(path: Path) -> int:
    """Return how many cells of code on the slides were never run, and so have no output."""
    code = [cell for cell, _ in _shown(read(path).cells) if cell.cell_type == "code"]
    counted = any(cell.execution_count for cell in code)
    if not counted and any(cell.outputs for cell in code):
        return 0  # run, and stored without the counts
    return sum(not cell.execution_count and not cell.outputs for cell in code)


def page(path: Path, decks: Iterable[str], glossary: bool = False) -> tuple[str, str]:
    """Return the title and the HTML of the deck of a notebook.

    Parameters
    ----------
    path : pathlib.Path
        The notebook.
    decks : iterable of str
        Names, without ending, of notebooks that have a deck in the same folder: links to these
        lead to their decks. Other links to files are left out, for the files are not there.
    glossary : bool
        Whether the glossary is there, as :data:`GLOSSARY` with the ending ``.html``.
    """
    from nbconvert import HTMLExporter

    notebook = read(path)
    name = title(notebook, path.stem)
    placed = arrange(notebook.cells)
    if not placed:
        raise MixedTeachError(f"{path} has no cell to show: all are empty or of slide type 'skip'.")
    for one in placed:
        one.cell.metadata.deck = {"before": one.before, "after": one.after}
        if one.cell.metadata.get("jupyter", {}).get("source_hidden"):
            one.cell.metadata.transient = {"remove_source": True}  # nbconvert leaves the code out
        for output in one.cell.get("outputs", []):
            # a widget is dead without Python; the picture beside it is not
            if len(output.get("data", {})) > 1:
                output.data.pop(WIDGET, None)
    notebook.cells = [one.cell for one in placed]
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(
        template_name=DECK.name,
        extra_template_basedirs=[str(DECK.parent)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    exporter.log.setLevel("ERROR")
    text, _ = exporter.from_notebook_node(
        notebook,
        resources={
            "metadata": {"name": path.stem, "path": str(path.parent)},
            "deck": {"generator": GENERATOR, "title": name},
        },
    )
    return name, _pictures(_links(text, set(decks), glossary), path.parent)


def _links(text: str, decks: set[str], glossary: bool) -> str:
    def link(match: re.Match[str]) -> str:
        target = html.unescape(match["target"])
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        target, mark, place = target.partition("#")
        file = Path(unquote(target))
        if file.suffix == ".ipynb" and file.stem in decks:
            return f'<a href="{quote(file.stem)}.slides.html">{match["words"]}</a>'
        if glossary and file.name == GLOSSARY:
            there = html.escape(file.stem + ".html" + mark + place)
            return f'<a href="{there}">{match["words"]}</a>'
        return match["words"]

    return re.sub(r'<a href="(?P<target>[^"]*)"[^>]*>(?P<words>.*?)</a>', link, text, flags=re.S)


def _pictures(text: str, folder: Path) -> str:
    """Put pictures that are files into the page (nbconvert's own way breaks ``<details>``)."""

    def embed(match: re.Match[str]) -> str:
        target = unquote(html.unescape(match["target"]))
        file = folder / target
        kind = mimetypes.guess_type(file.name)[0]
        if re.match(r"[a-z]+:", target) or not kind or not file.is_file():
            return match[0]
        data = base64.b64encode(file.read_bytes()).decode("ascii")
        return f'{match["before"]}data:{kind};base64,{data}"'

    return re.sub(r'(?P<before><img\b[^>]*?\bsrc=")(?P<target>[^"]*)"', embed, text)


def _glossary(path: Path, decks: Iterable[str]) -> str:
    """Return the page of the glossary."""
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    def anchor(match: re.Match[str]) -> str:
        words = re.sub(r"<[^>]*>", "", match["words"]).strip().lower()
        name = re.sub(r"[^\w -]", "", words).replace(" ", "-")  # as in links within a .md file
        return f'<h{match["level"]} id="{name}">{match["words"]}</h{match["level"]}>'

    text = markdown2html_mistune(path.read_text(encoding="utf-8"))
    text = re.sub(r'<a class="anchor-link".*?</a>', "", text, flags=re.S)
    text = re.sub(r"<h(?P<level>\d)[^>]*>(?P<words>.*?)</h\d>", anchor, text, flags=re.S)
    name = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.S)
    template = string.Template((DECK / "glossary.html").read_text(encoding="utf-8"))
    return template.substitute(
        generator=GENERATOR,
        title=re.sub(r"<[^>]*>", "", name[1]) if name else path.stem,
        text=_links(text, set(decks), True),
    )


# -- the folder ------------------------------------------------------------------------------------


def make(notebooks: Sequence[Path], out: Path) -> Path:
    """Write decks, an index of them and all they need into a folder; return the index.

    Parameters
    ----------
    notebooks : sequence of pathlib.Path
        One deck each.
    out : pathlib.Path
        The folder. Decks made earlier are replaced; files of other origin stay.

    Raises
    ------
    MixedTeachError
        If a notebook or an asset is missing, or a file of other origin is in the way.
    """
    sources = {asset.name: _asset(asset) for asset in ASSETS}
    out = out.expanduser().absolute()
    targets = [out / f"{path.stem}.slides.html" for path in notebooks]
    words = next((p for n in notebooks if (p := n.parent / GLOSSARY).is_file()), None)
    if words:
        targets.append(out / f"{words.stem}.html")
    index = out / "index.html"
    try:
        if out.exists() and not out.is_dir():
            raise MixedTeachError(f"{out} is a file; choose another folder with --out.")
        about = out / "assets" / ABOUT
        in_the_way = [path for path in [*targets, index] if path.exists() and not _ours(path)]
        in_the_way += [about.parent] if about.parent.exists() and not _ours(about) else []
        if in_the_way:
            raise MixedTeachError(
                f"{listed(path.name for path in in_the_way)} in {out} did not come from this "
                "command and would be overwritten; choose another folder with --out."
            )
        stems = [path.stem for path in notebooks]
        decks = [*stems, *_decks(out)]
        pages = [
            page(path, decks, words is not None and path.parent == words.parent)[1]
            for path in notebooks
        ]
        if words:
            pages.append(_glossary(words, decks))
        about.parent.mkdir(parents=True, exist_ok=True)
        about.write_text(_about(), encoding="utf-8")
        for name, source in sources.items():
            (about.parent / name).write_bytes(source.read_bytes())
        _mend_notes(about.parent / "notes.js")
        (about.parent / "deck.js").write_bytes((DECK / "deck.js").read_bytes())
        (about.parent / "deck.css").write_text(_css(), encoding="utf-8")
        for target, text in zip(targets, pages, strict=True):
            target.write_text(text, encoding="utf-8")
        there = _ours(out / f"{Path(GLOSSARY).stem}.html")
        index.write_text(_index(_decks(out), there), encoding="utf-8")
    except OSError as error:
        raise MixedTeachError(
            f"The slides cannot be written to {out} ({error.strerror or error}); choose another "
            "folder with --out."
        ) from None
    return index


def _asset(asset: Asset) -> Path:
    spec = find_spec(asset.module)
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place, asset.path)
        if path.is_file():
            return path
    raise MixedTeachError(
        "Slides need reveal.js and MathJax, which two more Python packages bring; type: "
        "pip install sphinx-revealjs django-static-mathjax"
    )


def _mend_notes(path: Path) -> None:
    """Move the label "Upcoming" of the speaker's view off the heading of the next slide."""
    rule = ".overlay-element {"
    text = path.read_text(encoding="utf-8")
    lower = "#upcoming-slide .label { top: auto; bottom: 10px; } "
    path.write_text(text.replace(rule, lower + rule, 1), encoding="utf-8")


def _ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return GENERATOR in file.read(500)


def _decks(out: Path) -> dict[str, str]:
    """Return the decks in a folder that this command made: name of the notebook -> title."""
    found = {}
    for path in sorted(out.glob("*.slides.html")):
        if _ours(path):
            words = re.search(r"<title>(.*?)</title>", path.read_text(encoding="utf-8"), re.S)
            found[path.name.removesuffix(".slides.html")] = html.unescape(words[1] if words else "")
    return found


def _about() -> str:
    lines = [f"This folder was made by '{GENERATOR}' and is made anew when that runs again."]
    lines += ["reveal.js: MIT licence, reveal-LICENSE.txt"]
    lines += ["MathJax (mathjax.js): Apache licence 2.0, mathjax-LICENSE.txt"]
    return "\n".join(lines) + "\n"


def _css() -> str:
    from pygments.formatters import HtmlFormatter

    own = (DECK / "deck.css").read_text(encoding="utf-8")
    return own + "\n" + HtmlFormatter(style="xcode").get_style_defs(".highlight") + "\n"


def _index(decks: dict[str, str], glossary: bool) -> str:
    items = [
        f'<li><a href="{quote(name)}.slides.html">{html.escape(words)}</a></li>'
        for name, words in decks.items()
    ]
    if glossary:
        items.append(f'<li><a href="{Path(GLOSSARY).stem}.html">Glossary</a></li>')
    template = string.Template((DECK / "index.html").read_text(encoding="utf-8"))
    return template.substitute(generator=GENERATOR, decks="\n".join(items))
