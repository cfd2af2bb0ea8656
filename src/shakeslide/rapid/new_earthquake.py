"""A new earthquake: its study, completed, its shaking and the model that maps it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from shakeslide import pipeline
from shakeslide._version import __version__
from shakeslide.core.engine import Engine
from shakeslide.core.errors import InputError
from shakeslide.core.fingerprints import fingerprint, of_arrays
from shakeslide.core.progress import Reporter
from shakeslide.geo import grid as grids
from shakeslide.rapid import completed, exposure, model_choice, own_shaking
from shakeslide.rapid.model_choice import RapidModel
from shakeslide.rapid.totals import ShakeMapVersion
from shakeslide.results.ledger import Ledger
from shakeslide.shaking import shakemap_motion
from shakeslide.shaking.ground_motion import GroundMotion
from shakeslide.study import settings as study
from shakeslide.study.document import TomlValue
from shakeslide.study.model_settings import Models
from shakeslide.study.settings import Study


@dataclass(frozen=True)
class NewEarthquake:
    """What is known before any landslide is mapped, ready to be computed.

    Attributes
    ----------
    run : pipeline.Run
        The completed study in its folder of results.
    motion : GroundMotion
        The shaking.
    model : RapidModel
        What is mapped.
    """

    run: pipeline.Run
    motion: GroundMotion
    model: RapidModel

    @property
    def out(self) -> Path:
        """Folder of results."""
        return self.run.out

    @property
    def ledger(self) -> Ledger:
        """The record of what has been made from what."""
        return self.run.ledger

    @property
    def reporter(self) -> Reporter:
        """What the user sees."""
        return self.run.reporter

    @property
    def study(self) -> Study:
        """All settings."""
        return self.run.study

    @property
    def grid(self) -> GeoBox:
        """The grid."""
        return self.run.grid()

    @property
    def tile(self) -> int:
        """Side of a tile in cells."""
        return self.run.tile()

    @cached_property
    def exposed(self) -> exposure.Exposed:
        """What lies in the landslides' way."""
        # Before it is read, so that no change in between goes unnoticed.
        self.ledger.watch(exposure.files(self.study.exposure))
        return exposure.exposed(self.study.exposure, self.grid)

    @property
    def scenario(self) -> bool:
        """Whether the earthquake is an assumed one."""
        stated = self.study.shaking.scenario
        return self.motion.scenario if stated is None else stated

    @property
    def version(self) -> ShakeMapVersion:
        """Which ShakeMap it is of."""
        return ShakeMapVersion(
            id=self.motion.id,
            version=self.motion.version,
            event_type="SCENARIO" if self.scenario else "ACTUAL",
        )

    @property
    def about(self) -> str:
        """The earthquake and its ShakeMap in a few words."""
        name = self.motion.title or self.study.study.name
        what = f"ShakeMap {self.motion.id} version {self.motion.version}" if self.motion.id else ""
        label = "SCENARIO, an assumed earthquake: " if self.scenario else ""
        return f"{label}{name}{f', {what}' if what else ''}"

    @cached_property
    def mark(self) -> str:
        """Fingerprint of all that maps and totals depend on, and all that is written with them."""
        content, study = self.ledger.content, self.study
        model, folder = self.model, self.model.folder
        if folder is None:
            how: Any = self.run.models.recipe(model.name).params
        else:
            kinds = (".safetensors", ".json")
            files = sorted(p for p in folder.rglob("*") if p.suffix in kinds)
            how = [[str(p.relative_to(folder)), content(p)] for p in files]
        return fingerprint(
            {c: self.run.marks.factor_marks()[c] for c in model.every_code},
            study.shaking.essence(content, but=("shakemap", "uncertainty")),
            _digest(self.motion),
            [self.version.__dict__, self.about],
            [model.name, model.codes, how, model.class_sd, model.event_sd],
            [study.exposure.essence(content), study.study.seed, __version__],
        )


