"""Tables for a shop: which rows, SKU by a pattern with a preview, own columns; kept for the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.preview.selection import PhotoView
from app.preview.session import PreviewSession
from app.text import counted, literal
from core.datasets import shop
from core.datasets.shop import MOST_COLUMNS, MOST_TEXT, PLACEHOLDERS, ShopTable, SkuPattern
from core.errors import DatasetError
from core.threads import IMPORTS

SETTING = "shop"
KINDS = {
    shop.TABLE: "Table for Excel",
    shop.SHOPIFY: "Shopify products",
    shop.WOOCOMMERCE: "WooCommerce products",
}
FILES = {shop.TABLE: "garments.csv", shop.SHOPIFY: "shopify.csv", shop.WOOCOMMERCE: "woocommerce.csv"}
ROWS = {shop.A_GARMENT: "a garment", shop.A_PHOTO: "a photo"}
PREVIEWED = 5
TEXTS = {"sku": "", "title": "{label} {sku}", "image_address": ""}
"""The fields of text and what they begin with."""

IN_BRACES = ", ".join(f"`{{{name}}}`" for name in PLACEHOLDERS)


def show_shop(session: PreviewSession, photos: Sequence[PhotoView]) -> None:
    """The choices, a preview of the SKUs, and the button that downloads the table."""
    chosen = settings_of(session)
    wanted = _choices(chosen)
    if wanted != chosen:
        session.set(SETTING, wanted)
    try:
        table = table_of(wanted)
    except DatasetError as error:
        st.error(literal(str(error)), icon=":material/error:")
        return
    _preview(table, photos)
    st.download_button(
        f"Download {FILES[table.kind]}",
        lambda: table.data([view.labeled for view in photos], session.names),
        file_name=FILES[table.kind],
        mime="text/csv",
        icon=":material/table:",
        key="shop-download",
        on_click="ignore",
    )


def _choices(begin: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, which begin as the person left them; what they say now."""
    left, right = st.columns(2)
    with left:
        kind = st.selectbox(
            "File",
            list(KINDS),
            index=list(KINDS).index(begin["kind"]),
            format_func=KINDS.__getitem__,
            key="shop-kind",
        )
    with right:
        rows = st.segmented_control(
            "A row for",
            list(ROWS),
            default=begin["rows"],
            format_func=ROWS.__getitem__,
            required=True,
            key="shop-rows",
            help="In products, photos with one SKU are one product, or every garment is one.",
        )
    return {"kind": kind, "rows": rows} | _texts(begin, kind) | {"columns": _own_columns(begin["columns"])}


def _texts(begin: Mapping[str, Any], kind: str) -> dict[str, str]:
    """The fields of text; a table for Excel has no product names, so that theirs stays what it was."""
    sku = st.text_input(
        "SKU in the file name",
        begin["sku"],
        key="shop-sku",
        max_chars=MOST_TEXT,
        placeholder="{sku}_*",
        help="`{sku}` is the SKU, `*` is anything: of AB12_front.jpg, `{sku}_*` takes AB12. "
        "`{sku+}` takes as much as it can. With a `/` folders count as well: `{sku}/*`. "
        "Empty: the whole name.",
    )
    title = begin["title"]
    if kind != shop.TABLE:
        title = st.text_input(
            "Product name", title, key="shop-title", max_chars=MOST_TEXT, help=f"In braces: {IN_BRACES}."
        )
    address = st.text_input(
        "Address of the photos",
        begin["image_address"],
        key="shop-image",
        max_chars=MOST_TEXT,
        placeholder="https://…/photos/",
        help="Shops fetch pictures by their address; the file's name with its folders is put behind it. "
        "Empty: no pictures in the table.",
    )
    return {"sku": sku, "title": title, "image_address": address}


def settings_of(session: PreviewSession) -> dict[str, Any]:
    """What the person has chosen, with what is missing or no choice as at the beginning."""
    kept = session.draft.settings.get(SETTING)
    kept = kept if isinstance(kept, dict) else {}
    found: dict[str, Any] = {
        name: kept[name] if isinstance(kept.get(name), str) else begin for name, begin in TEXTS.items()
    }
    columns = kept.get("columns")
    return found | {
        "kind": kept.get("kind") if kept.get("kind") in KINDS else shop.TABLE,
        "rows": kept.get("rows") if kept.get("rows") in ROWS else shop.A_GARMENT,
        "columns": {str(name): str(value) for name, value in columns.items()}
        if isinstance(columns, dict)
        else {},
    }


def table_of(chosen: Mapping[str, Any]) -> ShopTable:
    """The table that was chosen. Raises DatasetError for a pattern, a name or an address that is none."""
    return ShopTable(
        chosen["kind"],
        chosen["rows"],
        SkuPattern(chosen["sku"].strip()),
        chosen["title"],
        chosen["columns"],
        chosen["image_address"].strip(),
    )


def _own_columns(begin: Mapping[str, str]) -> dict[str, str]:
    """The table of own columns: a name and a value each."""
    with IMPORTS:
        import pandas as pd

    if "shop-columns-begin" not in st.session_state:  # an editor that is given other rows forgets its own
        st.session_state["shop-columns-begin"] = dict(begin)
    rows = list(st.session_state["shop-columns-begin"].items())
    st.caption(f"Own columns: a name, and what stands in each row. In braces: {IN_BRACES}.")
    edited = st.data_editor(
        pd.DataFrame(rows, columns=["Column", "Value"], dtype=str),
        key="shop-columns",
        num_rows="dynamic",
        hide_index=True,
        column_config={
            name: st.column_config.TextColumn(max_chars=MOST_TEXT) for name in ("Column", "Value")
        },
        alt="Own columns of the table",
    )
    named = (
        (str(row["Column"] or "").strip(), str(row["Value"] or ""))
        for row in edited.fillna("").to_dict("records")
    )
    return dict([(name, value) for name, value in named if name][:MOST_COLUMNS])


def _preview(table: ShopTable, photos: Sequence[PhotoView]) -> None:
    """The SKUs of the first photos, and how many have none."""
    skus = [(view.item.spooled.name, table.sku.sku_of(view.item.spooled.name)) for view in photos]
    missing = [name for name, sku in skus if not sku]
    st.table({"File": [name for name, _ in skus[:PREVIEWED]], "SKU": [sku for _, sku in skus[:PREVIEWED]]})
    several = len(skus) - len(missing) - len({sku for _, sku in skus if sku})
    said = [f"{counted(len({sku for _, sku in skus if sku}), 'SKU')} in {counted(len(skus), 'photo')}"]
    said += [f"{several} photos share one"] if several else []
    said += [f"{len(missing)} without, as {missing[0]}"] if missing else []
    st.caption(literal(" · ".join(said)))
