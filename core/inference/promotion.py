"""Changes of the champion, with its weights exported for this machine's engine before they serve.

So nobody waits for an export after the swap; what the command line, the page Models and the HTTP API call.
"""

from __future__ import annotations

from core.access import Right, needs
from core.inference.engines.engine import prepare_engine
from core.store import Store
from core.store.promotions import Promotion


@needs(Right.PROMOTE)
def promote(
    store: Store,
    model_id: int,
    *,
    expected_champion: int,
    request: str,
    comparison_id: int | None = None,
    overrule_reason: str = "",
) -> Promotion:
    """Export a candidate, then let it take over as :meth:`Promotions.promote` does, whose errors it raises.

    Raises EngineError where the engine of ``LAPEL_ENGINE`` is not there.
    """
    prepare_engine(store.models.file_of(store.models.get(model_id)))
    return store.promotions.promote(
        model_id,
        expected_champion=expected_champion,
        request=request,
        comparison_id=comparison_id,
        overrule_reason=overrule_reason,
    )


@needs(Right.PROMOTE)
def rollback(store: Store, kind: str, *, request: str, expected_champion: int | None = None) -> Promotion:
    """Export the champion before the present one, then bring it back as :meth:`Promotions.rollback` does.

    Its errors are raised, and EngineError where the engine of ``LAPEL_ENGINE`` is not there.
    """
    previous = store.promotions.previous(kind)
    if previous is not None:
        prepare_engine(store.models.file_of(store.models.get(previous)))
    return store.promotions.rollback(kind, request=request, expected_champion=expected_champion)
