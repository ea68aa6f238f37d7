"""Software and blind readers are compared question by question; whoever saw the finding first is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Role, SoftwareVersion
from fluorospread.model.findings import ContrastMethod, ContrastStatus, Junction
from fluorospread.model.geometry import UNKNOWN_ORIENTATION, Geometry, GeometrySource
from fluorospread.model.radiograph import PolaritySource, Quantity
from fluorospread.model.review import EventKind, Reading, ReviewEvent
from fluorospread.model.spread import Answer, Coverage
from fluorospread.model.verdict import Outcome, Puncture, PunctureSource, Verdict
from fluorospread.pipeline.apply_review import subject_of
from fluorospread.pipeline.case_reviews import CaseReviews
from fluorospread.pipeline.compare_readers import case_readings
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.reporting.cohort_summary import SOFTWARE
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

PROTOCOL = load_protocol(DEFAULT_PROTOCOL)
SIGNED = (EventKind.OPENED, EventKind.FIRST_READ, EventKind.REVEALED, EventKind.SIGNED)
MakeReading = Callable[..., Reading]
MakeEvents = Callable[..., list[ReviewEvent]]


@pytest.fixture
def case() -> CaseResult:
    """Left needle at L5 and L4 covered on the left; nothing found on the right. Rows of 0.5 mm, L5 in row 300."""
    image = CaseImage(
        path="needle.png",
        sha256="1" * 64,
        role=Role.NEEDLE,
        role_source="file name",
        rows=400,
        cols=400,
        frames=1,
        sop_instance_uid="",
        geometry=Geometry((0.5, 0.4), GeometrySource.GIVEN, 0.0),
        orientation=UNKNOWN_ORIENTATION,
        quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.GIVEN,
        junctions=(Junction(Level.L5, Side.LEFT, (300.0, 250.0), 0.9, 2.0),),
    )
    return CaseResult(
        case_id="P1-01",
        software=SoftwareVersion("fluorospread", "0.1.0", "f" * 64),
        protocol_name=PROTOCOL.name,
        protocol_sha256=PROTOCOL.sha256,
        contrast_given=True,
        images=(image,),
        reference_image=0,
        contrast=ContrastResult(ContrastStatus.NOT_IMAGED, ContrastMethod.NONE, "built by hand"),
        coverage=(Coverage(Level.L4, Side.LEFT, Answer.YES, "inside"),),
        punctures=(Puncture(Side.LEFT, Level.L5, PunctureSource.NEEDLE_TIP, Answer.YES, "near"),),
        flags=(),
        verdict=Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.UNDETERMINED, ()),
    )


@pytest.fixture
def read(case: CaseResult, tmp_path: Path, make_events: MakeEvents) -> Callable[..., CaseReviews]:
    """Writes readers' steps to a store: each (name, kinds, reading)."""

    def write(*readers: tuple[str, tuple[EventKind, ...], Reading | None]) -> CaseReviews:
        store = ReviewStore(str(tmp_path / "reviews.sqlite"))
        for name, kinds, reading in readers:
            key = open_reader_key(name, tmp_path)
            for event in make_events(name, kinds, reading):
                store.append(replace(event, subject=subject_of(case)), key)
        return CaseReviews(store)

    return write


def test_the_finding_answers_the_readers_questions(case: CaseResult, read: Callable[..., CaseReviews]) -> None:
    said = case_readings(case, read(("A", SIGNED, None)))
    assert said.answers[SOFTWARE] == {
        "level seen, left (target L5)": "L5",
        "at target L5, left": "yes",
        "level seen, right (target L5)": "can't tell",
        "at target L5, right": "undetermined",
        "L4 covered, left": "yes",
        "L4 covered, right": "undetermined",
        "L5 covered, left": "undetermined",
        "L5 covered, right": "undetermined",
    }
    assert said.answers[SOFTWARE].keys() < said.answers["A"].keys()  # aberrant flow is asked of readers only
    assert said.answers["A"]["L4 covered, right"] == "yes"
    assert said.decision == "verified (A)"


def test_a_reader_who_saw_the_finding_first_is_left_out(case: CaseResult, read: Callable[..., CaseReviews]) -> None:
    seen = (EventKind.OPENED, EventKind.RESULT_SEEN, *SIGNED[1:])
    said = case_readings(case, read(("A", SIGNED, None), ("B", seen, None)))
    assert set(said.answers) == {SOFTWARE, "A"}
    assert said.not_blind == ("B",)


def test_marks_are_compared_in_mm_where_reader_and_target_name_the_same_level(
    case: CaseResult, read: Callable[..., CaseReviews], make_reading: MakeReading
) -> None:
    reading = make_reading()
    marked = replace(
        reading,
        punctures=(replace(reading.punctures[0], marked_px=(304.0, 251.0)), reading.punctures[1]),
    )
    elsewhere = make_reading(left=(Level.L4, Answer.NO))
    elsewhere = replace(
        elsewhere, punctures=(replace(elsewhere.punctures[0], marked_px=(200.0, 251.0)), elsewhere.punctures[1])
    )
    said = case_readings(case, read(("A", SIGNED, marked), ("B", SIGNED, elsewhere)))
    name = "row of the L5 junction, left (mm)"
    assert said.measures[SOFTWARE] == {name: 150.0}
    assert said.measures["A"] == {name: 152.0}
    assert said.measures["B"] == {}
    assert said.decision == "readers differ"


def test_without_a_scale_nothing_is_measured(case: CaseResult, read: Callable[..., CaseReviews]) -> None:
    from fluorospread.model.geometry import NO_SCALE

    reviews = read(("A", SIGNED, None))
    bare = replace(case, images=(replace(case.images[0], geometry=NO_SCALE),))
    assert case_readings(bare, reviews).measures == {"A": {}, SOFTWARE: {}}


def test_a_case_nobody_read_says_nothing(case: CaseResult, read: Callable[..., CaseReviews]) -> None:
    assert case_readings(case, read()).answers == {}
    assert case_readings(case, CaseReviews(None)).answers == {}
