"""Which convention and parameters made a tensor.

    Job, Pooled ──probe──▶ Probe ──search──▶ hypotheses ──confirm──▶ trials ──verdict──▶ Verdict

`hypotheses` lists what there is to try, `probe` picks a few boxes and channels that tell most,
`search` tries everything on these, and `confirm` what is left on all. `verdict` also says what the
data cannot tell apart; where nothing fits, `residual` and `transformed` find out what is wrong.
"""

from __future__ import annotations

from roicrop.identification.hypotheses import leniently
from roicrop.identification.pooled import Pooled, open_pooled
from roicrop.identification.verdict import Verdict, facts, identify, in_words

__all__ = ["Pooled", "Verdict", "facts", "identify", "in_words", "leniently", "open_pooled"]
