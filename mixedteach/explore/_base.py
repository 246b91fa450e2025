"""The machinery of every explorer: controls -> plain function -> picture.

A slider that lags teaches nothing. So the figure is drawn once; what moves is drawn over a stored
picture of what does not, by matplotlib's Agg renderer, and the pixels go to the page in one
``widgets.Image``: as JPEG, packed eight times as fast as PNG, and written into the address of the
image, so that the browser has it at once and need not ask for it (8 ms less); words that change are
stamped from letters drawn before. That takes 5 to 10 ms, where a new inline figure takes 100.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from mixedteach.errors import DataError, MixedTeachError
from mixedteach.explore._letters import Letters
from mixedteach.plot._style import style

DPI = 100
Answer = Mapping[str, Any]
Moving = TypeVar("Moving", bound=Artist)


@dataclass(frozen=True)
class Slider:
    """A control for a number; ``step`` is one press of an arrow key."""

    label: str
    low: float
    high: float
    step: float
    start: float

    def widget(self) -> Any:
        """Return the ipywidgets slider (for whole numbers if step and start are whole)."""
        import ipywidgets as widgets

        whole = all(float(v).is_integer() for v in (self.low, self.high, self.step, self.start))
        kind, cast = (widgets.IntSlider, int) if whole else (widgets.FloatSlider, float)
        places = max(0, len(f"{self.step:.10f}".rstrip("0").split(".")[1]))
        return kind(
            value=cast(self.start),
            min=cast(self.low),
            max=cast(self.high),
            step=cast(self.step),
            description=self.label,
            readout_format="d" if whole else f".{places}f",
            style={"description_width": "initial"},
            layout={"width": "430px"},
        )

    def check(self, value: Any) -> str | None:
        """Return what is wrong with a value, or None."""
        if isinstance(value, (int, float)) and self.low <= value <= self.high:
            return None
        return f"must be a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choice:
    """A control with a few named states: buttons, or a list where there are many."""

    label: str
    options: tuple[Any, ...]
    start: Any
    as_list: bool = False

    def widget(self) -> Any:
        """Return the ipywidgets control."""
        import ipywidgets as widgets

        common = {"options": self.options, "value": self.start, "description": self.label}
        wide = {"description_width": "initial"}
        if self.as_list:
            letters = max(len(str(option)) for option in self.options) + len(self.label)
            return widgets.Dropdown(**common, style=wide, layout={"width": f"{letters + 6}ch"})
        wide["button_width"] = "auto"
        return widgets.ToggleButtons(**common, style=wide, layout={"width": "max-content"})

    def check(self, value: Any) -> str | None:
        """Return what is wrong with a value, or None."""
        return None if value in self.options else f"must be one of {list(self.options)}"


@dataclass(frozen=True)
class Switch:
    """A control that is on or off."""

    label: str
    start: bool = False

    def widget(self) -> Any:
        """Return the ipywidgets checkbox."""
        import ipywidgets as widgets

        return widgets.Checkbox(value=self.start, description=self.label, indent=False)

    def check(self, value: Any) -> str | None:
        """Return what is wrong with a value, or None."""
        return None if isinstance(value, bool) else "must be True or False"


Control = Slider | Choice | Switch


class Picture(ABC):
    """A figure that is drawn once, and whose moving artists are drawn again for each answer.

    ``__init__`` of a subclass receives the empty figure: it makes the Axes and all artists, and
    passes those that will change through :meth:`moving`. :meth:`update` changes them. If it also
    changes something fixed (limits, ticks, titles that did not pass through ``moving``), it calls
    :meth:`redraw_all`.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self._moving: list[Artist] = []
        self._canvas = FigureCanvasAgg(figure)
        self._letters = Letters(self._canvas.get_renderer())
        self._background: Any = None

    def moving(self, artist: Moving) -> Moving:
        """Mark an artist as one that changes; they are drawn in this order."""
        artist.set_animated(True)
        self._moving.append(artist)
        return artist

    @abstractmethod
    def update(self, answer: Answer) -> None:
        """Set the moving artists to an answer."""

    def redraw_all(self) -> None:
        """Forget the stored background: the next picture is drawn in full (slower)."""
        self._background = None

    def png(self, answer: Answer) -> bytes:
        """Return the picture of an answer as a PNG file."""
        return self._file(answer, False, "PNG", optimize=True)

    def jpeg(self, answer: Answer) -> bytes:
        """Return the same as a JPEG file: larger, but ready in a moment."""
        return self._file(answer, True, "JPEG", quality=90, subsampling=0)

    def _file(self, answer: Answer, quick: bool, kind: str, **options: Any) -> bytes:
        """Draw and pack; quickly, or with all words as matplotlib sets them."""
        from PIL import Image

        with style():
            self.update(answer)
            if self._background is None:
                self._canvas.draw()  # leaves out what is marked as moving
                self.figure.set_layout_engine("none")  # the places stay what they are
                self._background = self._canvas.copy_from_bbox(self.figure.bbox)
            self._canvas.restore_region(self._background)
            renderer = self._canvas.get_renderer()
            for artist in self._moving:
                artist.draw(self._letters if quick and isinstance(artist, Text) else renderer)
        pixels = self._canvas.buffer_rgba()
        out = io.BytesIO()
        image = Image.frombuffer("RGBX", pixels.shape[1::-1], pixels, "raw", "RGBX", 0, 1)
        (image if quick else image.convert("RGB")).save(out, kind, **options)  # JPEG takes RGBX
        return out.getvalue()


