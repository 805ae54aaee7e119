"""Which convention and parameters made a tensor.

    Job, Pooled ──probe──▶ Probe ──search──▶ hypotheses ──confirm──▶ trials ──verdict──▶ Verdict

`hypotheses` lists what to try, and `pooled` reads the tensor. `probe` picks the few boxes and
channels that distinguish most, `search` tries everything on these, and `trials` tests what is left
on all boxes. `verdict` also reports what the data cannot distinguish; if nothing fits, `residual`
and `transformed` find out why.
"""

from __future__ import annotations

from roicrop.identification.hypotheses import leniently
from roicrop.identification.pooled import Pooled, open_pooled
from roicrop.identification.verdict import Verdict, facts, identify, in_words

__all__ = ["Pooled", "Verdict", "facts", "identify", "in_words", "leniently", "open_pooled"]
