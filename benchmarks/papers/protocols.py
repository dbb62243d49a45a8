"""The protocols: ``full`` for a GPU, ``light`` for two cores, ``quick`` only shows that a command runs."""

from __future__ import annotations

from benchmarks.papers.experiments import Protocol

_COMMON = {
    "weight_decay": 0.02,
    "box_weight": 1.0,
    "class_weight": 0.5,
    "objectness_target": "iou",
    "rebalance": 0.15,
}

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "full",
            yolo="full",
            baseline="full",
            sides=(416, 224),
            seeds=(0,),
            detector={"epochs": 100, "batch": 16, "learning_rate": 1e-3, "clean_epochs": 10, **_COMMON},
            classifier={"epochs": 50},
        ),
        Protocol(
            "light",
            yolo="nano",
            baseline="nano",
            sides=(320, 128),
            seeds=(0, 1, 2),
            detector={
                "epochs": 12,
                "batch": 8,
                "learning_rate": 1.2e-3,
                "clean_epochs": 2,
                "mosaic": 0.25,
                "validate_every": 3,
                "ema_decay": 0.998,
                **_COMMON,
            },
            classifier={"epochs": 8},
        ),
        Protocol(
            "quick",
            yolo="pico",
            baseline="pico",
            sides=(96, 64),
            seeds=(0, 1),
            detector={"epochs": 1, "batch": 4, "clean_epochs": 0, "ema_decay": 0.0, **_COMMON},
            classifier={"epochs": 1, "batch": 4},
            photos=12,
            resamples=50,
        ),
    )
}
