"""DICOM files without their patient: what a viewer needs of the picture is kept, and nothing else.

A list of what is kept rather than of what is taken away: a private or unheard-of element, an overlay, a comment or an
institution's name cannot slip through. Source: DICOM PS3.15, annex E (basic profile, with patients' characteristics
removed too). Text that is burnt into the pixels stays in them: films whose header says so are told.
"""

from __future__ import annotations

import hashlib
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from curate.sample.dicom import read_dataset, reading

KEPT = frozenset({
    "SOPClassUID", "Modality", "BodyPartExamined", "ViewPosition", "PatientOrientation", "Laterality",
    "ImageLaterality", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows",
    "Columns", "PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "PixelIntensityRelationship", "PixelIntensityRelationshipSign", "RescaleIntercept",
    "RescaleSlope", "RescaleType", "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "ModalityLUTSequence", "VOILUTSequence", "LUTDescriptor", "LUTData", "ModalityLUTType", "LossyImageCompression",
    "LossyImageCompressionRatio", "BurnedInAnnotation", "PixelData", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
})  # fmt: skip
"""Keywords of the elements that are kept, in sequences as well; each is a number, a code or the pixels."""

CODES = frozenset({"Modality", "BodyPartExamined", "ViewPosition", "Laterality", "ImageLaterality", "RescaleType",
                   "BurnedInAnnotation", "VOILUTFunction", "PresentationLUTShape"})  # fmt: skip
"""Of these the texts: kept only where they look like the standard's codes, not like somebody's name."""

METHOD = "carpus: only what a viewer needs of the picture is kept"
LONGEST = 16
"""Characters of a code, as the standard has it."""


def deidentified(data: bytes, path: Path, patient: str) -> bytes:
    """The film as DICOM whose pixels, stored as they were, are all that is left of the patient.

    Args:
        data: the file's bytes. path: its name in errors. patient: what to call the patient instead.

    Raises:
        ImageError: not DICOM that can be read.
    """
    film = read_dataset(data, path, pixels=True)
    with reading(path, "cannot be written without its patient"):
        import pydicom
        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, generate_uid

        seen = hashlib.sha256(data).hexdigest()  # the same film gives the same bytes, and other films other names
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = film.file_meta.get("TransferSyntaxUID", ExplicitVRLittleEndian)
        meta.MediaStorageSOPClassUID = film.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7")
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[seen, "film"])
        fresh = FileDataset(None, _kept(film), file_meta=meta, preamble=b"\0" * 128)
        fresh.SOPClassUID, fresh.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        fresh.StudyInstanceUID = generate_uid(entropy_srcs=[patient, "study"])
        fresh.SeriesInstanceUID = generate_uid(entropy_srcs=[seen, "series"])
        fresh.PatientID = fresh.PatientName = patient
        fresh.PatientIdentityRemoved, fresh.DeidentificationMethod = "YES", METHOD
        sink = BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pydicom.dcmwrite(sink, fresh, enforce_file_format=True)
        return sink.getvalue()


def _kept(dataset: Any) -> Any:
    """A copy of what may stay."""
    from pydicom.dataset import Dataset

    fresh = Dataset()
    for element in dataset:
        if element.keyword not in KEPT or element.tag.is_private:
            continue
        if element.VR == "SQ":
            setattr(fresh, element.keyword, [_kept(item) for item in element.value])
        elif element.keyword not in CODES or _is_code(element.value):
            fresh.add(element)
    return fresh


def _is_code(value: Any) -> bool:
    text = str(value or "")
    return len(text) <= LONGEST and text == text.upper() and "^" not in text


def burnt_in(data: bytes, path: Path) -> bool:
    """Whether the header says that text stands in the pixels, where no one takes it out."""
    header = read_dataset(data, path, pixels=False)
    with reading(path, "is DICOM with a damaged header"):
        return str(header.get("BurnedInAnnotation") or "").strip().upper() == "YES"
