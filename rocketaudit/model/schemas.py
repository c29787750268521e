"""The names of our documents' schemas that a reader must know before it loads what reads them."""

from __future__ import annotations

EVIDENCE_SCHEMA = "rocketaudit-evidence-1.0"
