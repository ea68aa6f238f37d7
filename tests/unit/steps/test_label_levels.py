"""The decision on a reading: when a numbering is confident, and what a person's word does to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluorospread.landmarks.decode_chain import STEP_RATIO, Chain
from fluorospread.landmarks.read_spine import Anchors, CloseUps, Reading
from fluorospread.model.anatomy import Level
from fluorospread.model.findings import Anchor, LevelStatus
from fluorospread.model.geometry import Orientation, RowsTowards
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.steps import label_levels as step
from fluorospread.steps.label_levels import COUNTED_FROM_RIB, FIVE_LUMBAR, LOWERED, LabelSettings, decide, label_levels

PITCH = 100.0
SETTINGS = LabelSettings()


def chain(first: int = 0, last: int = 7) -> Chain:
    rows = 900.0 - PITCH * np.concatenate([[0.0], np.cumsum(STEP_RATIO)])
    channels = tuple(range(first, last + 1))
    points = np.column_stack([rows, np.full(8, 400.0)])[first : last + 1]
    n = len(channels)
    return Chain(channels, points, np.full(n, -0.1), PITCH, {0: 0.999, -1: 0.0005, 1: 0.0005}, 15.0, np.zeros(n - 1))


def reading(**changes: object) -> Reading:
    good = Reading(
        chain(), Anchors(0.99, 0.98, 6), (0,) * 12, 0.99,
        looked_at(), 2.0, 1.0,
    )  # fmt: skip
    return replace(good, **changes)  # type: ignore[arg-type]


def looked_at(**found: object) -> CloseUps:
    """Close-ups without any doubt but what is `found`."""
    return CloseUps(np.full(5, 0.9), np.full(5, 0.05), np.full(5, 1.0), **found)  # type: ignore[arg-type]


def radiograph(**changes: object) -> Radiograph:
    pixels = np.zeros((1, 1000, 800), dtype=np.float32)
    plain = Radiograph(
        Path("x.dcm"), "", ArrayFrames(pixels), np.ones((1000, 800), dtype=bool), Quantity.RELATIVE,
        PolaritySource.GIVEN,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_sacrum_and_twelfth_rib_that_agree_are_confident_without_an_assumption() -> None:
    labels = decide(reading(), SETTINGS)
    assert labels.status is LevelStatus.CONFIDENT
    assert labels.anchor is Anchor.BOTH
    assert labels.numbering_assumption == ""
    assert [v.level.value for v in labels.vertebrae] == ["T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1"]
    assert labels.vertebra(Level.S1).center_px == (900.0, 400.0)  # type: ignore[union-attr]


def test_a_plain_last_lumbar_vertebra_and_ribs_on_the_twelfth_thoracic_cast_no_doubt() -> None:
    labels = decide(reading(close_ups=looked_at(transitional=0.02, ribs={5: 0.02, 6: 0.97})), SETTINGS)
    assert labels.status is LevelStatus.CONFIDENT


def test_the_sacrum_alone_states_the_assumption_of_five() -> None:
    labels = decide(reading(chain=chain(0, 4), anchors=Anchors(0.99, 0.0, None), room_above=0.5), SETTINGS)
    assert labels.status is LevelStatus.CONFIDENT
    assert labels.numbering_assumption == FIVE_LUMBAR


def test_the_rib_alone_counts_downwards() -> None:
    labels = decide(reading(chain=chain(2, 7), anchors=Anchors(0.0, 0.98, 6), room_below=0.5), SETTINGS)
    assert labels.status is LevelStatus.CONFIDENT
    assert labels.anchor is Anchor.TWELFTH_RIB
    assert labels.numbering_assumption == COUNTED_FROM_RIB


def test_without_an_anchor_the_levels_are_indeterminate() -> None:
    labels = decide(reading(chain=chain(1, 4), anchors=Anchors(0.0, 0.0, None), room_below=0.2), SETTINGS)
    assert labels.status is LevelStatus.INDETERMINATE
    assert "neither sacrum nor twelfth rib" in labels.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"anchors": Anchors(0.99, 0.98, 7)}, "ribs and sacrum enclose 6 lumbar vertebrae"),
        ({"anchors": Anchors(0.99, 0.98, 5)}, "ribs and sacrum enclose 4 lumbar vertebrae"),
        ({"votes": (0, 0, 0, 1, 1)}, "do not agree on the numbering"),
        ({"votes": ()}, "do not agree on the numbering"),
        ({"chain": replace(chain(), shifts={0: 0.9, -1: 0.1}, margin=2.0)}, "moved by one fits nearly as well"),
        ({"chain": replace(chain(), log_p=np.full(8, -2.0))}, "hard to tell apart"),
        ({"chain": replace(chain(), steps=np.array([-1.8, -1.8, 0, 0, 0, 0, 0]))}, "unevenly spaced"),
        (
            {"close_ups": CloseUps(np.array([0.9, 0.9, 0.9, 0.1]), np.zeros(4), np.ones(4))},
            "close-ups do not confirm",
        ),
        ({"close_ups": CloseUps(np.full(5, 0.9), np.array([0, 0, 0, 0, 0.5]), np.ones(5))}, "close-ups do not confirm"),
        ({"close_ups": CloseUps(np.full(5, 0.9), np.zeros(5), np.full(5, 2.0))}, "do not fit their widths"),
        ({"anchors": Anchors(0.99, 0.0, None)}, "twelfth rib should be in view"),
        ({"anchors": Anchors(0.99, 0.98, 6, 0.7)}, "may belong to the vertebra above"),
        ({"close_ups": looked_at(transitional=0.999)}, "may be transitional"),
        ({"close_ups": looked_at(sacral={0: 0.9, 1: 0.7})}, "counted as L5 may be the first of the sacrum"),
        ({"anchors": Anchors(0.99, 0.98, 6, lowered=True)}, "told by a close-up alone"),
        ({"close_ups": looked_at(ribs={5: 0.97, 6: 0.99})}, "a rib may be on the vertebra counted as L1"),
        ({"close_ups": looked_at(ribs={5: 0.01, 6: 0.01})}, "no rib is seen on the vertebra counted as T12"),
    ],
)
def test_every_doubt_makes_the_numbering_uncertain_and_is_named(changes: dict[str, object], reason: str) -> None:
    labels = decide(reading(**changes), SETTINGS)
    assert labels.status is LevelStatus.UNCERTAIN
    assert reason in labels.reason


def test_close_ups_of_sacrum_and_ribs_together_settle_names_that_the_whole_view_had_one_higher() -> None:
    ribs = looked_at(ribs={5: 0.01, 6: 0.9}, sacral={0: 0.995, 1: 0.01})
    labels = decide(reading(anchors=Anchors(0.995, 0.98, 6, lowered=True), close_ups=ribs), SETTINGS)
    assert labels.status is LevelStatus.CONFIDENT
    assert labels.anchor is Anchor.BOTH
    assert labels.numbering_assumption == LOWERED


def test_a_rib_cut_off_by_the_edge_does_not_contradict_the_sacrum() -> None:
    # The last rib seems to sit on C5, the uppermost vertebra seen: it may belong to the one above.
    cut = reading(chain=chain(0, 5), anchors=Anchors(0.99, 0.98, 5), room_above=1.0)
    labels = decide(cut, SETTINGS)
    assert labels.anchor is Anchor.SACRUM
    assert "enclose" not in labels.reason
    whole = decide(replace(cut, room_above=2.0), SETTINGS)
    assert "enclose 4 lumbar" in whole.reason


def test_a_lone_anchor_must_be_named_for_sure() -> None:
    part = chain(2, 7)
    log_p = part.log_p.copy()
    log_p[part.channels.index(6)] = np.log(0.5)
    doubtful = reading(chain=replace(part, log_p=log_p), anchors=Anchors(0.0, 0.98, 6), room_below=0.5)
    assert "not surely recognised" in decide(doubtful, SETTINGS).reason


def test_one_vertebra_with_a_doubtful_name_is_enough_for_doubt() -> None:
    log_p = chain().log_p.copy()
    log_p[3] = np.log(0.3)
    assert "hard to tell apart" in decide(reading(chain=replace(chain(), log_p=log_p)), SETTINGS).reason


def test_a_sacrum_in_view_but_not_recognised_is_a_doubt() -> None:
    labels = decide(reading(chain=chain(1, 7), anchors=Anchors(0.0, 0.98, 6), room_below=3.0), SETTINGS)
    assert labels.status is LevelStatus.UNCERTAIN
    assert "sacrum should be in view" in labels.reason


def test_a_marked_curve_is_uncertain() -> None:
    bent = chain()
    points = bent.points.copy()
    points[:, 1] += 0.0022 * (points[:, 0] - 500) ** 2
    labels = decide(reading(chain=replace(bent, points=points)), SETTINGS)
    assert labels.status is LevelStatus.UNCERTAIN
    assert "curve" in labels.reason


def test_a_view_that_is_not_frontal_is_indeterminate_and_unnamed() -> None:
    labels = decide(reading(frontal=0.1), SETTINGS)
    assert labels.status is LevelStatus.INDETERMINATE
    assert labels.vertebrae == ()
    assert "frontal" in labels.reason


def test_rivals_are_reported_as_moves_of_the_names_towards_the_feet() -> None:
    doubtful = replace(chain(), shifts={0: 0.7, -1: 0.25, 1: 0.05}, margin=1.0)
    labels = decide(reading(chain=doubtful), SETTINGS)
    # Channel C1 called S1 (shift -1 of channels) moves every name one towards the feet.
    assert [(a.shift, a.probability) for a in labels.alternatives] == [(1, 0.25), (-1, 0.05)]


def test_the_scale_follows_from_the_mean_pitch_and_the_pedicles() -> None:
    by_pitch = 35.8 / (PITCH * STEP_RATIO[1:5].mean())
    unseen = CloseUps(np.full(5, 0.9), np.full(5, 0.05), np.full(5, np.nan))
    assert decide(reading(close_ups=unseen), SETTINGS).estimated_mm_per_px == pytest.approx(by_pitch)
    # All pedicles 1.0 pitch apart: of 40.1, 38.4 and 34.4 mm (L5, L4, L3) the middle one counts.
    by_pedicles = 38.4 / PITCH
    both = decide(reading(), SETTINGS).estimated_mm_per_px
    assert both == pytest.approx(np.sqrt(by_pitch * by_pedicles))


def test_what_a_person_gave_renumbers_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "read_spine", lambda *_: reading())
    l5_by_software = (900.0 - 0.88 * PITCH, 400.0)
    labels = label_levels(radiograph(), {Level.L4: l5_by_software})
    assert labels.anchor is Anchor.GIVEN
    assert labels.status is LevelStatus.CONFIDENT
    assert labels.vertebra(Level.L4).center_px == pytest.approx(l5_by_software)  # type: ignore[union-attr]
    # The vertebra below, taken for the sacrum, becomes the fifth.
    assert labels.vertebra(Level.L5).center_px == (900.0, 400.0)  # type: ignore[union-attr]


def test_a_given_sixth_lumbar_vertebra_leaves_the_sacrum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "read_spine", lambda *_: reading())
    labels = label_levels(radiograph(), {Level.L6: (900.0 - 0.88 * PITCH, 400.0)})
    names = [v.level.value for v in labels.vertebrae]
    assert names[-3:] == ["L5", "L6", "S1"]


def test_a_point_given_beside_the_spine_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "read_spine", lambda *_: reading())
    labels = label_levels(radiograph(), {Level.L4: (500.0, 100.0)})
    assert labels.status is LevelStatus.UNCERTAIN
    assert labels.vertebra(Level.L4).center_px == (500.0, 100.0)  # type: ignore[union-attr]


def test_points_given_that_contradict_each_other_are_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "read_spine", lambda *_: reading())
    rows = chain().points[:, 0]
    labels = label_levels(radiograph(), {Level.L5: (rows[1], 400.0), Level.L3: (rows[2], 400.0)})
    assert labels.status is LevelStatus.UNCERTAIN
    assert "do not fit one consecutive numbering" in labels.reason


def test_a_file_that_says_lateral_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = label_levels(radiograph(view="lateral"))
    assert labels.status is LevelStatus.INDETERMINATE
    assert "lateral" in labels.reason


def test_an_image_stored_upside_down_is_labelled_in_its_stored_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "read_spine", lambda *_: reading())
    labels = label_levels(radiograph(orientation=Orientation(None, RowsTowards.HEAD, "PatientOrientation")))
    assert labels.vertebra(Level.S1).center_px == (99.0, 400.0)  # type: ignore[union-attr]


def test_noise_is_never_confident() -> None:
    pixels = np.random.default_rng(0).random((1, 1000, 800)).astype(np.float32)
    labels = label_levels(radiograph(frames=ArrayFrames(pixels)))
    assert labels.status is not LevelStatus.CONFIDENT
    assert labels.reason
