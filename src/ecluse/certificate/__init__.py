"""The certificate: what a run was asked, did and proved, as values, as JSON, and as one page. Pure."""

from ecluse.certificate.content import digest, intact, sealed
from ecluse.certificate.page import html

__all__ = ["digest", "html", "intact", "sealed"]
