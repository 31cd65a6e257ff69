"""Log-mel to waveform. Every vocoder is circular in time: its loops have no seam by construction."""

from loopwright.vocoder.check import check_log_mel
from loopwright.vocoder.modelfile import load
from loopwright.vocoder.render import loop_samples, render

__all__ = ["check_log_mel", "load", "loop_samples", "render"]
