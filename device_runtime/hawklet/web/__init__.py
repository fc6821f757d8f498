"""The live page and its HTTP API: ``hawklet run ... --web 8000``.

======================  ================================================================
``/``                   the page; everything it needs comes from this server
``/stream.mjpg``        the live picture; JPEGs are made only while somebody watches
``/frame.jpg``          the newest frame
``/api/latest``         the newest result, the object of a JSON line; 204 before the first
``/api/events``         results as server-sent events
``/api/status``         what runs here, and counters
======================  ================================================================

It is read-only, binds to 127.0.0.1 unless told, and answers only to the names it is reached by, so that a page of
another site cannot read it through a visitor's browser.
"""

from hawklet.web.output import WebOutput as WebOutput

__all__ = ["WebOutput"]