class Explorer:
    """A question, controls, and a picture that follows them.

    Parameters
    ----------
    question : str
        What the reader is to find out by moving the controls.
    controls : dict
        Argument of `answer` -> :class:`Slider`, :class:`Choice` or :class:`Switch`.
    answer : callable
        Plain function of the controls' values; returns a dictionary.
    picture : callable
        Takes an empty Figure, returns a :class:`Picture`.
    words : callable
        Takes the answer, returns one or two sentences with the numbers that matter.
    size : (float, float)
        Of the picture in inches, 100 pixels each.

    Notes
    -----
    In a notebook the last line ``mt.explore.likelihood(m)`` shows it. ``explorer.answer(theta=1)``
    returns the numbers, ``explorer.set(theta=1)`` moves a control, ``explorer.png()`` is the
    picture as it stands. A notebook that is read without Python shows that picture.
    """

    def __init__(
        self,
        question: str,
        controls: Mapping[str, Control],
        answer: Callable[..., Answer],
        picture: Callable[[Figure], Picture],
        words: Callable[[Answer], str],
        size: tuple[float, float] = (9.0, 4.2),
    ) -> None:
        self.question = " ".join(question.split())
        self.controls = dict(controls)
        self._answer = answer
        self._words = words
        with style():
            self._picture = picture(Figure(figsize=size, dpi=DPI, layout="constrained"))
        self._values = {name: control.start for name, control in self.controls.items()}
        self._widget: Any = None
        self._inputs: dict[str, Any] = {}

    # -- without widgets -----------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Any]:
        """Where the controls stand."""
        return dict(self._values)

    def _checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in values.items():
            if name not in self.controls:
                raise DataError(
                    f"This explorer has no control '{name}': it has {', '.join(self.controls)}."
                )
            wrong = self.controls[name].check(value)
            if wrong:
                raise DataError(f"The control '{name}' {wrong}, not {value!r}.")
        return {**self._values, **values}

    def answer(self, **values: Any) -> Answer:
        """Return the numbers for these values; controls not named stay where they stand."""
        return self._answer(**self._checked(values))

    def words(self, **values: Any) -> str:
        """Return the numbers in a sentence."""
        return self._words(self.answer(**values))

    def png(self, **values: Any) -> bytes:
        """Return the picture for these values as a PNG file."""
        return self._picture.png(self.answer(**values))

    def set(self, **values: Any) -> Explorer:
        """Move controls, on the page too if it is shown; return the explorer."""
        # each box that moves writes the values of all, as they then are: into a dict of its own
        wanted = self._values = self._checked(values)
        for name in values:
            if name in self._inputs:
                self._inputs[name].value = wanted[name]
        return self

    def __repr__(self) -> str:
        return f"Explorer: {self.question} Shown: {self._plain(self.words())}"

    @staticmethod
    def _plain(words: str) -> str:
        return " ".join(words.split())

    # -- with widgets --------------------------------------------------------------------------

    @property
    def widget(self) -> Any:
        """The ipywidgets box: question, controls, picture, words."""
        if self._widget is None:
            self._widget = self._box()
        return self._widget

    def _box(self) -> Any:
        import ipywidgets as widgets

        self._inputs = {name: control.widget() for name, control in self.controls.items()}
        width = f"{self._picture.figure.bbox.width:.0f}px"
        image = widgets.Image(format="url", layout={"width": width, "max_width": "100%"})
        said = widgets.HTML()

        def show(change: Any = None) -> None:
            self._values = {name: box.value for name, box in self._inputs.items()}
            try:
                answer = self._answer(**self._values)
                image.value = b"data:image/jpeg;base64," + b64encode(self._picture.jpeg(answer))
                said.value = f"<b>{escape(self._plain(self._words(answer)))}</b>"
            except MixedTeachError as error:  # a state that has no answer is said, not raised
                said.value = f"<b>{escape(str(error))}</b>"

        for name, box in self._inputs.items():
            box.value = self._values[name]
            box.observe(show, names="value")
        show()
        return widgets.VBox(
            [
                widgets.HTML(f"<b>Find out:</b> {escape(self.question)}"),
                *self._arranged(list(self._inputs.values())),
                image,
                said,
            ]
        )

    @staticmethod
    def _arranged(inputs: Sequence[Any]) -> list[Any]:
        """Put two controls in a row."""
        import ipywidgets as widgets

        rows = [list(inputs[i : i + 2]) for i in range(0, len(inputs), 2)]
        return [widgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Show the controls where Python runs; otherwise the picture, otherwise the words."""
        bundle = dict(self.widget._repr_mimebundle_())
        bundle["image/png"] = b64encode(self.png()).decode("ascii")
        bundle["text/plain"] = repr(self)
        return bundle
