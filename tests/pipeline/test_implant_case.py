"""A film and a reader's points become a case folder that verification and evaluation take."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fluorospread.cli.app import run
from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.dicom.writable_image import Modality, Relationship, WritableImage, WritableProjection
from fluorospread.dicom.write_radiograph import write_radiograph
from fluorospread.errors import CaseError, PolarityError, UsageError
from fluorospread.evaluation.truth_files import read_truth
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, GeometrySource
from fluorospread.model.radiograph import Quantity
from fluorospread.pipeline.gather_case import gather_case
from fluorospread.pipeline.implant_case import implant_case
from fluorospread.pipeline.read_film import ImplantOptions, Relation, read_film
from fluorospread.simulation import spectrum
from fluorospread.simulation.cases import Split
from fluorospread.simulation.implant import implant, sample_implant
from fluorospread.simulation.spectrum import Substance

SHARED = Path("../shared/data/radiographs")


@pytest.fixture
def film(tmp_path: Path, builders) -> tuple[Path, Path]:
    return builders.write_film(tmp_path / "film.png", tmp_path / "film.json")


def test_a_pair_is_a_case_with_its_truth(film, tmp_path):
    case = implant_case(*film, tmp_path / "out", Split.TUNING, 2)
    folder = tmp_path / "out" / case.recipe.case_id
    truth = read_truth(folder / "truth.json")
    request = gather_case(folder)
    assert [i.role for i in request.images] == [Role.NEEDLE, Role.POST]
    assert request.contrast_given is True
    assert truth.families
    assert set(truth.families) <= {"fascicle-striated", "fascial-sheet", "multilobular"}
    post = truth.image("post.dcm")
    read = read_radiograph(folder / "post.dcm")
    assert post.contrast_mask.shape == read.shape
    assert post.contrast_mask.any()
    assert post.mm_per_px == pytest.approx(0.6)
    # A display's slope is only assumed, so nobody may read milligrams off the file.
    assert read.quantity is Quantity.RELATIVE
    assert read.geometry.source is GeometrySource.PIXEL_SPACING_CALIBRATED
    assert read.geometry.mm_per_px == pytest.approx(0.6)
    said = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["implant"]
    assert said["film"] == "film.png"
    assert len(said["assumptions"]) == 5


def test_the_same_arguments_give_the_same_bytes(film, tmp_path):
    one, two = (implant_case(*film, tmp_path / name, Split.JUDGING, 1).recipe.case_id for name in ("a", "b"))
    for path in (tmp_path / "a" / one).iterdir():
        assert path.read_bytes() == (tmp_path / "b" / two / path.name).read_bytes()


def test_sides_follow_the_columns(film, tmp_path):
    hung, _ = read_film(*film, ImplantOptions())
    turned, _ = read_film(*film, ImplantOptions(columns_towards=ColumnsTowards.PATIENT_RIGHT))
    assert hung.junctions[Level.L4, Side.LEFT] == (200.0, 240.0)
    assert turned.junctions[Level.L4, Side.LEFT] == (200.0, 160.0)
    assert not any("columns" in said for said in turned.assumptions)


def test_linear_greys_become_logs(film, builders):
    path, points = film
    intensity = 200.0 * np.exp(builders.grey_film() / -255.0)
    Image.fromarray(intensity.astype(np.uint8)).save(path)
    read, _ = read_film(path, points, ImplantOptions(relation=Relation.LINEAR, polarity="bone-dark"))
    assert read.natural_log
    body, beside = read.log_path[218:230, 190:210].mean(), read.log_path[218:230, 100:120].mean()
    # Rounding to whole greys of about 100 costs some thousandths.
    assert body - beside == pytest.approx(60.0 / 255.0, abs=0.01)


def test_given_logs_a_grey_are_used(film):
    read, _ = read_film(*film, ImplantOptions(relation=Relation.LOG, log_per_grey=0.01))
    body, beside = read.log_path[218:230, 190:210].mean(), read.log_path[218:230, 100:120].mean()
    assert read.natural_log
    assert body - beside == pytest.approx(0.6, abs=0.01)


def test_dicom_says_itself_what_it_is(film, tmp_path, builders):
    image = WritableImage(
        pixels=(builders.grey_film().astype(np.uint16) * 8)[None], uid_seed="t", modality=Modality.RF, bits_stored=12,
        relationship=Relationship.LOG, sign=-1, log_per_step=0.002,
        projection=WritableProjection(
            imager_pixel_spacing_mm=(0.66, 0.66), magnification=1.1, patient_orientation=("R", "F")
        ),
    )  # fmt: skip
    path = write_radiograph(image, tmp_path / "film.dcm")
    read, _ = read_film(path, film[1], ImplantOptions())
    body, beside = read.log_path[218:230, 190:210].mean(), read.log_path[218:230, 100:120].mean()
    assert body - beside == pytest.approx(60 * 8 * 0.002, rel=0.02)
    assert read.natural_log
    assert read.mm_per_px == pytest.approx(0.6)
    assert read.columns_towards is ColumnsTowards.PATIENT_RIGHT
    assert read.assumptions == ()
    with pytest.raises(UsageError, match="leave out --relation"):
        read_film(path, film[1], ImplantOptions(relation=Relation.LINEAR))


def test_a_film_read_with_the_wrong_sign_is_refused(film):
    with pytest.raises(PolarityError, match="--polarity"):
        read_film(*film, ImplantOptions(polarity="bone-dark"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out_of_scope": "child"}, "--spacing-mm"),
        ({"junctions": {"L5_image_left": [500, 30]}}, "outside the film"),
    ],
)
def test_points_that_do_not_fit_are_refused(film, builders, change, message):
    film[1].write_text(json.dumps({**builders.FILM_POINTS, **change}), encoding="utf-8")
    with pytest.raises(CaseError, match=message):
        read_film(*film, ImplantOptions())


def test_the_command_writes_each_case_and_says_where(film, tmp_path, capsys):
    arguments = ["simulate", "--out", str(tmp_path / "out"), "--implant", str(film[0]), "--points", str(film[1])]
    assert run([*arguments, "--images", "post", "--split", "tuning", "--count", "2"]) == 0
    folders = capsys.readouterr().out.split()
    assert [Path(f).name for f in folders] == ["film-post-tuning-0000", "film-post-tuning-0001"]
    assert all((Path(f) / "post.dcm").is_file() for f in folders)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--implant", "film.png"], "--implant needs --points"),
        (["--seed", "3"], "--seed is about a real film"),
        (["--implant", "film.png", "--points", "p.json", "--relation", "log"], "need their natural log"),
    ],
)
def test_half_a_request_is_a_usage_error(arguments, message, capsys, tmp_path):
    assert run(["simulate", "--out", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="real films are not here (../shared/data/radiographs)")
def test_iodine_in_a_real_film_brightens_it_by_what_physics_says():
    film, _ = read_film(SHARED / "A007.png", SHARED / "annotations" / "A007.json", ImplantOptions())
    drawn = sample_implant(film, Split.TUNING, 0, (Role.PRE, Role.POST))
    exposure = dataclasses.replace(drawn.exposure, tube_kv=80.0, scatter_to_primary=0.5)
    recipe = dataclasses.replace(drawn, exposure=exposure, punctures=(), motion_mm=0.0, gain=1.0)
    pre, post = implant(film, recipe).images
    iodine = post.truth.areal_iodine_mg_cm2
    thick = (iodine > 10.0) & (iodine < 20.0)
    rise = float((post.log_path - pre.log_path)[thick].mean())
    per_mg = spectrum.effective_attenuation_cm2_g(
        Substance.IODINE, 80.0, recipe.exposure.filter_al_mm, recipe.exposure.filter_cu_mm
    ) / 1000.0  # fmt: skip
    # Of 1.5 parts of signal only 1 is attenuated; the film's noise averages out, hardening costs under 3 %.
    assert rise == pytest.approx(float(iodine[thick].mean()) * per_mg / 1.5, rel=0.05)
    assert recipe.images == (Role.PRE, Role.POST)
    # Displays of adults span 1 to 5 natural logs between black and white, the darkest and brightest percent left out.
    low, high = np.percentile(film.log_path[film.open_field], (1, 99))
    assert 1.0 <= high - low <= 5.0
