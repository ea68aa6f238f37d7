"""`python -m fluorospread.training`: public anatomies to network weights, step by step, resumable."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

_NETWORKS = ("levels", "close-ups", "contrast")
# Kept out of training to judge on: two clean masks, a scoliotic one, one with thin slices, and the pelvis
# of the atlas with everything fitted to it.
HELD_OUT = ("verse047", "verse269", "verse400_verse155", "verse585", "spl-atlas")


def _render(args: argparse.Namespace) -> None:
    from fluorospread.simulation.anatomy.real_people import read_people
    from fluorospread.simulation.anatomy.variation import read_spine_poses
    from fluorospread.training.views import (
        procedural_anatomies,
        real_anatomies,
        write_close_up_shard,
        write_shard,
    )

    everyone = read_people(args.anatomies) if args.kind != "built-in" else []
    poses = read_spine_poses(args.poses) if everyone else None
    judging = args.kind == "held-out"
    people = [p for p in everyone if (p.name in HELD_OUT) == judging]
    # Held-out people get the held-out pelvis; nobody else does.
    bases = [p for p in everyone if p.sacrum is not None and (p.name in HELD_OUT) == judging]
    fillers = [p for p in everyone if (p.name in HELD_OUT) == judging and len(p.vertebrae) >= 7]
    # Ribs and T9 exist in so few people that both sides share them.
    ribs = [p for p in everyone if any(name.startswith("rib12") for name in p.others) or "T9" in p.vertebrae]
    for number in range(args.first, args.first + args.shards):
        name = args.cache / f"{args.kind}_{number:03d}"
        if (args.cache / f"{name.name}_close_bone.npy").is_file():
            continue
        rng = np.random.default_rng([args.seed, sum(args.kind.encode()), number])
        if poses is None:
            anatomies = procedural_anatomies(rng)
        else:
            anatomies = real_anatomies(people, (bases, fillers, ribs), poses, rng, unusual=args.close_ups)
        (write_close_up_shard if args.close_ups else write_shard)(anatomies, name, rng)
        sys.stdout.write(f"{name.name}\n")
        sys.stdout.flush()


def _train(args: argparse.Namespace) -> None:
    import torch

    from fluorospread.training.train import train

    torch.set_num_threads(args.threads)
    train(args.network, args.cache, args.out, args.steps, args.seed, ("real", "built-in"), args.start_from)


def _export(args: argparse.Namespace) -> None:
    from fluorospread.training.export import export

    gap = export(args.network, args.out / f"{args.network}.pt", args.weights)
    sys.stdout.write(f"{args.network}: torch and onnxruntime agree within {gap:.4f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fluorospread.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("views", help="render thickness views of anatomies into a cache folder")
    render.add_argument("--anatomies", type=Path, help="folder of public anatomies")
    render.add_argument("--poses", type=Path, help="key points of real spines (CSV)")
    render.add_argument("--cache", type=Path, required=True)
    render.add_argument("--kind", choices=("real", "built-in", "held-out"), required=True)
    render.add_argument("--shards", type=int, default=20)
    render.add_argument("--first", type=int, default=0)
    render.add_argument(
        "--close-ups", action="store_true", help="close-ups only, S1 to the last rib, of many unusual spines"
    )
    render.add_argument("--seed", type=int, default=1)
    render.set_defaults(run=_render)
    learn = commands.add_parser("train", help="train one network from cached views")
    learn.add_argument("network", choices=_NETWORKS)
    learn.add_argument("--cache", type=Path, required=True)
    learn.add_argument("--out", type=Path, required=True, help="folder of checkpoints")
    learn.add_argument("--steps", type=int, required=True)
    learn.add_argument("--seed", type=int, default=1)
    learn.add_argument("--start-from", type=Path, help="checkpoint whose weights a fresh run starts from")
    learn.add_argument("--threads", type=int, default=1)
    learn.set_defaults(run=_train)
    write = commands.add_parser("export", help="write a trained network as ONNX and check it")
    write.add_argument("network", choices=_NETWORKS)
    write.add_argument("--out", type=Path, required=True, help="folder of checkpoints")
    write.add_argument("--weights", type=Path, required=True, help="folder to write the weights to")
    write.set_defaults(run=_export)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
