"""`mixedteach slides`: decks that fit their stage and need no network, seen in a real browser."""

import base64
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

import mixedteach
from mixedteach import slides
from mixedteach.cli import main
from mixedteach.errors import MixedTeachError

CODE, TEXT = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
FOLDED = """<details><summary>Nine</summary>

Right, *nine*.

```r
x <- c(1, 2)
```

</details>"""


def picture(width: int, height: int) -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), "#0072B2").save(out, "PNG")
    return out.getvalue()


def typed(cell, kind):
    cell.metadata.slideshow = {"slide_type": kind}
    return cell


def outputs(cell, **data):
    kinds = {"png": "image/png", "html": "text/html", "text": "text/plain", "widget": slides.WIDGET}
    bundle = {kinds[name]: value for name, value in data.items()}
    meta = {"image/png": {"alt": "a blue field"}} if "png" in data else {}
    cell.outputs = [nbformat.v4.new_output("display_data", bundle, metadata=meta)]
    return cell


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Return a notebook with all that lessons hold, more than fits here and there."""
    folder = tmp_path_factory.mktemp("own")
    png = base64.b64encode(picture(1200, 700)).decode("ascii")
    (folder / "photo.png").write_bytes(picture(300, 200))
    table = mixedteach.lm("content ~ method", mixedteach.load_tablets()).anova()._repr_html_()
    cells = [
        typed(TEXT("# A *title*\n\nSee [lesson 3](03_x.ipynb), [words](glossary.md)"), "slide"),
        typed(TEXT("Read only by $1$ reader."), "skip"),
        typed(TEXT("## Formulas\n\n$y_{ij} = \\mu + u_j$ and\n\n$$V = ZGZ' + R$$"), "slide"),
        typed(TEXT("Then: $\\begin{pmatrix} 1 & 0 \\\\ 0 & 1 \\end{pmatrix}$"), "fragment"),
        typed(TEXT("for the speaker"), "notes"),
        typed(TEXT("### Below\n\n![a photo](photo.png)\n\n" + FOLDED), "subslide"),
        typed(outputs(CODE("ax = plot()"), png=png, text="a blue field"), "slide"),
        typed(outputs(CODE("m.anova()"), html=table, text="F"), "-"),
        typed(outputs(CODE("explore()"), widget={"model_id": "1"}, png=png, text="E"), "slide"),
        typed(TEXT("## Long\n\n" + "\n".join(f"- line {i}" for i in range(22))), "slide"),
        typed(outputs(CODE("wide = 1"), text="x" * 120), "slide"),
    ]
    path = folder / "my own & only.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def decks(own, tmp_path_factory):
    """Return a folder with the decks of all lessons and of our own notebook."""
    out = tmp_path_factory.mktemp("out") / "für den Hörsaal"
    slides.make([*slides.chosen([]), own], out)
    return out


class Page:
    """A page in the browser that may load files only, and must not complain."""

    def __init__(self, browser, path, query=""):
        self.complaints = []
        self.page = browser.new_page(viewport={"width": 1280, "height": 720})
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.say(m.text))
        self.page.on("pageerror", lambda error: self.say(str(error)))
        self.page.on("requestfailed", lambda request: self.say(f"failed: {request.url[:200]}"))
        self.page.route("**/*", self.only_files)
        self.page.goto(path.as_uri() + query)

    def say(self, words):
        self.complaints.append(words)

    def only_files(self, route):
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            self.say(f"left the folder: {route.request.url}")
            route.abort()

    def ready(self):
        self.page.wait_for_function(
            "window.Reveal && Reveal.isReady() && "
            "[...document.querySelectorAll('.fit')].every((box) => box.dataset.scale)"
        )
        return self.page


@pytest.fixture
def opened(browser, decks):
    """Return a function that opens a deck; at the end no page may have complained."""
    pages = []

    def open_deck(name, query=""):
        pages.append(Page(browser, decks / f"{name}.slides.html", query))
        return pages[-1].ready()

    yield open_deck
    for one in pages:
        one.page.close()
        assert one.complaints == []


# What of each slide reaches beyond the stage, measured after scaling, and how much was scaled.
MEASURE = """() => [...document.querySelectorAll('.fit')].map((box) => {
  const stage = box.parentElement.getBoundingClientRect();
  const unit = stage.width / 1280;
  let right = 0, bottom = 0;
  for (const part of box.querySelectorAll('*:not(mjx-assistive-mml, mjx-assistive-mml *)')) {
    const r = part.getBoundingClientRect();
    if (part.checkVisibility() && !part.closest('aside.notes, mjx-container')) {
      right = Math.max(right, r.right - stage.left);
      bottom = Math.max(bottom, r.bottom - stage.top);
    }
  }
  return {
    title: (box.querySelector('h1,h2,h3') || box).textContent.trim().slice(0, 50),
    scale: Number(box.dataset.scale),
    scrolls: box.parentElement.classList.contains('scrolls'),
    inside: right / unit <= 1280.5 && bottom / unit <= 720.5,
  };
})"""


def names():
    return [path.stem for path in slides.lessons()] + ["my own & only"]


def count(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.source.strip()]
    types = [cell.metadata.slideshow.slide_type for cell in cells]
    shown = [kind for kind in types if kind != "skip"]
    return sum(kind in ("slide", "subslide") for kind in shown[1:]) + 1


@pytest.mark.parametrize("name", names())
def test_deck(name, opened, own):
    page = opened(name)
    measured = page.evaluate(MEASURE)
    path = own if name == own.stem else next(p for p in slides.lessons() if p.stem == name)
    assert len(measured) == count(path)
    assert [slide["title"] for slide in measured if not slide["inside"]] == []
    assert [slide["title"] for slide in measured if slide["scrolls"] or slide["scale"] < 0.6] == []

    broken = "[...document.images].filter((i) => !i.naturalWidth || !i.alt).length"
    assert page.evaluate(broken) == 0
    formulas = page.locator("mjx-container").count()
    assert page.locator("mjx-container > svg").count() == formulas > 0  # tall brackets: svg in svg
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    left = page.evaluate("""() => {
      const copy = document.querySelector('.slides').cloneNode(true);
      copy.querySelectorAll('pre, code, .output_html, mjx-container').forEach((e) => e.remove());
      return copy.textContent.match(/\\$[^$]{0,40}/g) || [];
    }""")
    assert left == []
    loose = page.evaluate("""() => [...document.querySelectorAll('mjx-container:not([display])')]
      .filter((formula) => /^[,.;:]/.test(formula.nextSibling?.data ?? '')
        && getComputedStyle(formula.parentElement).whiteSpace !== 'nowrap').length""")
    assert loose == 0  # else a comma after a formula may begin a line


def test_what_is_on_the_slides(opened, own):
    page = opened(own.stem)
    words = page.inner_text(".slides")
    assert "Read only by" not in words
    notes = page.locator("aside.notes")
    assert [note.text_content().split()[0] for note in notes.all()] == ["Read", "for"]
    assert not any(note.is_visible() for note in notes.all())
    assert page.locator("aside.notes mjx-assistive-mml").count() == 0  # seen by the speaker
    assert page.locator("section .deck-context").all_inner_texts() == ["Below", "Below", "Long"]
    assert page.locator(".fragment").count() == 1
    assert page.locator(".fragment mjx-container").count() == 1
    assert page.locator("script[type*=widget], .prompt").count() == 0
    assert page.locator("img").count() == 3  # the widget left its picture
    assert page.locator("img[alt='a blue field']").count() == 2
    hrefs = page.evaluate("[...document.querySelectorAll('.slides a')].map((a) => a.href)")
    assert hrefs == []  # 03_x and the glossary do not travel with the decks
    assert page.title() == "A title"


def test_folded_parts_open_and_still_fit(opened, own):
    page = opened(own.stem)
    assert page.locator("details[open]").count() == 0
    page.evaluate("Reveal.slide(1, 1)")
    inside = page.locator("details p")
    assert not inside.is_visible()
    page.click("summary")
    inside.wait_for(state="visible")
    assert all(slide["inside"] for slide in page.evaluate(MEASURE))


def test_the_key_that_opens_folded_parts(opened, own):
    page = opened(own.stem)
    page.evaluate("Reveal.slide(1, 1)")
    for folded in (False, True):
        page.keyboard.press("a")
        page.locator("details p").wait_for(state="hidden" if folded else "visible")
    place = page.evaluate("Reveal.getIndices()")
    assert (place["h"], place["v"]) == (1, 1)


def test_letters_grow_and_pictures_stay_sharp(opened, own):
    page = opened(own.stem)
    measured = page.evaluate(MEASURE)
    assert measured[0]["scale"] == measured[1]["scale"] == 1.35  # little to show
    assert min(slide["scale"] for slide in measured) < 1
    enlarged = page.evaluate(
        "[...document.images].map((i) => i.getBoundingClientRect().width / i.naturalWidth)"
    )
    assert max(enlarged) <= 1.301


def test_keys_and_speaker_view(opened, own):
    page = opened(own.stem)
    seen = []
    for key in ("Space", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
        place = page.evaluate("Reveal.getIndices()")
        seen.append((place["h"], place["v"]))
    assert seen == [(1, 0), (1, 0), (1, 1), (2, 0), (1, 1)]  # all slides, the fragment too
    page.keyboard.press("ArrowLeft")
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    popup.value.wait_for_selector("text=for the speaker")
    label = popup.value.locator("#upcoming-slide .label").bounding_box()
    upcoming = popup.value.locator("#upcoming-slide").bounding_box()
    assert label["y"] > upcoming["y"] + upcoming["height"] / 2  # below the heading
    popup.value.close()


# Of each printed page: where its content begins and ends, and the size of the page.
PAGES = """() => [...document.querySelectorAll('.pdf-page')].map((page) => {
  const sheet = page.getBoundingClientRect(), parts = [];
  for (const part of page.querySelectorAll('.fit *:not(mjx-assistive-mml, mjx-assistive-mml *)')) {
    if (part.checkVisibility() && !part.closest('aside.notes, mjx-container')) {
      parts.push(part.getBoundingClientRect());
    }
  }
  const stage = getComputedStyle(page.querySelector('section'));
  return {
    title: page.querySelector('.fit').textContent.trim().slice(0, 50),
    margins: [parseFloat(stage.paddingLeft), parseFloat(stage.paddingTop)],
    left: Math.min(...parts.map((r) => r.left - sheet.left)),
    right: Math.max(...parts.map((r) => r.right - sheet.left)) - sheet.width,
    bottom: Math.max(...parts.map((r) => r.bottom - sheet.top)) - sheet.height,
    folded: page.querySelectorAll('details:not([open])').length,
  };
})"""


@pytest.mark.parametrize("name", [names()[-2], names()[-1]])
def test_on_paper_each_slide_is_a_page_with_margins(name, opened, own):
    page = opened(name, "?print-pdf")
    page.wait_for_function("document.documentElement.dataset.printable")
    page.emulate_media(media="print")
    pages = page.evaluate(PAGES)
    path = own if name == own.stem else next(p for p in slides.lessons() if p.stem == name)
    assert len(pages) == count(path)
    for sheet in pages:
        assert sheet["margins"] == [56, 32], sheet
        assert sheet["left"] >= 50, sheet
        assert sheet["right"] <= 0.5, sheet
        assert sheet["bottom"] <= 0.5, sheet
        assert sheet["folded"] == 0, sheet
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == len(pages)


def test_index_leads_to_every_deck(browser, decks):
    opened = Page(browser, decks / "index.html")
    links = opened.page.eval_on_selector_all("a", "links => links.map((a) => a.href)")
    assert [Path(unquote(link)).name for link in links] == [
        *(f"{name}.slides.html" for name in names()),
        "glossary.html",
    ]
    opened.page.close()
    assert opened.complaints == []


def test_the_folder_stays_small_and_names_no_other_place(decks):
    files = [path for path in decks.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15e6
    for path in decks.glob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)\b[^>]*(?:src|href)="([^"]*)"', path.read_text("utf8")
        )
        assert all(place.startswith(("assets/", "data:")) for place in loaded)


# -- without a browser -----------------------------------------------------------------------------


def test_without_slide_types_headings_begin_slides():
    cells = [TEXT("# One"), CODE("1"), TEXT("### part"), TEXT("## Two"), CODE("#3")]
    assert slides.kinds(cells) == ["slide", "-", "-", "slide", "-"]


def test_every_tag_is_closed():
    kinds = ["notes", "fragment", "fragment", "-", "subslide", "fragment", "slide", "skip", "-"]
    placed = slides.arrange([typed(TEXT(kind), kind) for kind in kinds])
    text = "".join(one.before + one.after for one in placed)
    for tag in ("section", "div", "aside"):
        assert text.count(f"<{tag}") == text.count(f"</{tag}>")
    assert text.endswith("</div></section></section>")
    assert text.count("<section><section>") == 2
    order = ["fragment", "fragment", "-", "notes", "subslide", "fragment", "slide", "-", "skip"]
    assert [one.cell.source for one in placed] == order
    assert [one.before + "|" + one.after for one in placed[:4]] == [
        '<section><section><div class="fit"><div class="fragment">|</div>',
        '<div class="fragment">|',
        "|</div>",
        '<aside class="notes">|</aside></div></section>',
    ]


@pytest.mark.skipif(not slides.lessons(), reason="no lessons yet")
def test_a_lesson_by_number_name_or_path(own):
    first = slides.lessons()[0]
    number, name = first.stem.split("_", 1)
    for word in (number, str(int(number)), name, first.stem, first.name, str(first)):
        assert slides.chosen([word]) == [first]
    assert slides.chosen([name[:-3], name.upper()[2:]]) == [first]
    assert slides.chosen([number, name, str(own)]) == [first, own]


def test_lessons_of_the_current_folder_come_first(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "lessons"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    packaged = slides.lessons()
    assert slides.chosen([]) == packaged
    mine = write(folder / "08_mine.ipynb", TEXT("# Mine"))
    edited = write(folder / packaged[0].name, TEXT("# Edited"))
    write(folder / f"{packaged[0].stem} (new).ipynb", TEXT("# New"))
    assert slides.chosen([]) == [edited, mine]
    assert slides.chosen(["8", "1", "2"]) == [mine, edited, packaged[1]]
    monkeypatch.chdir(folder)
    assert slides.chosen(["1"]) == [edited]
    assert main(["slides", "1", "2", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert f"Notebooks from {folder}\n" in said
    assert f"Lessons of mixedteach itself from {packaged[0].parent}\n" in said
    assert "Edited" in (tmp_path / "out" / f"{edited.stem}.slides.html").read_text("utf8")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("99", "neither a lesson nor a notebook"),
        ("random_tablest", "Did you mean '03_random_tablets'?"),
        ("andom_tablets_", "Did you mean '03_random_tablets'?"),
        ("an", "'an' may be "),
        ("nowhere/x.ipynb", "There is no notebook"),
        ("nowhere/01_paired_t_test.ipynb", "There is no notebook"),
        ("readme.md", "readme.md is not a notebook (.ipynb)"),
        ("folder", "folder is a folder; name notebooks in it"),
    ],
)
def test_an_unknown_lesson(word, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "readme.md").write_text("read", encoding="utf-8")
    assert main(["slides", word, "--out", "out"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_several_lessons_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "lessons").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("08_oats", "08_more_oats", "09_else"):
        write(tmp_path / "lessons" / f"{name}.ipynb", TEXT("# A"))
    for word, stem in {"oats": "08_oats", "re_oat": "08_more_oats", "9": "09_else"}.items():
        assert [path.stem for path in slides.chosen([word])] == [stem]
    for word in ("8", "oat"):
        with pytest.raises(MixedTeachError, match="may be '08_more_oats' or '08_oats'; write"):
            slides.chosen([word])


def test_skipped_text_is_for_the_speaker():
    programs = TEXT("<details><summary>R</summary>\n\n```r\n1\n```\n\n</details>")
    cells = [
        typed(TEXT("before any slide"), "skip"),
        typed(TEXT("## One"), "slide"),
        typed(TEXT("explained"), "skip"),
        typed(CODE("1 + 1"), "skip"),
        typed(CODE("2 + 2"), "-"),
        typed(programs, "skip"),
        typed(TEXT("## For readers"), "skip"),
        typed(TEXT("only"), "skip"),
        typed(TEXT("## Two"), "slide"),
        typed(TEXT("of two"), "skip"),
    ]
    placed = slides.arrange(cells)
    assert [one.cell.source for one in placed] == [
        "## One",
        "2 + 2",
        "explained",
        "## Two",
        "of two",
    ]
    assert ["notes" in one.before for one in placed] == [False, False, True, False, True]


def test_a_slide_without_heading_repeats_the_last():
    sources = ["# T", "x", "## A *b* & `c`", "```r\n## no\n```", "### D #", "y"]
    placed = slides.arrange([typed(TEXT(source), "slide") for source in sources])
    found = [re.search('deck-context">(.*?)</p>', one.before) for one in placed]
    assert [match and match[1] for match in found] == [
        None, "T", None, "A b &amp; c", None, "D",
    ]  # fmt: skip


def test_a_notebook_that_was_not_run(tmp_path, capsys):
    run = CODE("2")
    run.execution_count = 1
    path = write(tmp_path / "a.ipynb", TEXT("# A"), run, CODE("3"), typed(CODE("4"), "skip"))
    assert slides.not_run(path) == 1
    assert main(["slides", str(path), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "a.ipynb: 1 code cell has no output; run the notebook first" in said
    stored = outputs(CODE("5"), text="5")  # without the counts
    assert slides.not_run(write(tmp_path / "b.ipynb", stored, CODE("import x"))) == 0


def test_the_glossary_travels(tmp_path):
    (tmp_path / "glossary.md").write_text(
        "# Words & more\n\n[on](#two-words), [one](a.ipynb), [out](README.md)\n\n## Two words",
        encoding="utf-8",
    )
    path = write(tmp_path / "a.ipynb", TEXT("# A\n\n[word](glossary.md#two-words)"))
    out = tmp_path / "out"
    index = slides.make([path], out)
    assert 'href="glossary.html#two-words"' in (out / "a.slides.html").read_text("utf8")
    text = (out / "glossary.html").read_text("utf8")
    assert '<h2 id="two-words">' in text
    assert re.findall('href="([^"]*)"', text)[1:] == ["index.html", "#two-words", "a.slides.html"]
    assert "<title>Words &amp; more</title>" in text
    assert 'href="glossary.html"' in index.read_text("utf8")
    slides.make([path], out)
    (out / "glossary.html").write_text("mine", encoding="utf-8")
    with pytest.raises(MixedTeachError, match=r"'glossary.html' in"):
        slides.make([path], out)


def write(path, *cells):
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def test_two_notebooks_of_one_name(tmp_path):
    paths = [tmp_path / folder / "a.ipynb" for folder in ("x", "y")]
    for path in paths:
        path.parent.mkdir()
        write(path, TEXT("# A"))
    with pytest.raises(MixedTeachError, match="Two notebooks are called"):
        slides.chosen([str(path) for path in paths])


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 1}'])
def test_a_file_that_is_no_notebook(text, tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MixedTeachError, match="is not a notebook that can be read"):
        slides.make([path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_to_show(tmp_path):
    path = write(tmp_path / "a.ipynb", typed(TEXT("# A"), "skip"))
    with pytest.raises(MixedTeachError, match="no cell to show"):
        slides.make([path], tmp_path / "out")


def test_links_between_decks_and_decks_made_earlier(tmp_path):
    out = tmp_path / "out"
    first = write(tmp_path / "a.ipynb", TEXT("# First\n\n[on](b.ipynb#x), [web](https://e.org)"))
    second = write(tmp_path / "b.ipynb", TEXT("# Second\n\n[back](a.ipynb)"))
    slides.make([first], out)
    index = slides.make([second], out)
    assert 'href="a.slides.html"' in (out / "b.slides.html").read_text("utf8")
    assert "b.ipynb" not in (out / "a.slides.html").read_text("utf8")
    assert "https://e.org" in (out / "a.slides.html").read_text("utf8")
    assert re.findall(">(First|Second)</a>", index.read_text("utf8")) == ["First", "Second"]


def test_files_of_other_origin_stay(tmp_path, capsys):
    path = write(tmp_path / "a.ipynb", TEXT("# A"))
    out = tmp_path / "out"
    slides.make([path], out)
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    slides.make([path], out)
    assert (out / "mine.txt").exists()
    for name in ("index.html", "a.slides.html"):
        (out / name).write_text("mine", encoding="utf-8")
        assert main(["slides", str(path), "--out", str(out)]) == 2
        assert f"'{name}' in {out} did not come from this command" in capsys.readouterr().err
        assert (out / name).read_text(encoding="utf-8") == "mine"
        (out / name).unlink()
    (out / "assets" / slides.ABOUT).unlink()
    with pytest.raises(MixedTeachError, match="'assets' in"):
        slides.make([path], out)


def test_the_folder_is_a_file(tmp_path):
    path = write(tmp_path / "a.ipynb", TEXT("# A"))
    with pytest.raises(MixedTeachError, match="is a file; choose another folder with --out"):
        slides.make([path], path)


@pytest.mark.parametrize("package", ["sphinx_revealjs", "mathjax"])
def test_without_the_packages_that_carry_the_assets(package, tmp_path, monkeypatch):
    path = write(tmp_path / "a.ipynb", TEXT("# A"))
    found = slides.find_spec
    monkeypatch.setattr(slides, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(MixedTeachError, match="pip install sphinx-revealjs django-static-mathjax"):
        slides.make([path], tmp_path / "out")


def test_command(tmp_path, monkeypatch, capsys):
    import webbrowser

    path = write(tmp_path / "a.ipynb", TEXT("# A"))
    monkeypatch.chdir(tmp_path)
    shown = []
    monkeypatch.setattr(webbrowser, "open", lambda address: shown.append(address))
    assert main(["slides", "a.ipynb", "--open"]) == 0
    index = tmp_path / "slides" / "index.html"
    said = capsys.readouterr().out
    assert f"1 deck made. Open this file in a browser: {index}" in said
    assert "No browser was found" in said
    assert shown == [index.as_uri()]
    assert path.exists()


def test_code_that_is_hidden_in_jupyterlab_is_hidden_on_slides(tmp_path):
    hidden, open_ = (outputs(CODE(f"{name} = 1"), text="said") for name in ("secret", "plain"))
    hidden.metadata.jupyter = {"source_hidden": True}
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[TEXT("# One"), hidden, open_]), path)
    _, html = slides.page(path, [])
    assert "secret" not in html
    assert "plain" in html
    assert html.count("said") == 2
