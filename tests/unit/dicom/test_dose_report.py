import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, XRayRadiationDoseSRStorage

from fluorospread.dicom.dose_report import is_dose_report, read_dose_report
from fluorospread.dicom.file_kind import file_sha256
from fluorospread.errors import NotAnImageError
from fluorospread.model.radiograph import DoseReport

SINGLE, PLANE_A, PLANE_B = "113622", "113620", "113621"


def coded(value: str, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "as in PS3.16"
    return item


def content(name: str, value_type: str) -> Dataset:
    item = Dataset()
    item.ConceptNameCodeSequence, item.ValueType = [coded(name)], value_type
    return item


def num(name: str, value: object, unit: str) -> Dataset:
    item, measured = content(name, "NUM"), Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = str(value), [coded(unit, "UCUM")]
    item.MeasuredValueSequence = [measured]
    return item


def accumulated(plane: str, *numbers: Dataset) -> Dataset:
    container, which = content("113702", "CONTAINER"), content("113764", "CODE")
    which.ConceptCodeSequence = [coded(plane)]
    container.ContentSequence = [which, *numbers]
    return container


@pytest.fixture
def write(builders, tmp_path):
    """Writes a dose report with these containers of accumulated dose."""

    def make(*containers: Dataset, root: str = "113701", sop_class: str = XRayRadiationDoseSRStorage, name="dose.dcm"):
        report = content(root, "CONTAINER")
        report.SOPClassUID, report.SOPInstanceUID = sop_class, "2.25.5"
        report.StudyInstanceUID, report.SeriesInstanceUID = "2.25.12", "2.25.14"
        report.PatientID, report.Modality = "P-1", "SR"
        report.ContentSequence = list(containers)
        return builders.write_dicom(tmp_path / name, report, ExplicitVRLittleEndian)

    return make


def test_totals_are_read_in_our_units_with_the_report_they_are_from(write):
    """1.5 µGy·m² are 0.015 Gy·cm², and 0.25 Gy 250 mGy."""
    path = write(
        accumulated(SINGLE, num("113722", 0.0000015, "Gy.m2"), num("113725", 0.25, "Gy"), num("113730", 61, "s"))
    )
    dose = read_dose_report(path)
    assert dose.study_instance_uid == "2.25.12"
    assert dose.patient_id == "P-1"
    assert dose.report.area_dose_gy_cm2 == pytest.approx(0.015)
    assert dose.report == DoseReport("dose.dcm", file_sha256(path), "2.25.5", 61.0, dose.report.area_dose_gy_cm2, 250.0)


@pytest.mark.parametrize(
    ("value", "unit", "gy_cm2"),
    [(2, "Gy.cm2", 2.0), (20, "dGy.cm2", 2.0), (2000, "mGy.cm2", 2.0), (200, "uGy.m2", 2.0), (2, "furlong", None)],
)
def test_units_of_devices_are_understood_and_unknown_ones_are_no_number(write, value, unit, gy_cm2):
    found = read_dose_report(write(accumulated(SINGLE, num("113722", value, unit)))).report.area_dose_gy_cm2
    assert found == (None if gy_cm2 is None else pytest.approx(gy_cm2))


def test_minutes_are_sixty_seconds(write):
    assert read_dose_report(write(accumulated(SINGLE, num("113730", 1.5, "min")))).report.fluoroscopy_time_s == 90.0


def test_without_totals_fluoroscopy_and_acquisitions_are_added_where_both_are_known(write):
    parts = (num("113726", 3, "Gy.cm2"), num("113727", 4, "Gy.cm2"), num("113728", 5, "mGy"))
    report = read_dose_report(write(accumulated(SINGLE, *parts))).report
    assert report.area_dose_gy_cm2 == 7.0
    assert report.reference_point_dose_mgy is None


def test_area_doses_of_two_planes_add_up_and_nothing_else_does(write):
    numbers = (num("113722", 2, "Gy.cm2"), num("113725", 5, "mGy"), num("113730", 30, "s"))
    report = read_dose_report(write(accumulated(PLANE_A, *numbers), accumulated(PLANE_B, *numbers))).report
    assert (report.area_dose_gy_cm2, report.reference_point_dose_mgy, report.fluoroscopy_time_s) == (4.0, None, None)


def test_a_plane_that_leaves_its_area_dose_out_leaves_the_sum_unknown(write):
    planes = accumulated(PLANE_A, num("113722", 2, "Gy.cm2")), accumulated(PLANE_B)
    assert read_dose_report(write(*planes)).report.area_dose_gy_cm2 is None


def test_two_accumulations_over_one_plane_are_not_added(write):
    one = accumulated(SINGLE, num("113722", 2, "Gy.cm2"))
    report = read_dose_report(write(one, one)).report
    assert report.area_dose_gy_cm2 is None


@pytest.mark.parametrize("value", ["-1", "nan", "much", ""])
def test_a_malformed_or_negative_number_is_absent(write, recwarn, value):
    path = write(accumulated(SINGLE, num("113730", 7, "s")))
    content = path.read_bytes()
    at = content.index(b"7 ", content.index(b"113730"))
    path.write_bytes(content[:at] + value.encode().ljust(2)[:2] + content[at + 2 :])
    found = read_dose_report(path).report.fluoroscopy_time_s
    assert found is None


def test_a_dose_report_is_told_by_its_class_alone(write, builders, tmp_path):
    assert is_dose_report(write(root="126000"))
    assert not is_dose_report(write(sop_class=ComprehensiveSRStorage, name="other.dcm"))
    assert not is_dose_report(builders.write_dicom(tmp_path / "x.dcm", builders.xray_dataset(builders.ramp())))
    (tmp_path / "a.txt").write_bytes(b"no DICOM")
    assert not is_dose_report(tmp_path / "a.txt")
    assert not is_dose_report(tmp_path / "not there")


def test_a_report_by_another_template_or_a_damaged_one_is_refused(write):
    with pytest.raises(NotAnImageError, match="TID 10001"):
        read_dose_report(write(root="126000"))
    path = write(accumulated(SINGLE, num("113730", 7, "s")))
    path.write_bytes(path.read_bytes()[:140])
    with pytest.raises(NotAnImageError, match=r"dose\.dcm"):
        read_dose_report(path)
