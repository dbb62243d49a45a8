"""The figure's data and its own arithmetic in the browser: softmax of both terms, colors, finer maps."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from app.attention import figure
from app.attention.figure import Numbers, Panel, Pointed, PointModel, Scale, Section, figure_data, scale_of
from app.components.modules import joined
from core.images.color_maps import color_table, hex_stops

HERE = Path(figure.__file__).parent
GENERATOR = np.random.default_rng(0)


def test_panels_of_one_scale_share_it_and_their_values_follow_each_other():
    arrays, scale = Numbers(), Scale(-1.0, 1.0, signed=True, unit="logit")
    maps = [GENERATOR.random((2, 3)), GENERATOR.random((4, 4)), GENERATOR.random((1, 1))]
    own = scale_of([maps[2]])
    sections = [Section("a", [Panel("x", maps[0], scale), Panel("y", maps[1], scale)]),
                Section("b", [Panel("z", maps[2], own)])]  # fmt: skip
    data = figure_data(sections, None, arrays)
    json.dumps(data)
    panels = [panel for section in data["sections"] for panel in section["panels"]]
    assert [panel["at"] for panel in panels] == [0, 6, 22]
    assert panels[0]["scale"] == panels[1]["scale"] != panels[2]["scale"]
    assert data["scales"][panels[0]["scale"]] == {"low": -1.0, "high": 1.0, "signed": True, "unit": "logit"}
    sent = np.frombuffer(arrays.data(), "<f4")
    np.testing.assert_allclose(sent[6:22].reshape(4, 4), maps[1], rtol=1e-6)


def test_a_point_brings_both_terms_and_what_positions_are_made_of():
    arrays = Numbers()
    content, position, shares = (GENERATOR.random(shape) for shape in ((2, 4, 4), (2, 4, 4), (4, 16)))
    pointed = Pointed(1, 0, 2, [PointModel("m", content, position, shares)], 4)
    point = figure_data([], pointed, arrays)["point"]
    assert point["heads"] == 2 and point["size"] == 2 and point["finer"] == 4
    assert point["models"] == [{"title": "m", "content": 0, "position": 32, "shares": 64}]


def test_a_signed_scale_is_even_around_zero_and_another_one_begins_there():
    maps = [np.array([[1.0, -3.0]]), np.array([[2.0, 0.5]])]
    assert scale_of(maps, signed=True) == Scale(-3.0, 3.0, True)
    assert scale_of([np.array([[0.5, 2.0]])]) == Scale(0.0, 2.0)
    assert scale_of([np.zeros((2, 2))]) == Scale(0.0, 1.0)


def in_node(script: str) -> dict:
    """What a script prints as JSON, with the modules at hand."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    names = {"colors": "tableOf, rangeOf, resample, shown", "pointing": "Attention, rolledOut, highest"}
    imports = "\n".join(
        f'import {{ {what} }} from "{(HERE / f"{name}.js").as_uri()}";' for name, what in names.items()
    )
    done = subprocess.run(
        [node, "--experimental-default-type=module", "--input-type=module", "-e", f"{imports}\n{script}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict = json.loads(done.stdout)
    return found


def test_the_browser_computes_the_attention_from_its_terms():
    heads, n = 2, 9
    content, position = (GENERATOR.normal(size=(heads, n, n)) for _ in range(2))
    shares = GENERATOR.random((n, 36))
    found = in_node(
        f"""
        const flat = (values) => Float32Array.from(values);
        const content = flat({content.ravel().tolist()}), position = flat({position.ravel().tolist()});
        const shares = flat({shares.ravel().tolist()});
        const coarse = new Attention(content, position, {heads}, {n}, null);
        const fine = new Attention(content, position, {heads}, {n}, shares);
        const plain = (maps) => maps.map((map) => Array.from(map));
        console.log(JSON.stringify({{
          from: plain(coarse.maps("attention", "from", 4)), to: plain(coarse.maps("attention", "to", 4)),
          content: plain(coarse.maps("content", "from", 4)),
          position: plain(coarse.maps("position", "from", 4)),
          fine: plain(fine.maps("attention", "from", 4)), most: coarse.most("attention", "from"),
        }}));
        """
    )

    def softmax(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)

    whole = softmax(content + position)
    for name, weights in (
        ("from", whole[:, 4]), ("to", whole[:, :, 4]), ("content", softmax(content)[:, 4]),
        ("position", softmax(position)[:, 4]), ("fine", whole[:, 4] @ shares),
    ):  # fmt: skip
        expected = np.concatenate([weights.mean(axis=0, keepdims=True), weights])
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-6)
    assert found["most"] == pytest.approx(whole.max(), rel=1e-5)


def test_the_browser_has_the_same_colors_and_smooths_between_middles():
    found = in_node(
        f"""
        console.log(JSON.stringify({{
          table: tableOf({json.dumps(hex_stops("diverging"))}),
          smooth: Array.from(resample([0, 1], [1, 2], [1, 4], true)),
          cells: Array.from(resample([0, 1], [1, 2], [1, 4], false)),
          signed: rangeOf([[1, -3]], true), plain: rangeOf([[0.5, 2]], false), empty: rangeOf([], false),
          shown: [0, 0.12345, 1234.5, -0.0001].map(shown),
        }}));
        """
    )
    assert np.abs(np.array(found["table"]) - color_table("diverging")).max() <= 1
    assert found["smooth"] == [0, 0.25, 0.75, 1] and found["cells"] == [0, 0, 1, 1]
    assert found["signed"] == {"low": -3, "high": 3, "signed": True}
    assert found["plain"] == {"low": 0, "high": 2, "signed": False}
    assert found["empty"] == {"low": 0, "high": 1, "signed": False}
    assert found["shown"] == ["0", "0.123", "1.2e+3", "-1.0e-4"]


def test_the_figure_is_one_module_and_names_reach_it_as_text():
    source = joined(HERE / "figure.js")
    assert len(re.findall(r"^export ", source, re.MULTILINE)) == 1
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in source
