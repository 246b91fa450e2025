"""What the runner sends, believed only as far as it has the right size and shape."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

_MOST_PIXELS = 20_000_000  # of a picture


@dataclass(frozen=True)
class Limits:
    """What a submission may use; all processes of a box share `memory_mb`."""

    seconds: float = 120
    cell_seconds: float = 40
    memory_mb: int = 2048
    processes: int = 64
    disk_mb: int = 200
    output_kb: int = 2000
    answer_kb: int = 1000


@dataclass
class CellRun:
    """What one code cell showed (outputs as in nbformat 4), and its time."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Return text without what no file, page or database takes."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


class Record:
    """What the runner has sent so far, believed only as far as it has the right shape."""

    def __init__(self, count: int, names: frozenset[str], limits: Limits) -> None:
        self.answers: dict[str, Any] = {}
        self.cells: list[CellRun] = []
        self.notes: list[str] = []
        self.cell = -1
        self.started = 0.0
        self.ready = self.done = self.flood = False
        self.over = threading.Event()
        self._count, self._names, self._limits = count, names, limits
        self._room = limits.output_kb * 1000
        self._longest = 8 * 1000 * max(limits.output_kb, limits.answer_kb)
        self._most = 20 * 1000 * (limits.output_kb + limits.answer_kb)
        self._total = 0
        self._line = bytearray()
        self._skip = False

    def take(self, chunk: bytes) -> None:
        """Take bytes from the channel."""
        self._total += len(chunk)
        if self._total > self._most:
            self.flood = True
            self.over.set()
        if self.over.is_set():  # what comes after the end is of no interest
            return
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            whole, self._line = bytes(self._line) + line, bytearray()
            if not self._skip:
                self._message(whole)
            self._skip = False
        self._line += rest
        if len(self._line) > self._longest:
            self._line.clear()
            self._skip = True

    def _message(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        match message:
            case {"ready": True}:
                self.ready = True
            case {"cell": int(number)} if number == self.cell + 1 and number < self._count:
                self.cell, self.started = number, time.monotonic()
                self.cells.append(CellRun())
            case {"end": int(number), "seconds": int() | float() as seconds} if self.cells:
                if number == self.cell and 0 <= seconds < 1e6:
                    self.cells[-1].seconds = float(seconds)
            case {"out": dict(output)} if self.cells:
                self._output(output)
            case {"answer": str(name), "value": value} if name in self._names:
                self._answer(name, value)
            case {"code": str(code)}:
                self._note(code, message.get("about"))
            case {"done": True}:
                self.done = True
                self.over.set()

    def _answer(self, name: str, value: Any) -> None:
        try:
            self.answers[name] = well_formed(value)
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            self._note("answer unreadable", name)

    def _note(self, code: str, about: Any) -> None:
        place = f"cell {self.cell + 1}"
        said = {
            "cell stopped": f"{place} was stopped after {self._limits.cell_seconds:g} s",
            "exit": f"the program ended itself in {place} (exit); the cells after it were run "
            "all the same",
            "output dropped": f"more than {self._limits.output_kb / 1000:g} MB of output: the "
            f"rest was dropped, from {place} on",
            "picture dropped": f"a picture of {place} was dropped: too large",
        }  # fmt: skip
        if isinstance(about, str) and about in self._names:
            if code.startswith("answer"):
                self.answers.pop(about, None)  # what stood there before is its value no more
            said["answer unreadable"] = f"the answer {about} could not be read as data in {place}"
            said["answer too large"] = (
                f"the answer {about} was left out: more than {self._limits.answer_kb} kB"
            )
        if code == "file did not fit":
            said[code] = f"the file '{printable(str(about))[:80]}' found no room"
        note = said.get(code)
        # the box writes no sentences of its own, and none twice
        known = code == "output dropped" and any("of output" in old for old in self.notes)
        if note and note not in self.notes and not known and len(self.notes) < 50:
            self.notes.append(note)

    def _output(self, output: dict[str, Any]) -> None:
        """Keep an output, rebuilt from the few parts that are wanted."""
        match output:
            case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
                text = self._within(text.replace("\r\n", "\n"))  # as terminals end lines
                last = self.cells[-1].outputs[-1:]
                if last and last[0].get("name") == name:
                    last[0]["text"] += text
                elif text:
                    kept = {"output_type": "stream", "name": name, "text": text}
                    self.cells[-1].outputs.append(kept)
            case {"output_type": "error", "ename": str(name), "evalue": str(value),
                  "traceback": [*lines]}:  # fmt: skip
                lines = [printable(line)[:2500] for line in lines[-8:] if isinstance(line, str)]
                if sum(out["output_type"] == "error" for out in self.cells[-1].outputs) < 3:
                    self.cells[-1].outputs.append({
                        "output_type": "error", "ename": printable(name)[:100],
                        "evalue": printable(value)[:2000], "traceback": lines,
                    })  # fmt: skip
            case {"output_type": "display_data" | "execute_result" as kind, "data": dict(data)}:
                kept = self._bundle(data)
                if kept:
                    shown = {"output_type": kind, "data": kept, "metadata": {}}
                    if kind == "execute_result":
                        shown["execution_count"] = self.cell + 1
                    self.cells[-1].outputs.append(shown)

    def _bundle(self, data: dict[str, Any]) -> dict[str, str]:
        kept = {}
        text, png = data.get("text/plain"), data.get("image/png")
        if isinstance(text, str) and (text := self._within(text)):
            kept["text/plain"] = text
        if isinstance(png, str) and len(png) <= self._room:
            drawn = picture(png)
            if drawn is None:
                self._note("picture dropped", None)
            else:
                self._room -= len(drawn)
                kept["image/png"] = drawn
        return kept

    def _within(self, text: str) -> str:
        if len(text) > self._room:
            self._note("output dropped", None)
        text = text[: self._room]
        self._room -= len(text)
        return printable(text)


_DRAWN = (b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"pHYs", b"IDAT", b"IEND")


def picture(text: str) -> str | None:
    """Return a PNG anew from its parts that draw, or None if it is none, or a huge one."""
    try:
        content = base64.b64decode(text.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return None
    signature = b"\x89PNG\r\n\x1a\n"
    if not content.startswith(signature):
        return None
    kept, kinds, place = [signature], [], len(signature)
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        chunk = content[place : place + 12 + length]
        kind = chunk[4:8]
        if len(chunk) != 12 + length or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            return None
        if not kinds and (kind != b"IHDR" or length != 13):
            return None
        if not kinds:
            width, height = struct.unpack_from(">II", chunk, 8)
            if not 0 < width * height <= _MOST_PIXELS:
                return None
        if kind in _DRAWN:
            kept.append(chunk)
        kinds.append(kind)
        place += len(chunk)
        if kind == b"IEND":
            break
    if kinds[-1:] != [b"IEND"] or b"IDAT" not in kinds:
        return None
    return base64.b64encode(b"".join(kept)).decode()


# -- the shape of plain data -----------------------------------------------------------------------


def well_formed(value: Any, depth: int = 6) -> dict[str, Any]:
    """Return plain data (of :mod:`mixedteach.checks.plain`) rebuilt, or raise: it may be forged."""
    if depth == 0:
        raise ValueError("too deep")
    kind = value["kind"]
    if kind == "nothing":
        return {"kind": kind}
    if kind == "other":
        return {"kind": kind, "type": _text(value["type"])}
    if kind == "word":
        return {"kind": kind, "value": _of(bool, value["value"])}
    if kind == "text":
        return {"kind": kind, "value": _text(value["value"])}
    if kind == "number":
        return {"kind": kind, "value": _number(value["value"])}
    if kind == "list":
        return {"kind": kind, "items": [well_formed(v, depth - 1) for v in _list(value["items"])]}
    if kind == "dict":
        keys = [_label(key) for key in _list(value["keys"])]
        items = [well_formed(v, depth - 1) for v in _list(value["items"], len(keys))]
        return {"kind": kind, "keys": keys, "items": items}
    if kind == "table":
        columns, index = (list(map(_label, _list(value[part]))) for part in ("columns", "index"))
        rows = [_list(row, len(columns)) for row in _list(value["rows"], len(index))]
        return {
            "kind": kind, "columns": columns, "names": list(map(_text, _list(value["names"]))),
            "index": index, "rows": [list(map(_entry, row)) for row in rows],
        }  # fmt: skip
    if kind == "model":
        return {
            "kind": kind, "formula": _text(value["formula"]), "nobs": _of(int, value["nobs"]),
            "fixed": {_text(k): _entry(v) for k, v in _of(dict, value["fixed"]).items()},
            "variances": [_number(v) for v in _list(value["variances"])],
            "residual": _number(value["residual"]),
        }  # fmt: skip
    if kind == "picture":
        return {"kind": kind, "axes": [_axes(axes) for axes in _list(value["axes"])]}
    raise ValueError("no such kind")


def _axes(value: Any) -> dict[str, Any]:
    lines = [
        {
            "label": _text(line["label"]),
            "x": list(map(_entry, _list(line["x"]))),
            "y": list(map(_entry, _list(line["y"], len(line["x"])))),
        }
        for line in _list(value["lines"])
    ]
    ticks = [_list(tick, 2) for tick in _list(value["xticks"])]
    return {
        **{part: _text(value[part]) for part in ("xlabel", "ylabel", "title")},
        "xticks": [[_entry(at), _text(label)] for at, label in ticks],
        "lines": lines,
    }


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"not {kind}")
    return value


def _list(value: Any, length: int | None = None) -> list[Any]:
    if length is not None and len(value) != length:
        raise ValueError("lengths differ")
    return _of(list, value)


def _text(value: Any) -> str:
    return printable(_of(str, value))


def _label(value: Any) -> Any:
    return [_text(part) for part in value] if isinstance(value, list) else _text(value)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float):
        raise ValueError("not a number")
    number = float(value)
    return number if math.isfinite(number) else None


def _entry(value: Any) -> float | str | None:
    return _text(value) if isinstance(value, str) else _number(value)
