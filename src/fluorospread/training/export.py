"""Checkpoint to ONNX with half-precision weights, checked against torch, with the list of digests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from fluorospread.landmarks.network import INPUT_PX
from fluorospread.training.train import TASKS, LandmarkTask

# Largest difference of any logit between torch and onnxruntime that is put down to rounding weights to 16 bit.
_TOLERANCE = 0.2


def _halved(path: Path) -> None:
    """Store large weights as 16-bit floats, cast back when the session is made."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for weight in list(model.graph.initializer):
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 1000:
            continue
        values = numpy_helper.to_array(weight).astype(np.float16)
        model.graph.initializer.remove(weight)
        model.graph.initializer.append(numpy_helper.from_array(values, weight.name + "_half"))
        casts.append(helper.make_node("Cast", [weight.name + "_half"], [weight.name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def export(name: str, checkpoint: Path, weights: Path) -> float:
    """Write `weights`/NAME.onnx and the digests of all weights there; return the largest logit difference.

    Raises
    ------
    ValueError
        When onnxruntime's answers differ from torch's by more than rounding.
    """
    import onnxruntime

    task = TASKS[name]
    net = task.net()
    net.load_state_dict(torch.load(checkpoint, weights_only=True)["averaged"])
    net.eval()
    example = torch.randn(2, task.channels, INPUT_PX, INPUT_PX, generator=torch.Generator().manual_seed(0))
    weights.mkdir(parents=True, exist_ok=True)
    path = weights / f"{name}.onnx"
    outputs = ["maps", "absent", "flags"] if isinstance(task, LandmarkTask) else ["maps"]
    torch.onnx.export(
        net, (example,), str(path), input_names=["image"], output_names=outputs,
        dynamic_axes={key: {0: "n"} for key in ("image", *outputs)}, opset_version=17, dynamo=False,
    )  # fmt: skip
    _halved(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = net(example) if isinstance(task, LandmarkTask) else (net(example),)
    found = session.run(None, {"image": example.numpy()})
    gap = max(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, found, strict=True))
    if gap > _TOLERANCE:
        raise ValueError(f"onnxruntime and torch differ by {gap:.3f} in a logit; expected at most {_TOLERANCE}")
    sums = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(weights.glob("*.onnx"))
    ]
    (weights / "SHA256SUMS").write_text("".join(sums), encoding="ascii")
    return gap
