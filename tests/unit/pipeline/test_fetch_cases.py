"""Questions to the archive as text, and names of folders that tell nobody."""

from __future__ import annotations

import pytest

from fluorospread.dicom.deidentify import DeidentifyOptions, deidentify_header
from fluorospread.dicom.pseudonyms import Pseudonyms
from fluorospread.errors import UsageError
from fluorospread.pacs.archive import StudyEntry, StudyQuery
from fluorospread.pipeline.fetch_cases import check_not_everything, is_pacs_query, parse_query, study_folder_name

KEY = Pseudonyms(b"a key of this test alone")


def test_a_query_is_read_by_names_and_values_may_hold_commas():
    assert is_pacs_query("pacs:date=20260101")
    assert not is_pacs_query("cases/pacs")
    assert parse_query("pacs:date=20260101-20261231,description=block, left,modality=XA") == StudyQuery(
        study_date="20260101-20261231", description="block, left", modality="XA"
    )


@pytest.mark.parametrize("text", ["pacs:", "pacs:colour=red", "pacs:date=", "pacs:date=20260101,date=20260102"])
def test_a_query_that_is_not_understood_is_refused(text):
    with pytest.raises(UsageError, match="not understood"):
        parse_query(text)


@pytest.mark.parametrize("query", [StudyQuery(), StudyQuery(modality="XA"), StudyQuery(patient_name="*")])
def test_nobody_fetches_a_whole_archive_by_mistake(query):
    with pytest.raises(UsageError, match="whole archive"):
        check_not_everything(query)


def test_a_fetched_folder_has_the_pseudonym_that_de_identification_gives(builders):
    entry = StudyEntry("1.2.3", patient_id="4711", patient_name="DOE^JANE")
    header = builders.xray_dataset(builders.ramp(), PatientID="4711", StudyInstanceUID="1.2.3")
    pseudonym = deidentify_header(header, KEY, DeidentifyOptions()).header.PatientID
    assert study_folder_name(entry, KEY) == f"{pseudonym}-{KEY.study('1.2.3')}"


def test_without_a_key_the_folder_is_named_after_the_study_alone():
    name = study_folder_name(StudyEntry("1.2.3", patient_id="../4711", patient_name="DOE"), None)
    assert name == study_folder_name(StudyEntry("1.2.3"), None)
    assert name.startswith("study-")
