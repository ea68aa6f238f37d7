"""Simulated images and those implanted in real films are never mixed in one number."""

from __future__ import annotations

import pytest

from fluorospread.evaluation.metrics import CaseScore, DecisionScore, summarise
from fluorospread.evaluation.run_evaluation import Evaluation
from fluorospread.evaluation.tables import evaluation_document, print_evaluation
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome

SIMULATED, IMPLANTED = "simulated images", "needles and contrast implanted in real films"


def score(case_id: str, implanted: bool, said: Answer) -> CaseScore:
    at_truth = (DecisionScore("L4 left", said, Answer.YES),)
    return CaseScore(
        case_id,
        Outcome.VERIFIED,
        Outcome.VERIFIED,
        implanted=implanted,
        coverage_at_true_junctions=at_truth,
    )


def evaluation(*scores: CaseScore) -> Evaluation:
    return Evaluation(scores, (), summarise(scores))


def test_each_kind_has_its_own_rates() -> None:
    both = evaluation(score("a", False, Answer.YES), score("b", False, Answer.YES), score("c", True, Answer.NO))
    summary = evaluation_document(both)["summary"]
    assert list(summary) == [SIMULATED, IMPLANTED]
    rates = {kind: next(v for k, v in lines.items() if "true junctions" in k) for kind, lines in summary.items()}
    assert rates[SIMULATED].startswith("2/2 = ")
    assert rates[IMPLANTED].startswith("0/1 = ")


@pytest.mark.parametrize(("implanted", "kind"), [(False, SIMULATED), (True, IMPLANTED)])
def test_a_kind_without_a_case_is_left_out(implanted: bool, kind: str) -> None:
    assert list(evaluation_document(evaluation(score("a", implanted, Answer.YES)))["summary"]) == [kind]


def test_the_terminal_shows_a_table_for_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(evaluation(score("a", False, Answer.YES), score("c", True, Answer.NO)))
    shown = capsys.readouterr().out
    assert f"Step by step: {SIMULATED}" in shown
    assert f"Step by step: {IMPLANTED}" in shown
