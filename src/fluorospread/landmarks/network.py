"""Network inputs and outputs at run time: local contrast in, landmark probabilities out (onnxruntime)."""

from __future__ import annotations

# Output channels of the level network. C1 is the vertebra on the sacrum (L5 in most people), C2 the next.
LEVEL_CHANNELS = (
    "S1", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "S2", "last-rib", "crest-image-left", "crest-image-right",
)  # fmt: skip
