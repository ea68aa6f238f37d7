"""What stays of a header, what goes, and that the same key gives the same pseudonyms everywhere."""

from __future__ import annotations

import warnings
from datetime import date

import numpy as np
import pydicom
import pytest
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless

from fluorospread.dicom.confidentiality_profile import Action, confidentiality_profile
from fluorospread.dicom.deidentify import Dates, DeidentifyOptions, deidentify_header, patient_identity
from fluorospread.dicom.pseudonyms import Pseudonyms
from fluorospread.dicom.write_deidentified import PixelCleaning, open_source, write_deidentified
from fluorospread.errors import UsageError

KEY = Pseudonyms(b"a key of this test alone")
OPTIONS = DeidentifyOptions()
CLEAN = PixelCleaning(by_person=False)
# Nowhere else in the file, so no rule that knows the patient's name can help.
STRANGER = "QZXUNHEARDOF"
FREE_TEXT = {"LO", "SH", "ST", "LT", "UT", "UC", "UR", "AE", "PN"}
TECHNICAL = {"Manufacturer", "ManufacturerModelName", "FilterType", "ModalityLUTType", "RescaleType", "Grid"}


def plant(dataset, marker, representations, but=frozenset()):
    """Put `marker` into every attribute of the standard that is written in one of `representations`."""
    for tag, entry in DicomDictionary.items():
        group = tag >> 16
        wanted = entry[0] in representations and 0x0008 <= group < 0x7F00 and keyword_for_tag(tag) not in but
        if wanted and tag not in dataset:
            dataset.add(DataElement(tag, entry[0], marker))
    return dataset


def saved(path, dataset, builders, syntax=ExplicitVRLittleEndian):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return builders.write_dicom(path, dataset, syntax)


def deidentified(source_path, out_path, options=OPTIONS, cleaning=CLEAN):
    write_deidentified(open_source(source_path), out_path, KEY, options, cleaning)
    return out_path.read_bytes()


def in_any_encoding(marker, content):
    upper = content.upper()
    return any(marker.upper().encode(code) in upper for code in ("ascii", "utf-16-le", "utf-16-be"))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_no_free_text_of_any_attribute_of_the_standard_survives(tmp_path, builders, syntax):
    dataset = plant(builders.xray_dataset(builders.ramp()), STRANGER, FREE_TEXT, TECHNICAL)
    path = saved(tmp_path / "a.dcm", dataset, builders, syntax)
    assert path.read_bytes().count(STRANGER.encode()) > 700
    assert not in_any_encoding(STRANGER, deidentified(path, tmp_path / "b.dcm"))


def test_the_patients_name_survives_in_no_text_not_even_a_technical_one_or_a_code(tmp_path, builders):
    name = "Quillfeather"
    dataset = builders.xray_dataset(builders.ramp(), PatientName=f"{name}^Ada", PatientID="MRN-77481")
    dataset.Manufacturer, dataset.ManufacturerModelName, dataset.FilterType = f"of {name}", name, name.lower()
    plant(dataset, name.upper(), {"CS"}, {"SpecificCharacterSet", "PhotometricInterpretation"})
    path = saved(tmp_path / "a.dcm", dataset, builders)
    content = deidentified(path, tmp_path / "b.dcm")
    assert not in_any_encoding(name, content)
    assert not in_any_encoding("77481", content)


def test_identifiers_in_numbers_dates_ages_and_malformed_values_go(tmp_path, builders):
    dataset = builders.xray_dataset(builders.ramp(), PatientID="90210777")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for vr, value in (
            ("DS", "90210777"),
            ("IS", "90210777"),
            ("DA", "19510317"),
            ("DT", "19510317101010"),
            ("AS", "071Y"),
            ("CS", "MRN90210777"),
        ):
            plant(dataset, value, {vr}, {"PatientID", "NumberOfFrames"})
        path = saved(tmp_path / "a.dcm", dataset, builders)
    content = deidentified(path, tmp_path / "b.dcm")
    for found in (b"90210777", b"19510317", b"071Y"):
        assert found not in content


