"""Training of an autoencoder on disk, so that a killed one goes on where it stood."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path

import numpy as np

from shakeslide.core import fingerprints
from shakeslide.core.errors import InputError
from shakeslide.core.fingerprints import of_arrays
from shakeslide.models.arrayfile import read, write
from shakeslide.models.base import ArrayReader, Arrays
from shakeslide.models.sae.sae_network import AUTOENCODER_PARTS, aligned_zeros, parameter_count
from shakeslide.models.sae.sae_training import Member, phase_plan

# A part of the mark: raised with the layout, it makes older states another training's.
_FORMAT = 1


def fingerprint(member: Member) -> str:
    """Hash of everything that decides how a training ends: settings, seed, rows and labels."""
    watched = [part for name in sorted(member.watched) for part in member.watched[name]]
    arrays = of_arrays(member.X, member.y, member.pretraining_X, *watched)
    return fingerprints.fingerprint(_FORMAT, asdict(member.settings), member.seed, arrays)


def save(path: Path, member: Member, mark: str) -> None:
    """Write the state of a training; the file is replaced at once."""
    arrays: Arrays = {
        "mark": np.frombuffer(bytes.fromhex(mark), dtype=np.uint8),
        "place": np.array([member.phase, member.step, member.best_step], dtype=np.int64),
        "best_loss": np.array([member.best_loss]),
        "theta": member.theta,
        "moments": member.moments,
    }
    if member.best is not None:
        arrays["best"] = member.best
    for k, parts in enumerate(member.decoders, start=1):
        for name, part in zip(AUTOENCODER_PARTS, parts, strict=True):
            arrays[f"{name}_{k}"] = part
    for name, curves in member.curves.items():
        arrays[f"curve_{name}"] = np.concatenate(curves)
    write(path, arrays)


def resume(path: Path, member: Member, mark: str) -> bool:
    """Bring a new member to where `save` left it.

    Returns
    -------
    bool
        False if there is nothing, or the state of another training: then it starts anew.
    """
    try:
        arrays = read(path)
    # A damaged state costs time only: training starts anew.
    except InputError:
        return False
    stored = arrays.pop("mark", None)
    if stored is None or stored.tobytes().hex() != mark:
        return False
    reader = ArrayReader(f"training {path}", arrays)
    # Phase −1 is that of a member that has not begun.
    place = reader.take("place", np.int64, (3,), low=-1)
    member.phase, member.step, member.best_step = (int(v) for v in place)
    # Trained to its end: the stack is that of the last phase, fine-tuning.
    if member.phase > member.depth:
        member.phase = member.depth
        member.plan = phase_plan(member)
        member.phase += 1
    elif member.phase >= 0:
        member.plan = phase_plan(member)
    size = parameter_count(member.plan) if len(member.plan) else 0
    member.theta = aligned_zeros(size)
    if size:
        member.theta[:] = reader.take("theta", np.float32, (size,))
        columns = size if member.settings.optimiser == "adamw" else 0
        member.moments = reader.take("moments", np.float32, (2, columns))
    best = reader.names("best")
    if "best" in best:
        member.best = reader.take("best", np.float32, (size,))
    # Past the reader, which refuses infinity: that is its value before the first look.
    member.best_loss = float(arrays["best_loss"][0])
    sizes = [member.X.shape[1], *member.settings.units]
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes), start=1):
        if f"encoder_{k}" in arrays:
            shapes = ((n_out, n_in), (n_out,), (n_in, n_out), (n_in,))
            named = zip(AUTOENCODER_PARTS, shapes, strict=True)
            member.decoders.append(tuple(reader.take(f"{n}_{k}", np.float32, s) for n, s in named))
    for name in reader.names("curve_"):
        curve = reader.take(name, np.float64, (arrays[name].shape[0], 3))
        member.curves[name.removeprefix("curve_")] = [curve]
    return True
