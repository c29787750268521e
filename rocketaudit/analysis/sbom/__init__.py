"""The bill of materials as a value: what the image is made of, and where the vendor's lists disagree with it."""

from rocketaudit.analysis.sbom.components import components
from rocketaudit.analysis.sbom.reconcile import reconcile

__all__ = ["components", "reconcile"]