def _digest(motion: GroundMotion) -> str:
    """Return a fingerprint of the nodes, and of what the source says of the earthquake."""
    measures = (motion.pga, motion.pgv)
    values = [v for m in measures for v in (m.median, m.total, m.between, m.within)]
    said = [
        motion.magnitude,
        motion.depth,
        motion.epicentre,
        motion.time,
        motion.uncertainty_ratio,
        motion.finite_rupture,
    ]
    return fingerprint(of_arrays(*values), str(motion.grid), said)


def opened(
    path: Path,
    out: Path,
    engine: Engine,
    reporter: Reporter,
    *,
    model: str | None = None,
    data: Path | None = None,
    overrides: list[str] | None = None,
    verify: bool = False,
) -> NewEarthquake:
    """Read the study of a new earthquake and its ShakeMap.

    Parameters
    ----------
    path : Path
        The study file.
    out : Path
        Folder of results.
    engine, reporter : Engine, Reporter
        Where tiles run; what the user sees.
    model : str, optional
        Name of a formula or folder of a model; default: [models] use of the study, if it is one
        formula.
    data, overrides : optional
        As for `study.load`.
    verify : bool
        Read all files again.

    Raises
    ------
    InputError
        Any file or key that is wrong.
    """
    document, base = study.read(path, data, overrides or [])
    # As written: layers of classes are used by factors that are added later.
    plain = study.validate(completed.completed(document, {}, ()), base, str(path))
    name = model or _asked(plain.models, reporter)
    rapid = model_choice.chosen(name, plain.layers)
    motion = shaking_of(plain, out, engine, reporter)
    files = completed.write_shaking(motion, out / ".work" / "shaking")
    whole = completed.completed(document, files, [*rapid.every_code, "DEM"], rapid.factors)
    if rapid.folder is None:
        whole["models"] = {"use": [rapid.name], rapid.name: _settings(plain.models, rapid)}
    loaded = study.validate(whole, base, str(path))
    event = NewEarthquake(
        pipeline.Run(loaded, document, out, engine, reporter, verify), motion, rapid
    )
    if rapid.resolution is not None:
        model_choice.require_resolution(
            rapid, grids.cell_size(event.grid)[0], f"{path}: [grid] resolution"
        )
    return event


def shaking_of(plain: Study, out: Path, engine: Engine, reporter: Reporter) -> GroundMotion:
    """Return the shaking of a ShakeMap, or of the study's own rasters."""
    if plain.shaking.shakemap is not None:
        if plain.shaking.sd is not None:
            raise InputError(
                "[shaking] sd is for rasters of your own; a ShakeMap has its own standard "
                "deviations: delete it"
            )
        motion = shakemap_motion.read(plain.shaking.shakemap, plain.shaking.uncertainty)
        return replace(motion, notes=(*motion.notes, *_unused(plain)))
    grid = pipeline.Run(plain, {}, out, engine, reporter).grid()
    return own_shaking.read(plain.layers, plain.shaking, plain.event, plain.study.name, grid)


def _unused(plain: Study) -> list[str]:
    """Return what a ShakeMap and a study both state, and which of the two counts."""
    out = []
    own = [c.lower() for c in completed.MEASURES if c.lower() in plain.layers]
    if own:
        out.append(
            f"{' and '.join(f'[layers.{name}]' for name in own)}: the median shaking is taken from "
            "there, its uncertainty from the ShakeMap; delete one of the two"
        )
    return out


def _settings(models: Models, model: RapidModel) -> dict[str, TomlValue]:
    """Return the table of a formula: what the study states, and what it needs without layers."""
    stated = models.settings_of(model.name).model_dump(exclude_unset=True)
    # Sums of any other output over the ground are no areas.
    if "output" in model.settings and stated.get("output", "coverage") != "coverage":
        raise InputError(
            f"[models.{model.name}] output = {stated['output']!r}: totals need coverage; "
            "delete output, or set it to 'coverage'"
        )
    return {**model.settings, **stated}


def _asked(models: Models, reporter: Reporter) -> str:
    """Return the model that the study asks for, or the usual one."""
    if "use" not in models.model_fields_set:
        return model_choice.DEFAULT
    if len(models.use) > 1:
        left = ", ".join(models.use[1:])
        reporter.warn(f"[models] use: rapid maps {models.use[0]} alone, not {left}; see --model")
    return models.use[0]
