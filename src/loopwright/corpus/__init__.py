"""Renderers of loop corpora: human and written drums, synth loops, and a demo that needs no data at all.

Public: `drums.DrumRenderer`, `synths.SynthRenderer`, `demo.demo_bars`, `folder.RenderedLoop`.
"""
