"""Sound itself: files, resampling, STFT, log-mel and constant-Q, loudness, seams, additive synthesis. No learning.

Public: `io.read_audio`, `io.write_wav`, `analysis.analyser`, `constantq.ConstantQ`, `additive.Additive`, `loudness.level_to`.
"""
