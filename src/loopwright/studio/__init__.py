"""The studio: a page and the server behind it, on this machine.

Public: `app.create_app`, `serve.listen`, `library.Library`.
"""