def test_private_nested_overlay_curve_padding_preamble_and_meta_hide_nothing(tmp_path, builders):
    dataset = builders.xray_dataset(builders.ramp())
    block = dataset.private_block(0x0029, f"{STRANGER} CREATOR", create=True)
    block.add_new(0x01, "LO", STRANGER)
    inner, middle = Dataset(), Dataset()
    inner.add_new(0x00291001, "UN", STRANGER.encode())
    inner.CodeMeaning, inner.TextValue = STRANGER, STRANGER
    middle.ConceptNameCodeSequence = Sequence([inner])
    middle.PurposeOfReferenceCodeSequence = Sequence([inner])
    dataset.ReferencedInstanceSequence = Sequence([middle])
    dataset.add_new(0x60000022, "LO", STRANGER)
    dataset.add_new(0x60003000, "OW", STRANGER.encode())
    dataset.add_new(0x50003000, "OW", STRANGER.encode())
    dataset.add_new(0xFFFCFFFC, "OB", STRANGER.encode())
    dataset.EncapsulatedDocument = STRANGER.encode()
    dataset["PixelData"].value += STRANGER.encode()
    path = saved(tmp_path / "a.dcm", dataset, builders)
    content = path.read_bytes()
    path.write_bytes(STRANGER.encode().ljust(128, b"\0") + content[128:])
    assert not in_any_encoding(STRANGER, deidentified(path, tmp_path / "b.dcm"))
    meta = pydicom.dcmread(tmp_path / "b.dcm").file_meta
    assert "SourceApplicationEntityTitle" not in meta
    assert meta.MediaStorageSOPInstanceUID == pydicom.dcmread(tmp_path / "b.dcm").SOPInstanceUID


def test_comments_in_compressed_pixels_and_drawings_in_unused_bits_go_while_values_stay(tmp_path, builders):
    pixels = builders.ramp(top=4000)
    drawn = pixels.copy()
    drawn[3:6, 3:9] |= 0x8000
    dataset = builders.xray_dataset(drawn, bits_stored=12)
    deidentified(saved(tmp_path / "a.dcm", dataset, builders), tmp_path / "b.dcm")
    np.testing.assert_array_equal(pydicom.dcmread(tmp_path / "b.dcm").pixel_array, pixels)
    commented = builders.jpeg((pixels >> 4).astype(np.uint8))
    commented = commented[:2] + b"\xff\xfe" + (len(STRANGER) + 2).to_bytes(2, "big") + STRANGER.encode() + commented[2:]
    dataset = builders.xray_dataset((pixels >> 4).astype(np.uint8))
    path = builders.write_encapsulated(tmp_path / "c.dcm", dataset, [commented], pydicom.uid.JPEGBaseline8Bit)
    assert in_any_encoding(STRANGER, path.read_bytes())
    assert not in_any_encoding(STRANGER, deidentified(path, tmp_path / "d.dcm"))


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "山田^太郎"),
        ("ISO 2022 IR 87", "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("GB18030", "王^小东"),
    ],
)
def test_names_in_any_character_set_go_in_bytes_and_in_text(tmp_path, builders, charset, name):
    sets = ["", charset] if charset.startswith("ISO 2022") else charset
    dataset = builders.xray_dataset(
        builders.ramp(), SpecificCharacterSet=sets, PatientName=name, Manufacturer=name.split("=")[-1]
    )
    path = saved(tmp_path / "a.dcm", dataset, builders)
    raw = bytes(pydicom.dcmread(path).PatientName.original_string)
    content = deidentified(path, tmp_path / "b.dcm")
    assert raw[:6] not in content
    assert name.split("=")[-1].split("^")[0].encode() not in content


def test_uids_change_alike_in_every_file_and_references_still_hold(builders):
    first = builders.xray_dataset(builders.ramp(), SOPInstanceUID="1.2.3.4.1", StudyInstanceUID="1.2.3.4")
    second = builders.xray_dataset(builders.ramp(), SOPInstanceUID="1.2.3.4.2", StudyInstanceUID="1.2.3.4")
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = first.SOPClassUID, first.SOPInstanceUID
    second.SourceImageSequence = Sequence([reference])
    one, two = (deidentify_header(item, KEY, OPTIONS).header for item in (first, second))
    assert one.SOPClassUID == first.SOPClassUID
    assert one.StudyInstanceUID == two.StudyInstanceUID != "1.2.3.4"
    assert two.SourceImageSequence[0].ReferencedSOPInstanceUID == one.SOPInstanceUID
    assert two.SourceImageSequence[0].ReferencedSOPClassUID == first.SOPClassUID
    assert one.SOPInstanceUID.is_valid
    assert not one.SOPInstanceUID.startswith("1.2.3.4")


def test_pseudonyms_are_the_cohorts_own_and_one_a_patient(builders):
    def patient(patient_id, key=KEY):
        return deidentify_header(builders.xray_dataset(builders.ramp(), PatientID=patient_id), key, OPTIONS).header

    assert patient("A1").PatientID == patient("A1").PatientID
    assert patient("A1").PatientID != patient("A2").PatientID
    assert patient("A1").PatientID != patient("A1", Pseudonyms(b"the key of another cohort")).PatientID
    assert str(patient("A1").PatientName) == patient("A1").PatientID
    assert "A1" not in patient("A1").PatientID


