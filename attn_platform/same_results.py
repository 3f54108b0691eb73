"""Code that was rewritten and computes what it computed before, bit for bit.

A model keeps the hash of the code that it was trained with, a file of factors that of theirs, and other code is refused
(`source_identity`, `training.identity`). Whoever rewrites such code for speed or for its readers, and has shown that
the results are the same bits, enters the new hash here; what was made before then stays valid. An entry whose hash the
code no longer has is dropped, unless results are still the same: then its key is replaced.
"""

from collections.abc import Mapping

SAME_RESULTS: Mapping[str, str] = {
    # Activations in place, batch norm without copies where nothing is padded, a sum that begins with its first term
    "3a356dc98aab8573bd21436238cb4f77": "68eb96cc00b05a08ae600f385980d76c",  # multi_task_baseline
    "b6302015291268ae4536f0a39172b9c6": "4bb8b2858615ab7c3267413fc5ee2ad1",  # inter_task_attention
    "a0fa5d0049e95e64912c74f0432ed8ea": "3dea0752bd94b5f42c581e4248478057",  # gat_residual
    # A network is loaded when it is built, by where it stands
    "7b3a9bcf4ad4df56f0c34ef19d186a71": "7bc3ae48bcf7a4b6ed01b7cc68962991",  # training
}
"""By hash of the code as it is, the hash under which its results were first made."""
