"""The data of the course: one table that says what each file holds, and a ``load_*`` for each.

Every loader returns a fresh DataFrame in long format. Factors are Categoricals whose first level
is the reference level (the order is the one the R references use); numbers are numbers. What
belongs to the data travels with them in ``frame.attrs``: ``name``, ``source``, ``licence``,
``note`` and ``units`` (column -> unit, "" where there is none). The file ``datasets/README.md``
tells the story of each.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import pandas as pd

from mixedteach.errors import DataError, listed
from mixedteach.paths import resource

__all__ = [
    "load_machines",
    "load_oats",
    "load_orthodont",
    "load_penicillin",
    "load_planks",
    "load_sleepstudy",
    "load_tablets",
    "load_tablets_missing",
]


@dataclass(frozen=True)
class Column:
    """One column: a factor (with its levels, or () for natural order) or a number (None)."""

    unit: str = ""
    levels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """What is known of one file; the checksum is of its text with Unix newlines."""

    name: str
    columns: Mapping[str, Column]
    source: str
    licence: str
    sha256: str
    note: str = ""

    @property
    def file(self) -> str:
        """The file's name in ``datasets/``."""
        return f"{self.name}.csv"


def _factor(*levels: str) -> Column:
    return Column(levels=levels)


_TABLETS_COLUMNS = {
    "tablet": _factor(),
    "method": _factor("nir", "hplc"),
    "content": Column("%"),
}
_TABLETS_SOURCE = (
    "Measurements provided by Lundbeck A/S for the course Analysis of Correlated Data: Mixed "
    "Linear Models of the Technical University of Denmark; printed in the lecture."
)
_TABLETS_LICENCE = "No licence stated; a short table of measurements, quoted with its source."
_PLANKS_COLUMNS = {
    "plank": _factor(),
    "width": _factor("1", "2", "3"),
    "depth": _factor("1", "3", "5", "7", "9"),
    "humidity": Column("%"),
}
_PLANKS_SOURCE = "The Royal Veterinary and Agricultural University, Denmark."

