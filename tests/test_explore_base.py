"""The machinery of explorers: controls, messages, pictures, what a notebook stores of them."""

import base64
import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import mixedteach as mt
from mixedteach.explore._base import Choice, Explorer, Picture, Slider, Switch


class Point(Picture):
    """A point that moves to x; its axis grows where it must."""

    def __init__(self, figure: Figure) -> None:
        super().__init__(figure)
        self.ax = figure.subplots()
        self.ax.set(xlim=(0, 1), ylim=(0, 1))
        self.drawn = 0
        self.point = self.moving(self.ax.plot([], [], "ks", markersize=20)[0])
        figure.canvas.mpl_connect(
            "draw_event", lambda event: setattr(self, "drawn", self.drawn + 1)
        )

    def update(self, answer):
        if answer["x"] > self.ax.get_xlim()[1]:
            self.ax.set_xlim(0, 2)
            self.redraw_all()
        self.point.set_data([answer["x"]], [0.5])


def answer(x: float, side: str, doubled: bool) -> dict:
    if x == 0:
        raise mt.DataError("Nothing is at zero: move the slider.")
    return {"x": (x if side == "left" else 1 - x) * (2 if doubled else 1)}


@pytest.fixture
def explorer() -> Explorer:
    controls = {
        "x": Slider("x", 0.0, 1.0, 0.01, 0.25),
        "side": Choice("from the", ("left", "right"), "left"),
        "doubled": Switch("doubled"),
    }
    return Explorer("Where?", controls, answer, Point, lambda a: f"x is {a['x']:.2f} < 3.", (4, 3))


def centre(file: bytes) -> float:
    """Return the place of the black square as a share of the picture's width."""
    pixels = np.asarray(Image.open(io.BytesIO(file)).convert("L"))
    return float(np.nonzero(pixels[150] < 60)[0][-20:].mean() / pixels.shape[1])


def test_picture_follows_and_background_is_drawn_once(explorer):
    places = [centre(explorer.png(x=x)) for x in (0.25, 0.5, 0.75)]
    assert np.diff(places) == pytest.approx([np.diff(places)[0]] * 2, abs=0.01)
    assert places[0] < places[1] - 0.1
    assert explorer._picture.drawn == 1
    explorer.png(x=0.75, doubled=True)  # beyond the axis: all is drawn again
    assert explorer._picture.drawn == 2


def test_same_values_give_the_same_picture(explorer):
    first = explorer.png(x=0.3)
    explorer.png(x=0.9)
    assert explorer.png(x=0.3) == first


def test_settings_of_matplotlib_stay(explorer):
    before = dict(mpl.rcParams)
    explorer.png(x=0.4)
    assert dict(mpl.rcParams) == before


def test_controls_move_picture_and_words(explorer):
    question, *rows, image, said = explorer.widget.children
    assert "Where?" in question.value
    before = image.value
    slider = rows[0].children[0]
    slider.value = 0.75
    assert explorer.values == {"x": 0.75, "side": "left", "doubled": False}
    assert image.value != before
    assert "x is 0.75 &lt; 3." in said.value
    explorer.set(side="right")
    assert rows[0].children[1].value == "right"
    assert "x is 0.25" in said.value
    slider.value = 0.0  # has no answer: said, not raised; the last picture stays
    assert "move the slider" in said.value


def test_the_page_gets_the_picture_within_the_address(explorer):
    image = explorer.widget.children[-2]
    kind, _, file = bytes(image.value).partition(b",")
    assert (image.format, kind) == ("url", b"data:image/jpeg;base64")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(file))).convert("L"), float)
    exact = np.asarray(Image.open(io.BytesIO(explorer.png())).convert("L"), float)
    assert shown.shape == exact.shape
    assert np.abs(shown - exact).mean() < 1  # of 255: JPEG's loss, letters from stamps


def test_set_before_it_is_shown(explorer):
    explorer.set(x=0.5)
    assert explorer.widget.children[1].children[0].value == 0.5


def test_several_controls_are_set_at_once_on_the_page(explorer):
    said = explorer.widget.children[-1]
    explorer.set(x=0.75, side="right", doubled=True)
    assert explorer.values == {"x": 0.75, "side": "right", "doubled": True}
    assert "x is 0.50" in said.value


def test_whole_numbers_stay_whole():
    widget = Slider("n", 1, 20, 1, 5).widget()
    assert isinstance(widget.value, int)
    assert Slider("x", 0, 1, 0.05, 0.5).widget().readout_format == ".2f"
    assert Choice("a", tuple("abcdef"), "b", as_list=True).widget().value == "b"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"y": 1}, "no control 'y': it has x, side, doubled"),
        ({"x": 2}, "'x' must be a number from 0 to 1, not 2"),
        ({"x": "far"}, "'x' must be a number from 0 to 1, not 'far'"),
        ({"side": "up"}, r"'side' must be one of \['left', 'right'\], not 'up'"),
        ({"doubled": 1}, "'doubled' must be True or False, not 1"),
    ],
)
def test_bad_values(explorer, values, message):
    with pytest.raises(mt.DataError, match=message):
        explorer.answer(**values)
    with pytest.raises(mt.DataError, match=message):
        explorer.set(**values)


def test_what_a_notebook_stores(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == "Explorer: Where? Shown: x is 0.25 < 3."
    picture = base64.b64decode(bundle["image/png"])
    assert Image.open(io.BytesIO(picture)).size == (400, 300)
    assert picture == explorer.png()
    model = bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert model == explorer.widget.model_id


def test_unknown_name():
    with pytest.raises(
        AttributeError, match=r"mixedteach\.explore has no 'liklihood'\. Did you mean 'likelihood'"
    ):
        mt.explore.liklihood  # noqa: B018
    with pytest.raises(AttributeError, match=r"mixedteach\.plot has no 'qwx': it has"):
        mt.plot.qwx  # noqa: B018


def test_every_public_name_exists():
    for room in (mt.plot, mt.explore):
        for name in room.__all__:
            thing = getattr(room, name)
            assert callable(thing), name
            assert thing.__doc__, name
