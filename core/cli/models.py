"""``models``, ``promote``, ``rollback``: the store's models, and which of them serve."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.cli.console import AsJson, By, Data, ProgressBar, is_row_number, iso_time, open_store, print_json
from core.errors import NotFoundError, WeightsError

if TYPE_CHECKING:
    from core.store import Store
    from core.store.models import ModelRow
    from core.store.promotions import ComparisonRow, Promotion


def models(as_json: AsJson = False, data: Data = None) -> None:
    """List the store's models, the newest first, with what each brought; those that serve have a star."""
    store = open_store(data)
    store.models.register_shipped()
    names = {model.id: model.name for model in store.models.all()}
    serving = set(store.models.champion_ids().values())
    rows = [_row(store, model, names, serving) for model in store.models.all()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        star, origin = "*" if row["serves"] else " ", row["parent"] or "came with Lapel"
        print(f"{star} {row['id']:>4}  {row['kind']:<10}  {row['name']:<44}  {_figure(row):<24}  {origin}")


def promote(
    model: Annotated[
        str,
        typer.Argument(
            help="A model's name or number, or a .safetensors file to bring into the store.",
            show_default=False,
        ),
    ],
    overrule: Annotated[
        str, typer.Option(help="Why it is to serve though the gate refuses; it is recorded.")
    ] = "",
    by: By = None,
    data: Data = None,
) -> None:
    """Promote a model if it passes the gate, after comparing it with the champion where needed."""
    from core.inference import promotion

    store = open_store(data, by)
    candidate = _named(store, model)
    champion = store.models.champion(candidate.kind)
    compared = _comparison(store, candidate, champion)
    made = promotion.promote(
        store,
        candidate.id,
        expected_champion=champion.id,
        request=uuid.uuid4().hex,
        comparison_id=compared.id if compared else None,
        overrule_reason=overrule,
    )
    print_json(_promotion(made, {candidate.id: candidate.name, champion.id: champion.name}))


def rollback(
    kind: Annotated[str, typer.Argument(help="detector or classifier", show_default=False)],
    by: By = None,
    data: Data = None,
) -> None:
    """Roll back to the model that served before."""
    from core.inference import promotion

    store = open_store(data, by)
    champion = store.models.champion(kind)
    made = promotion.rollback(store, kind, request=uuid.uuid4().hex, expected_champion=champion.id)
    print_json(
        _promotion(made, {champion.id: champion.name, made.model_id: store.models.get(made.model_id).name})
    )


def _named(store: Store, name: str) -> ModelRow:
    """The model of a name or number, or of a weights file, which comes into the store where it is new."""
    if name.endswith(".safetensors"):
        return _of_file(store, Path(name))
    try:
        return store.models.named(name)
    except NotFoundError:
        if is_row_number(name):
            return store.models.get(int(name))
        raise


def _of_file(store: Store, path: Path) -> ModelRow:
    from core.models.cards import is_same_model, read_card
    from core.models.weights import digest

    card = read_card(path)
    if not path.is_file():
        raise WeightsError(f"expected weights at {path.name}, found none")
    own = digest(path)
    known = (
        row for row in store.models.all(card.kind) if row.digest == own and is_same_model(row.card, card)
    )
    return next(known, None) or store.models.add(path)


def _comparison(store: Store, candidate: ModelRow, champion: ModelRow) -> ComparisonRow | None:
    """The comparison that decides, made now where there is none; None without a revision to make it on."""
    from core.training.comparison import compare_models

    if candidate.id == champion.id:
        return None
    known = store.comparisons.of(candidate.id, champion.id)
    if known:
        return known[0]
    revisions = store.revisions.all()
    if not revisions:
        return None
    with ProgressBar() as bar:
        return compare_models(store, candidate.id, champion.id, revisions[0].number, bar.show)


def _row(store: Store, model: ModelRow, names: Mapping[int, str], serving: set[int]) -> dict[str, Any]:
    row = {
        "id": model.id,
        "kind": model.kind,
        "name": model.name,
        "serves": model.id in serving,
        "digest": model.digest,
        "categories": len(model.card.categories),
        "parent": None if model.parent_id is None else names[model.parent_id],
        "revision": model.revision,
        "training": model.training_id,
        "by": model.by,
        "at": iso_time(model.at),
    }
    compared = store.comparisons.of(model.id)
    return row | {"comparison": _compared(compared[0], names) if compared else None}


def _compared(row: ComparisonRow, names: Mapping[int, str]) -> dict[str, Any]:
    verdict = row.verdict
    shown = {"champion": names[row.champion_id], "revision": row.revision}
    figures = {name: pair.as_dict() for name, pair in row.comparison.metrics.items()}
    judged = {"passes": verdict.passes, "reasons": verdict.reasons, "photos_needed": verdict.photos_needed}
    return shown | {"figures": figures} | judged


def _figure(row: Mapping[str, Any]) -> str:
    """What the model brought against the champion of its time, in points."""
    compared = row["comparison"]
    if not compared:
        return ""
    name, figure = next(iter(compared["figures"].items()))
    change = figure["difference"]
    said = "not measured" if change is None else f"{name} {100 * change:+.1f} points"
    return f"{said}, {'passes' if compared['passes'] else 'refused'}"


def _promotion(made: Promotion, names: Mapping[int, str]) -> dict[str, Any]:
    previous = None if made.previous_id is None else names[made.previous_id]
    who = {"kind": made.kind, "serves": names[made.model_id], "previous": previous}
    return {"action": made.action} | who | {"reason": made.reason, "by": made.by, "at": iso_time(made.at)}
