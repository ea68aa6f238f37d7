"""pydicom's own test files: damaged, odd and of every kind; each is read or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.errors import InputError


def test_pydicoms_own_test_files_are_read_or_refused_by_name():
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    outcomes, messages = {}, {}
    for path in files:
        try:
            radiograph = read_radiograph(path)
            assert np.isfinite(radiograph.pixels(radiograph.frames.count - 1)).all()
            outcomes[path.name] = "read"
        except InputError as error:
            outcomes[path.name] = type(error).__name__
            messages[path.name] = str(error)
    assert all(name in message for name, message in messages.items())
    assert outcomes["CT_small.dcm"] == outcomes["MR_small.dcm"] == "UnsupportedImageError"
    assert outcomes["MR_truncated.dcm"] == "TruncatedImageError"
    assert outcomes["rtplan.dcm"] == outcomes["DICOMDIR"] == "NotAnImageError"
