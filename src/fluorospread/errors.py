"""Every exception fluorospread raises on purpose, as one tree.

FluorospreadError
├── UsageError                    the call itself is wrong (exit code 2)
├── InputError                    the input is bad (exit code 3)
│   ├── MissingFileError          no such file, or it cannot be opened
│   ├── NotAnImageError           not DICOM, PNG, JPEG or TIFF; or DICOM without pixels
│   ├── TruncatedImageError       the file ends before its pixels do, or is empty
│   ├── UnsupportedImageError     an encoding, colour space or kind we do not read
│   ├── ImageSizeError            zero-size, or too large to be a radiograph
│   ├── PixelValueError           NaN, infinite, or constant pixels
│   ├── TagError                  a DICOM attribute contradicts the rest
│   │   ├── GeometryError         pixel spacing and distances
│   │   ├── OrientationError      sides and direction
│   │   └── PolarityError         which way brightness runs
│   ├── CaseError                 images that do not make one case
│   ├── ProtocolError             a protocol file that does not fit its schema
│   └── CaseFileError             a case.json that does not fit its schema
├── ReviewError                   a step that the protocol of reading does not allow (exit code 2)
├── StoreError                    the review store cannot be opened, read or written (exit code 3)
├── PacsError                     the image archive does not do what was asked (exit code 3)
│   ├── PacsConnectionError       it cannot be reached, or the connection broke; what arrived is kept
│   ├── PacsSecurityError         its certificate, our credentials, or a way that would show them
│   └── PacsResponseError         it refused, or answered with something else than was asked for
├── OutputError                   the result cannot be written where asked
├── WorkerError                   a process that shared the work ended before it was done
└── WeightsError                  network weights are missing or not the recorded ones

Each message says what was expected, what was found and what to do, and names the file.
"""

from __future__ import annotations


class FluorospreadError(Exception):
    """Base of every error raised on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(FluorospreadError):
    """The call does not make sense as given."""

    exit_code = 2


class InputError(FluorospreadError):
    """The input cannot be used."""

    exit_code = 3


class MissingFileError(InputError):
    """No such file or folder, or it cannot be opened."""


class NotAnImageError(InputError):
    """Neither DICOM nor PNG, JPEG or TIFF, or a DICOM object without pixels."""


class TruncatedImageError(InputError):
    """The file is empty or ends before its pixels do."""


class UnsupportedImageError(InputError):
    """A transfer syntax, colour space or image kind that is not read."""


class ImageSizeError(InputError):
    """Zero-size, or larger than any radiograph."""


class PixelValueError(InputError):
    """NaN, infinite or constant pixels."""


class TagError(InputError):
    """A DICOM attribute is malformed or contradicts another."""


class GeometryError(TagError):
    """Pixel spacing, distances or magnification are impossible or contradict each other."""


class OrientationError(TagError):
    """Sides or directions are malformed or contradict each other."""


class PolarityError(TagError):
    """Which way brightness runs is malformed or contradictory."""


class CaseError(InputError):
    """The images given do not make one case."""


class ProtocolError(InputError):
    """A protocol file does not fit its schema."""


class CaseFileError(InputError):
    """A case.json does not fit its schema."""


class ReviewError(FluorospreadError):
    """A step that the protocol of reading does not allow now, or a reading that is not complete."""

    exit_code = 2


class StoreError(FluorospreadError):
    """The review store or a reader's key cannot be opened, read or written."""

    exit_code = 3


class PacsError(FluorospreadError):
    """The image archive does not do what was asked."""

    exit_code = 3


class PacsConnectionError(PacsError):
    """The archive cannot be reached, or the connection broke. What arrived is kept; run again to go on."""


class PacsSecurityError(PacsError):
    """The archive's certificate is not trusted, our credentials are not accepted, or they would travel in the clear."""


class PacsResponseError(PacsError):
    """The archive refused, or answered with something else than was asked for."""


class OutputError(FluorospreadError):
    """The result cannot be written where asked."""

    exit_code = 3


class WorkerError(FluorospreadError):
    """A process that shared the work ended before its work was done."""


class WeightsError(FluorospreadError):
    """Network weights are missing or are not the recorded ones."""
