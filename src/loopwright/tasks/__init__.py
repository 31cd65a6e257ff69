"""What a user does besides making loops: one task a file.

Public: `prepare.prepare`, `loopify.loopify`, `train_gan.train`, and `train_*` beside it.
"""