def test_a_short_key_is_refused_and_a_key_never_printed():
    with pytest.raises(UsageError, match="at least 16"):
        Pseudonyms(b"password")
    assert "a key of this test" not in repr(KEY)


def test_dates_are_removed_or_moved_together_so_that_intervals_stay(builders):
    dataset = builders.xray_dataset(
        builders.ramp(),
        PatientID="P",
        StudyDate="20260301",
        ContentDate="20260315",
        StudyTime="101500",
        AcquisitionDateTime="20260301101500.5",
        PatientBirthDate="19510317",
    )
    gone = deidentify_header(dataset, KEY, OPTIONS).header
    assert not gone.StudyDate
    assert "20260301" not in str(gone)
    assert gone.LongitudinalTemporalInformationModified == "REMOVED"
    moved = deidentify_header(dataset, KEY, DeidentifyOptions(dates=Dates.SHIFTED)).header
    days = KEY.days_earlier(patient_identity(dataset))
    assert (date(2026, 3, 1) - date.fromisoformat(moved.StudyDate)).days == days
    assert (date.fromisoformat(moved.ContentDate) - date.fromisoformat(moved.StudyDate)).days == 14
    assert moved.StudyTime == "101500"
    assert moved.AcquisitionDateTime == f"{moved.StudyDate}101500.5"
    assert not moved.PatientBirthDate
    assert moved.LongitudinalTemporalInformationModified == "MODIFIED"


def test_the_device_is_kept_only_when_asked(builders):
    dataset = builders.xray_dataset(builders.ramp(), StationName="CARM7", DeviceSerialNumber="SN-5511")
    assert "CARM7" not in str(deidentify_header(dataset, KEY, OPTIONS).header)
    kept = deidentify_header(dataset, KEY, DeidentifyOptions(retain_device=True)).header
    assert (kept.StationName, kept.DeviceSerialNumber) == ("CARM7", "SN-5511")
    assert [item.CodeValue for item in kept.DeidentificationMethodCodeSequence] == ["113100", "113109"]


def test_what_a_measurement_needs_stays(builders):
    dataset = builders.xray_dataset(
        builders.ramp(),
        ImagerPixelSpacing=[0.3, 0.3],
        DistanceSourceToDetector="1000",
        PatientOrientation=["L", "F"],
        PixelIntensityRelationship="LOG",
        PixelIntensityRelationshipSign=-1,
        KVP="72",
        ViewPosition="PA",
        BodyPartExamined="LSPINE",
        PatientPosition="HFP",
    )
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "399348003", "SCT", "made up by somebody"
    dataset.ViewCodeSequence = Sequence([view])
    header = deidentify_header(dataset, KEY, OPTIONS).header
    for keyword in (
        "ImagerPixelSpacing",
        "DistanceSourceToDetector",
        "PatientOrientation",
        "ViewPosition",
        "KVP",
        "PixelIntensityRelationship",
        "PixelIntensityRelationshipSign",
        "BodyPartExamined",
        "Modality",
    ):
        assert header[keyword].value == dataset[keyword].value, keyword
    assert header.ViewCodeSequence[0].CodeMeaning == "antero-posterior"


def test_the_file_says_what_was_done(tmp_path, builders):
    path = saved(tmp_path / "a.dcm", builders.xray_dataset(builders.ramp()), builders, JPEGLSLossless)
    deidentified(path, tmp_path / "b.dcm", cleaning=PixelCleaning(((2, 3, 6, 9),)))
    done = pydicom.dcmread(tmp_path / "b.dcm")
    assert done.PatientIdentityRemoved == "YES"
    assert done.BurnedInAnnotation == "NO"
    assert [item.CodeValue for item in done.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    expected = builders.ramp()
    expected[2:6, 3:9] = expected.min()
    np.testing.assert_array_equal(done.pixel_array, expected)


def test_the_table_is_the_standards():
    """Rows as printed in PS3.15 table E.1-1; the private and repeating groups are rules, not rows."""
    table = confidentiality_profile()
    assert len(table) == 651
    assert table[0x00100010].action is Action.EMPTY
    assert table[0x00080018].action is Action.NEW_UID
    assert table[0x00081030].action is Action.REMOVE
    assert table[0x00081010].is_device
    assert table[0x00080020].is_date
    assert not table[0x00100030].is_date
