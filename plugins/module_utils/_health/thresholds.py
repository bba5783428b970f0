# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The numbers that checks compare with, each with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple


@dataclass(frozen=True)
class Threshold:
    """The largest number that is still well; None means that nothing is judged unless the user names a number."""

    limit: Optional[float]
    unit: str
    source: str


THRESHOLDS: Mapping[str, Threshold] = {
    "ecc_uncorrected_volatile": Threshold(
        0,
        "errors since the driver was loaded",
        "NVIDIA GPU Debug Guidelines, ECC errors: an uncontained uncorrectable error asks for a reset",
    ),
    "ecc_uncorrected_aggregate": Threshold(
        None,
        "errors in the life of the GPU",
        "errors of the past were dealt with by remapping; when a GPU has had too many, the driver says so itself "
        "(SRAM threshold exceeded, row remapping failure)",
    ),
    "rows_remapped_uncorrected": Threshold(
        512,
        "rows",
        "NVIDIA GPU Memory Error Management, row remapping: a GPU can remap up to 512 rows in its life",
    ),
    "temperature_c": Threshold(
        None,
        "°C",
        "limits differ between boards; the GPU itself says when it slows down for heat (see gpu.slowdown)",
    ),
}

#: Reasons for lower clocks, as nvidia-smi names them, that mean broken cooling or power.
#: Source: nvml.h, nvmlClocksEventReason*: slowdown by the hardware, for heat, or by the power brake signal.
HARD_SLOWDOWNS: Tuple[str, ...] = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
#: The driver lowers clocks to stay below the limit of memory or GPU temperature: hot, but under control.
#: "sw_power_cap" is in neither list: a busy GPU normally works at its power limit.
SOFT_SLOWDOWNS: Tuple[str, ...] = ("sw_thermal_slowdown",)
