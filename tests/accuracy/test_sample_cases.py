"""The sample cases come out as their truth says, the failing ones included."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from fluorospread.dicom.read_structured_report import read_structured_report
from fluorospread.evaluation.run_evaluation import Evaluation, evaluate_folder
from fluorospread.model.verdict import Outcome
from fluorospread.pipeline.publish_results import PublishOptions, write_dicom_results
from fluorospread.reporting.case_json import read_case_json

SAMPLES = Path(__file__).parents[2] / "sample_dicom"
MANIFEST = tomllib.loads((SAMPLES / "manifest.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def results_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="module")
def evaluation(results_folder: Path) -> Evaluation:
    return evaluate_folder(SAMPLES, results_folder)


def test_every_image_is_the_one_the_manifest_names() -> None:
    for case in MANIFEST["case"]:
        for image in case["images"]:
            assert hashlib.sha256((SAMPLES / image["path"]).read_bytes()).hexdigest() == image["sha256"]


def test_the_samples_stay_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 30 * 2**20


@pytest.mark.parametrize("case", MANIFEST["case"], ids=[case["id"] for case in MANIFEST["case"]])
def test_a_sample_gets_the_outcome_its_manifest_expects(case: dict[str, str], evaluation: Evaluation) -> None:
    result = next(r for r in evaluation.results if r.case_id == case["id"])
    assert result.verdict.outcome is Outcome(case["expected"])


def test_nothing_is_said_wrongly_without_reserve(evaluation: Evaluation) -> None:
    assert evaluation.summary.failures == ()
    assert evaluation.summary.silent_error_list == ()


@pytest.mark.parametrize("case_id", [case["id"] for case in MANIFEST["case"] if case.get("vascular_uptake")])
def test_vascular_uptake_is_never_passed_over(case_id: str, evaluation: Evaluation) -> None:
    result = next(r for r in evaluation.results if r.case_id == case_id)
    assert {flag.code for flag in result.flags} & {"vascular-uptake-suspected", "vascular-uptake-not-excluded"}


def test_protocol_1_is_verified_at_l5_in_five_of_five_with_four_of_four_junctions_covered(
    evaluation: Evaluation,
) -> None:
    protocol_1 = [r for r in evaluation.results if r.case_id.startswith("P1-")]
    assert [r.verdict.puncture for r in protocol_1] == [Outcome.VERIFIED] * 5
    assert [r.verdict.coverage for r in protocol_1] == [Outcome.VERIFIED] + [Outcome.NOT_APPLICABLE] * 4


@pytest.mark.parametrize("case_id", [case["id"] for case in MANIFEST["case"]])
def test_a_samples_dicom_report_reads_back_as_its_case_json(
    case_id: str, evaluation: Evaluation, results_folder: Path, result_cases: ModuleType
) -> None:
    assert case_id in [result.case_id for result in evaluation.results]
    folder = results_folder / case_id
    told: list[str] = []
    report = write_dicom_results(folder, options=PublishOptions(pdf=False), tell=told.append)[0]
    assert told == []
    assert result_cases.differences(read_structured_report(report).result, read_case_json(folder / "case.json")) == []