DATASETS: dict[str, Dataset] = {
    entry.name: entry
    for entry in (
        Dataset(
            "tablets",
            _TABLETS_COLUMNS,
            source=_TABLETS_SOURCE,
            licence=_TABLETS_LICENCE,
            sha256="548f35f4f0ccfea503cb40db70dbd40f0c473ade0c25ace54bdec5228fa44ac2",
        ),
        Dataset(
            "tablets_missing",
            _TABLETS_COLUMNS,
            source=_TABLETS_SOURCE,
            licence=_TABLETS_LICENCE,
            sha256="20de41568d2b41c532b3047b1d65d2e0c068208e27758b02bde71e2364b52d48",
            note="Ten of the forty readings are missing: tablets 11 to 20 were measured once.",
        ),
        Dataset(
            "oats",
            {
                "block": _factor("I", "II", "III", "IV", "V", "VI"),
                "variety": _factor("Golden.rain", "Marvellous", "Victory"),
                "nitrogen": _factor("0.0cwt", "0.2cwt", "0.4cwt", "0.6cwt"),
                "yield": Column("1/4 lb per sub-plot of 1/80 acre"),
            },
            source="Yates, F. (1935). Complex experiments. Supplement to the Journal of the Royal "
            "Statistical Society 2, 181-247.",
            licence="As distributed with the R package MASS (GPL-2 or GPL-3); columns renamed.",
            sha256="2b77c0d35326e91fd1d0dbbc54c8ec6e3fed75508f8fcd57a26d3b7c993d8526",
        ),
        Dataset(
            "sleepstudy",
            {"Reaction": Column("ms"), "Days": Column("d"), "Subject": _factor()},
            source="Belenky, G. et al. (2003). Patterns of performance degradation and "
            "restoration during sleep restriction and subsequent recovery: a sleep dose-response "
            "study. Journal of Sleep Research 12, 1-12.",
            licence="As distributed with the R package lme4 (GPL-2 or later).",
            sha256="2918bbddf750e78003059efa97b94885b85c4d7927c22a19c29f7fa5a184c59d",
            note="Days 0 and 1 were adaptation and training, day 2 the baseline.",
        ),
        Dataset(
            "penicillin",
            {"diameter": Column("mm"), "plate": _factor(), "sample": _factor()},
            source="Davies, O. L. and Goldsmith, P. L., eds (1972). Statistical Methods in "
            "Research and Production, 4th edition, section 6.6. Oliver and Boyd.",
            licence="As distributed with the R package lme4 (GPL-2 or later).",
            sha256="8d7e09b5c2519c595a7515028cba5ea149dcd9f99aa08e423534bd139a1eae1f",
        ),
        Dataset(
            "machines",
            {
                "Worker": _factor(),
                "Machine": _factor("A", "B", "C"),
                "score": Column("points"),
            },
            source="Milliken, G. A. and Johnson, D. E. (1992). Analysis of Messy Data, Volume I: "
            "Designed Experiments, page 285. Chapman and Hall.",
            licence="As distributed with the R package nlme (GPL-2 or later).",
            sha256="943135b7736fda1b52d2d67412bd2917998877f2e905bc757c15ab267e2a5b13",
        ),
        Dataset(
            "orthodont",
            {
                "distance": Column("mm"),
                "age": Column("yr"),
                "Subject": _factor(),
                "Sex": _factor("Male", "Female"),
            },
            source="Potthoff, R. F. and Roy, S. N. (1964). A generalized multivariate analysis of "
            "variance model useful especially for growth curve problems. Biometrika 51, 313-326.",
            licence="As distributed with the R package nlme (GPL-2 or later).",
            sha256="ca7c0296405bb2bd5959cd5fff7c50a5035606f16ac308c7797f58666fcd7aa1",
        ),
        Dataset(
            "planks",
            _PLANKS_COLUMNS,
            source=f"Reconstruction by datasets/make_planks.py, after data of: {_PLANKS_SOURCE}",
            licence="BSD-3-Clause, as the package: the readings are artificial.",
            sha256="dd3b404179574b5bcbbaf83d1c032308b5891d025f1ab104d010e5b7180d1216",
            note="A reconstruction: cell means and covariances over planks are the original's, "
            "single values are not. Residuals and predictions of single planks prove nothing.",
        ),
    )
}


def load_tablets(wide: bool = False) -> pd.DataFrame:
    """Load ten tablets, each measured once by NIR and once by HPLC.

    Near infrared spectroscopy (NIR) is quick and leaves the tablet whole; liquid chromatography
    (HPLC) is the laborious reference. Do they agree?

    Parameters
    ----------
    wide : bool, default False
        False: one row per reading. True: one row per tablet, one column per method.

    Returns
    -------
    pandas.DataFrame
        20 rows (wide: 10) with the columns

        - ``tablet``: factor, "1" to "10";
        - ``method``: factor, "nir" (the reference level) and "hplc";
        - ``content``: content of active substance in %.

        In wide format ``tablet``, ``nir`` and ``hplc``, both in %.

    Notes
    -----
    Source: measurements provided by Lundbeck A/S for the course *Analysis of Correlated Data:
    Mixed Linear Models* of the Technical University of Denmark; printed in the lecture.

    Examples
    --------
    >>> tablets = load_tablets()
    >>> tablets.head(2)
      tablet method  content
    0      1   hplc     10.4
    1      1    nir     10.1
    >>> wide = load_tablets(wide=True)
    >>> float((wide["hplc"] - wide["nir"]).mean().round(2))
    -0.05
    """
    return _tablets("tablets", wide)


