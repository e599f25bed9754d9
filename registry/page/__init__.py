"""The page of `serve`: all accounts at once, in a browser, read-only.

House rules: the page shows what `registry.views` reads, and reads nothing itself. Every text goes
through `registry.services.views.words`, and the templates escape it once more. Nothing is fetched
from elsewhere, no script stands in a page, and every answer needs the token but for the form that
asks for it. The page works without scripts: they only renew it.
"""
