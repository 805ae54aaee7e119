"""Every parameter of a plan in a few words."""

from __future__ import annotations

from roicrop.conventions import in_words
from roicrop.sampling import Plan
from roicrop.text import tidy


def settings_of(plan: Plan, k: int) -> list[str]:
    """Every parameter in use, whether the convention's own or not, in a few words each."""
    rule = plan.convention
    (bins_y, bins_x), (height, width) = plan.output_size, plan.map_size
    said = [
        f"convention {in_words.named(rule)}",
        f"{bins_y}×{bins_x} bins",
        in_words.reduction(rule, plan.count(k)),
    ]
    if rule.turned:
        said.append(f"{rule.angle}, {'' if rule.clockwise else 'counter-'}clockwise")
    if plan.kind in ("sample", "piece"):
        said.append("aligned" if rule.aligned else "not aligned")
        if rule.offset_before:
            said.append(f"corners moved {tidy(rule.offset_before)} pixels before scaling")
        if rule.min_size:
            said.append(f"boxes at least {tidy(rule.min_size)} cell")
    if plan.kind == "point":
        said.append(f"{rule.interpolation} interpolation")
    return [*said, f"spatial scale {tidy(plan.spatial_scale, 6)}", f"map of {height}×{width} cells"]