def load_tablets_missing(wide: bool = False) -> pd.DataFrame:
    """Load twenty tablets of which only ten were measured by both methods.

    Tablets 1 to 10 are those of `load_tablets`; 11 to 15 were measured by NIR alone, 16 to 20 by
    HPLC alone. The missing readings are kept as missing values.

    Parameters
    ----------
    wide : bool, default False
        False: one row per reading. True: one row per tablet, one column per method.

    Returns
    -------
    pandas.DataFrame
        40 rows (wide: 20), 10 readings missing, with the columns

        - ``tablet``: factor, "1" to "20";
        - ``method``: factor, "nir" (the reference level) and "hplc";
        - ``content``: content of active substance in %.

        In wide format ``tablet``, ``nir`` and ``hplc``, both in %.

    Notes
    -----
    Source: measurements provided by Lundbeck A/S for the course *Analysis of Correlated Data:
    Mixed Linear Models* of the Technical University of Denmark; printed in the lecture.

    Examples
    --------
    >>> tablets = load_tablets_missing()
    >>> int(tablets["content"].count()), len(tablets)
    (30, 40)
    >>> load_tablets_missing(wide=True).tail(2)
       tablet  nir  hplc
    18     19  NaN  10.2
    19     20  NaN   9.9
    """
    return _tablets("tablets_missing", wide)


def load_oats() -> pd.DataFrame:
    """Load the yields of a split-plot field trial of oats.

    Six blocks have three whole plots each; a whole plot is sown with one variety and divided into
    four sub-plots that get four amounts of nitrogen.

    Returns
    -------
    pandas.DataFrame
        72 rows with the columns

        - ``block``: factor, "I" to "VI";
        - ``variety``: factor, "Golden.rain", "Marvellous" and "Victory";
        - ``nitrogen``: factor, "0.0cwt", "0.2cwt", "0.4cwt" and "0.6cwt" (hundredweight per
          acre);
        - ``yield``: 1/4 lb per sub-plot of 1/80 acre.

    Notes
    -----
    Where nitrogen is wanted as a number of hundredweight per acre:
    ``oats["nitrogen"].str.removesuffix("cwt").astype(float)``.

    Source: Yates, F. (1935). Complex experiments. Supplement to the Journal of the Royal
    Statistical Society 2, 181-247.

    Examples
    --------
    >>> oats = load_oats()
    >>> oats.groupby("nitrogen", observed=True)["yield"].mean().round(1).to_list()
    [79.4, 98.9, 114.2, 123.4]
    """
    return _load("oats")


def load_sleepstudy() -> pd.DataFrame:
    """Load reaction times of 18 people over ten days of too little sleep.

    From the third day on they spent three hours a night in bed. Days 0 and 1 were adaptation and
    training, day 2 is the baseline.

    Returns
    -------
    pandas.DataFrame
        180 rows with the columns

        - ``Reaction``: average reaction time of the day in ms;
        - ``Days``: day of the study in d, 0 to 9;
        - ``Subject``: factor, "308" to "372".

    Notes
    -----
    Source: Belenky, G. et al. (2003). Patterns of performance degradation and restoration during
    sleep restriction and subsequent recovery: a sleep dose-response study. Journal of Sleep
    Research 12, 1-12.

    Examples
    --------
    >>> sleep = load_sleepstudy()
    >>> sleep.groupby("Days")["Reaction"].mean().round().loc[[0, 9]].to_list()
    [257.0, 351.0]
    """
    return _load("sleepstudy")


def load_penicillin() -> pd.DataFrame:
    """Load the inhibition zones of six penicillin samples on 24 plates.

    Every sample was tested once on every plate: two crossed random factors.

    Returns
    -------
    pandas.DataFrame
        144 rows with the columns

        - ``diameter``: diameter of the zone without growth in mm;
        - ``plate``: factor, "a" to "x";
        - ``sample``: factor, "A" to "F".

    Notes
    -----
    Source: Davies, O. L. and Goldsmith, P. L., eds (1972). Statistical Methods in Research and
    Production, 4th edition, section 6.6. Oliver and Boyd.

    Examples
    --------
    >>> penicillin = load_penicillin()
    >>> penicillin["plate"].nunique(), penicillin["sample"].nunique()
    (24, 6)
    """
    return _load("penicillin")


