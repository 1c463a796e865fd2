"""DICOM: windows, MONOCHROME1, patients; and nothing of the patient in what is exported."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import orjson
import pytest

from curate.errors import ImageError
from curate.export import export
from curate.ingest import ingest
from curate.sample.dicom import about
from curate.sample.image import read_image

pydicom = pytest.importorskip("pydicom")


def film(path: Path, values: np.ndarray, patient: str = "Miller^Ann", bits: int = 12, **more) -> Path:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.PatientID, dataset.PatientName, dataset.PatientAge, dataset.PatientSex = patient, patient, "034Y", "F"
        dataset.Rows, dataset.Columns = values.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, bits, bits - 1, 0
        dataset.PixelData = values.astype("<u2").tobytes()
        for name, value in more.items():
            setattr(dataset, name, value)
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
    return path


RAMP = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (40, 1))


def test_a_window_is_applied_and_monochrome1_turned_over(tmp_path):
    gray = read_image(film(tmp_path / "a.dcm", RAMP, WindowCenter=2048, WindowWidth=1024)).gray
    assert (gray.dtype, gray.shape) == (np.uint8, (40, 64))
    assert (gray[:, RAMP[0] < 1530] == 0).all()
    assert (gray[:, RAMP[0] > 2570] == 255).all()
    assert gray[0, 32] == pytest.approx(128, abs=1)
    turned = read_image(
        film(tmp_path / "b.dcm", RAMP, WindowCenter=2048, WindowWidth=1024, PhotometricInterpretation="MONOCHROME1")
    ).gray
    assert np.array_equal(turned, 255 - gray)


def test_without_a_window_the_whole_range_is_shown(tmp_path):
    gray = read_image(film(tmp_path / "a.dcm", RAMP + 7)).gray
    assert (gray.min(), gray.max()) == (0, 255)
    scaled = read_image(film(tmp_path / "b.dcm", RAMP, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=3072,
                             WindowWidth=8192)).gray  # fmt: skip
    assert np.abs(scaled.astype(int) - np.round(RAMP / 4095 * 255)).max() <= 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [({"Rows": 60000, "Columns": 60000}, "refused before decoding"), ({"Rows": 400}, "cannot be decoded")],
)
def test_a_header_that_lies_is_one_line(change, fault, tmp_path):
    with pytest.raises(ImageError, match=fault):
        read_image(film(tmp_path / "a.dcm", RAMP, **change))


def test_damaged_files_are_one_line(tmp_path):
    whole = film(tmp_path / "a.dcm", RAMP).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        at = int(rng.integers(132, len(whole)))
        (tmp_path / "b.dcm").write_bytes(whole[:at] if rng.random() < 0.5 else
                                         whole[:at] + rng.bytes(4) + whole[at + 4 :])  # fmt: skip
        try:
            read_image(tmp_path / "b.dcm")
        except ImageError:
            continue


def test_patients_are_groups_and_are_not_exported(tmp_path):
    for k, patient in enumerate(("Miller^Ann", "Miller^Ann", "Otto^Max", "Kim^Su")):
        film(tmp_path / f"in/DCM/{k}.dcm", RAMP, patient, WindowCenter=2048, WindowWidth=4096, ImageLaterality="L")
    version = ingest(tmp_path / "in").version
    assert [r.group for r in version.samples] == ["Miller^Ann", "Miller^Ann", "Otto^Max", "Kim^Su"]
    assert version.row("0").meta == {"age": 34, "sex": "female"}
    assert version.row("0").side == "left"
    assert version.row("0").fold == version.row("1").fold
    export(version, tmp_path / "out", "coco")
    written = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert b"Miller" not in written
    assert {p.suffix for p in (tmp_path / "out").rglob("*") if p.is_file()} == {".png", ".json", ".csv"}
    images = orjson.loads((tmp_path / "out/annotations/instances_train.json").read_bytes())["images"]
    assert len({i["group"] for i in images}) == 3
    export(version, tmp_path / "named", "coco", identified=True)
    assert (tmp_path / "named/images/0.dcm").read_bytes() == (tmp_path / "in/DCM/0.dcm").read_bytes()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"PixelSpacing": [0.14, 0.14], "ImagerPixelSpacing": [0.2, 0.2]}, 0.14),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, 0.2),
        ({"PixelSpacing": [0.14, 0.28]}, None),
        ({"PixelSpacing": [0, 0]}, None),
        ({}, None),
    ],
)
def test_the_size_of_a_pixel_where_the_file_knows_it(tmp_path, more, expected):
    path = film(tmp_path / "a.dcm", RAMP, **more)
    assert about(path.read_bytes(), path).get("pixel_mm") == expected


def test_dicom_stays_dicom_without_its_patient(tmp_path):
    secret = {"InstitutionName": "Miller Clinic", "StudyDate": "20200101", "AccessionNumber": "Miller1",
              "StudyInstanceUID": "1.2.840.1234", "PatientComments": "see Miller", "BodyPartExamined": "HAND",
              "ViewPosition": "Miller", "PatientBirthDate": "19860101", "BurnedInAnnotation": "YES"}  # fmt: skip
    for k, patient in enumerate(("Miller^Ann", "Miller^Ann", "Otto^Max", "Kim^Su")):
        path = film(tmp_path / f"in/DCM/{k}.dcm", RAMP, patient, WindowCenter=2048, WindowWidth=4096, **secret,
                    PhotometricInterpretation="MONOCHROME1", PixelSpacing=[0.15, 0.15])  # fmt: skip
        whole = pydicom.dcmread(path)
        whole.add_new(0x00091001, "LO", "Miller private")
        whole.add_new(0x60000010, "US", 3)
        whole.save_as(path)
    version = ingest(tmp_path / "in").version
    done = export(version, tmp_path / "out", "coco", keep_dicom=True)
    assert done.burnt_in == ["0", "1", "2", "3"]
    written = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    for text in (b"Miller", b"Ann", b"Otto", b"20200101", b"19860101", b"034Y", b"1.2.840.1234"):
        assert text not in written, text
    kept = pydicom.dcmread(tmp_path / "out/images/0.dcm")
    assert (kept.BodyPartExamined, kept.PatientIdentityRemoved, kept.PixelSpacing) == ("HAND", "YES", [0.15, 0.15])
    assert "ViewPosition" not in kept  # says no code
    assert kept.PixelData == pydicom.dcmread(tmp_path / "in/DCM/0.dcm").PixelData
    other = [pydicom.dcmread(tmp_path / f"out/images/{k}.dcm") for k in (1, 2)]
    assert [o.PatientID == kept.PatientID for o in other] == [True, False]
    assert [o.SOPInstanceUID == kept.SOPInstanceUID for o in other] == [False, False]
    again = ingest(tmp_path / "out", kind="coco").version
    assert [r.pixels for r in again.samples] == [r.pixels for r in version.samples]
    assert len({r.group for r in again.samples}) == 3
    export(version, tmp_path / "twice", "coco", keep_dicom=True)
    assert (tmp_path / "twice/images/0.dcm").read_bytes() == (tmp_path / "out/images/0.dcm").read_bytes()


def test_every_pixel_survives_a_compressed_film(tmp_path):
    path = film(tmp_path / "in/DCM/a.dcm", RAMP, WindowCenter=2048, WindowWidth=4096)
    packed = pydicom.dcmread(path)
    packed.compress(pydicom.uid.RLELossless)
    packed.save_as(path)
    film(tmp_path / "in/DCM/b.dcm", RAMP, "Otto^Max")
    version = ingest(tmp_path / "in", folds=2).version
    export(version, tmp_path / "out", "coco", keep_dicom=True)
    assert np.array_equal(pydicom.dcmread(tmp_path / "out/images/a.dcm").pixel_array, RAMP)
    assert (read_image(tmp_path / "out/images/a.dcm").gray == read_image(path).gray).all()
