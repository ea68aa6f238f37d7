"""Finished cases and cohorts as scripts and notebooks hold them: they show themselves and become data frames.

Nothing is computed here; a case is what `verify_case` found or what its folder holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any

from fluorospread.errors import UsageError
from fluorospread.model.case import CaseResult
from fluorospread.model.cohort import Cohort
from fluorospread.model.verdict import Outcome
from fluorospread.pipeline.report_case import report_verified
from fluorospread.pipeline.run_cohort_case import CaseRun, Status
from fluorospread.pipeline.verify_case import VerifiedCase
from fluorospread.pipeline.write_case import CASE_JSON, PICTURE_FILE, pictures_of, write_case
from fluorospread.reporting.case_json import read_case_json
from fluorospread.reporting.notebook import case_fragment, cohort_fragment
from fluorospread.reporting.result_rows import ResultRow, RowUnit, columns_of, result_rows
from fluorospread.reporting.wording import OUTCOME_WORDS

AnyPath = str | PathLike[str]


@dataclass(frozen=True, eq=False, repr=False)
class ShownCase(CaseResult):
    """A `CaseResult` that a notebook shows with its annotated picture; equal to the plain result of the same values.

    Attributes
    ----------
    verified
        The case with its images, straight after `verify_case`; None for one that was opened from its folder.
    folder
        Where an opened case was read from; None straight after `verify_case`.
    """

    verified: VerifiedCase | None = field(default=None, kw_only=True)
    folder: Path | None = field(default=None, kw_only=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CaseResult):
            return NotImplemented
        return all(getattr(self, item.name) == getattr(other, item.name) for item in fields(CaseResult))

    __hash__ = CaseResult.__hash__

    def __repr__(self) -> str:
        verdict = self.verdict
        return f"<case {self.case_id}: {verdict.outcome} (puncture {verdict.puncture}, coverage {verdict.coverage})>"

    def _repr_html_(self) -> str:
        return case_fragment(self, self.picture_png())

    def picture_png(self) -> bytes | None:
        """The annotated page as PNG; None where an opened case has none beside it."""
        if self.verified is not None:
            from fluorospread.reporting.figures import annotated_png

            return annotated_png(self, pictures_of(self.verified))
        path = None if self.folder is None else self.folder / PICTURE_FILE
        return path.read_bytes() if path is not None and path.is_file() else None

    def to_dataframe(self, unit: str = "case") -> Any:
        """This case as a `pandas.DataFrame`; see `to_dataframe`."""
        return to_dataframe([self], unit)

    def save(self, folder: AnyPath, report: bool = False) -> Path:
        """Write case.json, annotated picture and contrast mask into `folder`, and the QA report when asked.

        Returns
        -------
        Path
            Of the case.json.

        Raises
        ------
        UsageError
            The case was opened from a folder, where its files already are.
        OutputError
            The folder cannot be written.
        """
        if self.verified is None:
            raise UsageError(f"{self.case_id} was opened from {self.folder}, where its files are; copy that folder")
        target = Path(folder)
        written = write_case(self.verified, target)
        if report:
            report_verified(self.verified, written, target)
        return target / CASE_JSON


@dataclass(frozen=True, repr=False)
class CohortResult:
    """A cohort's run: iterate over it, or take a case by its name; results are read from disk when asked for.

    Attributes
    ----------
    cohort
        The cases as folder or manifest describe them, those excluded among them.
    runs
        What became of each case that is not excluded, in the cohort's order.
    folder, report
        Where the results are, and the cohort report among them.
    """

    cohort: Cohort
    runs: tuple[CaseRun, ...]
    folder: Path
    report: Path

    def __len__(self) -> int:
        return sum(run.status is not Status.FAILED for run in self.runs)

    def __iter__(self) -> Iterator[ShownCase]:
        return (self[run.case_id] for run in self.runs if run.status is not Status.FAILED)

    def __getitem__(self, case_id: str) -> ShownCase:
        if not any(run.case_id == case_id and run.status is not Status.FAILED for run in self.runs):
            raise KeyError(case_id)
        return open_case(self.folder / case_id)

    @property
    def failures(self) -> dict[str, str]:
        """Cases that could not be judged, and why."""
        return {
            run.case_id: f"{run.failure.kind}: {run.failure.message}" for run in self.runs if run.failure is not None
        }

    def to_dataframe(self, unit: str = "case") -> Any:
        """The cohort as a `pandas.DataFrame`, with each case's patient and group.

        With "case" every case of the cohort has a row, `excluded` and `failure` saying why one was not judged; the
        other units have rows of judged cases only. See `to_dataframe` for the units.
        """
        chosen = _unit(unit)
        judged = {run.case_id for run in self.runs if run.status is not Status.FAILED}
        failures, rows = self.failures, list[ResultRow]()
        for case in self.cohort.cases:
            known: ResultRow = {"patient": case.patient, "group": case.group}
            if chosen is RowUnit.CASE:
                known |= {"excluded": case.excluded, "failure": failures.get(case.case_id, "")}
            if case.case_id in judged:
                rows += [{**row, **known} for row in result_rows(self[case.case_id], chosen)]
            elif chosen is RowUnit.CASE:
                rows.append({"case_id": case.case_id, **known})
        extra = ("patient", "group", *(("excluded", "failure") if chosen is RowUnit.CASE else ()))
        return _frame(rows, ("case_id", *extra, *columns_of(chosen)[1:]))

    def __repr__(self) -> str:
        return f"<cohort {self.cohort.name}: {len(self)} of {len(self.cohort.cases)} cases judged, in {self.folder}>"

    def _repr_html_(self) -> str:
        excluded = sum(bool(case.excluded) for case in self.cohort.cases)
        outcomes = [case.verdict.outcome for case in self]
        counts = [("cases in the cohort", len(self.cohort.cases)), ("excluded", excluded)]
        counts.append(("could not be judged", len(self.failures)))
        counts += [
            (OUTCOME_WORDS[outcome], outcomes.count(outcome))
            for outcome in (Outcome.VERIFIED, Outcome.NOT_VERIFIED, Outcome.UNDETERMINED)
        ]
        return cohort_fragment(self.cohort.name, counts, list(self.failures.items()), str(self.report))


def open_case(folder: AnyPath) -> ShownCase:
    """A finished case from its folder, or from the case.json in it.

    Raises
    ------
    CaseFileError
        There is no case.json, or it does not fit its schema.
    """
    path = Path(folder)
    path = path if path.name == CASE_JSON else path / CASE_JSON
    return shown_case(read_case_json(path), folder=path.parent)


def to_dataframe(results: Iterable[CaseResult], unit: str = "case") -> Any:
    """Results as a `pandas.DataFrame`, one row a `unit`: "case", "puncture", "junction", "pool" or "criterion".

    Columns end in their unit of measure; `…_sd` is the 1-sd uncertainty of the column before it. What is not known
    is missing (None or NaN).

    Raises
    ------
    UsageError
        There is no such unit.
    """
    chosen = _unit(unit)
    return _frame([row for result in results for row in result_rows(result, chosen)], columns_of(chosen))


def _unit(name: str) -> RowUnit:
    try:
        return RowUnit(name)
    except ValueError:
        raise UsageError(f"no table has one row a {name!r}; choose {', '.join(RowUnit)}") from None


def _frame(rows: Sequence[ResultRow], columns: tuple[str, ...]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))


def shown_case(result: CaseResult, verified: VerifiedCase | None = None, folder: Path | None = None) -> ShownCase:
    """The result as scripts hold it, with its images or the folder it lies in."""
    values = {item.name: getattr(result, item.name) for item in fields(CaseResult)}
    return ShownCase(**values, verified=verified, folder=folder)