def load_machines() -> pd.DataFrame:
    """Load the productivity of six workers on three machines.

    Each worker used each machine three times.

    Returns
    -------
    pandas.DataFrame
        54 rows with the columns

        - ``Worker``: factor, "1" to "6";
        - ``Machine``: factor, "A", "B" and "C";
        - ``score``: points, for the number and quality of the parts made.

    Notes
    -----
    Source: Milliken, G. A. and Johnson, D. E. (1992). Analysis of Messy Data, Volume I: Designed
    Experiments, page 285. Chapman and Hall.

    Examples
    --------
    >>> machines = load_machines()
    >>> machines.groupby("Machine", observed=True)["score"].mean().round(2).to_list()
    [52.36, 60.32, 66.27]
    """
    return _load("machines")


def load_orthodont() -> pd.DataFrame:
    """Load the growth of a distance in the skull of 16 boys and 11 girls.

    The distance from the pituitary gland to the pterygomaxillary fissure was read off X-ray
    pictures at ages 8, 10, 12 and 14.

    Returns
    -------
    pandas.DataFrame
        108 rows with the columns

        - ``distance``: in mm;
        - ``age``: in yr;
        - ``Subject``: factor, "F01" to "F11" and "M01" to "M16";
        - ``Sex``: factor, "Male" (the reference level) and "Female".

    Notes
    -----
    Source: Potthoff, R. F. and Roy, S. N. (1964). A generalized multivariate analysis of variance
    model useful especially for growth curve problems. Biometrika 51, 313-326.

    Examples
    --------
    >>> growth = load_orthodont()
    >>> growth.head(2)
       distance  age Subject   Sex
    0      26.0    8     M01  Male
    1      25.0   10     M01  Male
    """
    return _load("orthodont")


def load_planks(original: bool = False) -> pd.DataFrame:
    """Load the humidity of 20 dried beech planks at 3 widths x 5 depths (a reconstruction).

    The readings of the original experiment may not be passed on with this package. These planks
    are artificial: normal random numbers, moved and stretched until the 15 cell means and the
    15 x 15 covariance of the cells over planks are those of the original.

    *The same as the original*, to eight digits or more: estimates, likelihoods, F and p of every
    Gaussian model in which planks are independent and alike, from the analysis of variance to
    random planks, widths and depths within planks, an unstructured covariance, AR(1), unequal
    variances or a paired t-test of plank means.

    *Not the same*: the single values, the predictions of single planks (BLUPs), the residuals,
    and any analysis of a subset of the planks. Residual pictures of these planks look normal
    because they were made so; they prove nothing about the wood.

    Parameters
    ----------
    original : bool, default False
        True: download the original file (once; then it is kept in the user's cache folder) and
        check that it is the one the reconstruction was made from. This needs the internet.

    Returns
    -------
    pandas.DataFrame
        300 rows with the columns

        - ``plank``: factor, "1" to "20";
        - ``width``: factor, "1", "2" and "3" (position across the plank);
        - ``depth``: factor, "1", "3", "5", "7" and "9" (position through the plank);
        - ``humidity``: in %. The original was read to one decimal: show one.

    Raises
    ------
    DataError
        If `original` is asked for and the file cannot be had or has changed.

    Notes
    -----
    Width and depth are factors. Where a number is wanted, as in a regression on depth:
    ``planks["depth"].astype(int)``.

    Source: after data of the Royal Veterinary and Agricultural University, Denmark. The facts the
    reconstruction keeps are in ``datasets/planks_facts.json``, the recipe is
    ``datasets/make_planks.py``.

    Examples
    --------
    >>> planks = load_planks()
    >>> planks.groupby("width", observed=True)["humidity"].mean().round(3).to_list()
    [5.514, 5.786, 5.099]
    >>> print(planks.attrs["note"][:16])
    A reconstruction
    """
    if not original:
        return _load("planks")
    facts = json.loads(resource("datasets", "planks_facts.json").read_text(encoding="utf-8"))
    return _original_planks(facts["original_url"], facts["sha256_of_original_file"])


def _load(name: str) -> pd.DataFrame:
    """Read, check and type the packaged file of this name."""
    entry = DATASETS[name]
    text = resource("datasets", entry.file).read_bytes().replace(b"\r\n", b"\n")
    if hashlib.sha256(text).hexdigest() != entry.sha256:
        raise DataError(
            f"datasets/{entry.file} was changed: it is no longer the file that the lessons and "
            f"their numbers are about. Restore it (git checkout datasets/{entry.file}, or install "
            "mixedteach anew); to analyse your own version read it with pandas.read_csv."
        )
    return _typed(
        pd.read_csv(BytesIO(text), dtype=_strings(entry.columns)),
        entry.columns,
        name=entry.name,
        source=entry.source,
        licence=entry.licence,
        note=entry.note,
    )


def _strings(columns: Mapping[str, Column]) -> dict[str, type]:
    """Return the dtype argument that makes pandas read factors as they are written."""
    return {name: str for name, column in columns.items() if column.levels is not None}


def _typed(frame: pd.DataFrame, columns: Mapping[str, Column], **attrs: str) -> pd.DataFrame:
    """Give factors their level order and the frame its attributes."""
    for name, column in columns.items():
        if column.levels is not None:
            levels = column.levels or sorted(frame[name].unique(), key=_natural)
            frame[name] = pd.Categorical(frame[name], categories=list(levels))
    frame.attrs = {**attrs, "units": {name: column.unit for name, column in columns.items()}}
    return frame


def _natural(label: str) -> list[str | int]:
    """Sort key that puts "2" before "10" and "M2" before "M10"."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", label)]


def _tablets(name: str, wide: bool) -> pd.DataFrame:
    long = _load(name)
    if not wide:
        return long
    frame = long.pivot(index="tablet", columns="method", values="content")
    # Plain column names: a categorical header would refuse new columns such as a difference.
    frame.columns = [str(column) for column in frame.columns]
    frame = frame.reset_index()
    unit = long.attrs["units"]["content"]
    frame.attrs = long.attrs | {"units": {"tablet": "", "nir": unit, "hplc": unit}}
    return frame


def _original_planks(url: str, sha256: str, folder: Path | None = None) -> pd.DataFrame:
    """Download the planks (or take them from the cache folder) and type them as ours."""
    import pooch  # on use: it brings the whole of requests

    instead = "use the reconstruction, load_planks(), which gives the same estimates and tests"
    try:
        file = pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}",
            fname="planks_original.txt",
            path=folder or pooch.os_cache("mixedteach"),
            downloader=pooch.HTTPDownloader(timeout=30),
        )
    except OSError as error:  # requests' errors are OSErrors, a full or locked disk is one too
        raise DataError(
            f"The original planks could not be downloaded ({type(error).__name__}): {instead}, "
            "or try again when the internet can be reached."
        ) from error
    except ValueError as error:  # pooch: the checksum differs
        raise DataError(
            f"The file at {url} is no longer the one the reconstruction was made from (its "
            f"checksum differs), so it was not used: {instead}."
        ) from error
    # Commas, tabs or blanks: such tables circulate with either.
    text = Path(file).read_text(encoding="utf-8").replace(",", " ")
    frame = pd.read_csv(StringIO(text), sep=r"\s+", dtype=_strings(_PLANKS_COLUMNS))
    missing = [name for name in _PLANKS_COLUMNS if name not in frame]
    if missing:
        raise DataError(f"The file at {url} has no column {listed(missing)}: {instead}.")
    return _typed(
        frame[list(_PLANKS_COLUMNS)].reset_index(drop=True),
        _PLANKS_COLUMNS,
        name="planks",
        source=_PLANKS_SOURCE,
        licence="No licence stated: for your own use, do not pass it on.",
        note="The original readings, downloaded.",
    )
