"""The collectors that ask an image, a folder or a node's own files, in the order in which they run."""

from __future__ import annotations

from rocketaudit.evidence import (
    attribution,
    ca_bundle,
    config_values,
    inventory,
    kernel_arguments,
    kernel_config,
    kernel_hmac,
    kernel_modules,
    kubelet,
    os_release,
    partition_digests,
    raw_bytes,
    selinux,
    settings,
    signed_files,
    sysctl,
    units,
    updates,
    users,
    vendor_sbom,
)
from rocketaudit.evidence.collector import Collector

STATIC: tuple[Collector, ...] = (
    os_release.STATIC,
    settings.STATIC,
    kernel_arguments.STATIC,
    kernel_config.STATIC,
    kernel_hmac.STATIC,
    kernel_modules.STATIC,
    sysctl.STATIC,
    selinux.STATIC,
    units.STATIC,
    users.STATIC,
    config_values.STATIC,
    kubelet.STATIC,
    inventory.STATIC,
    attribution.STATIC,
    partition_digests.STATIC,
    raw_bytes.STATIC,
    vendor_sbom.STATIC,
    updates.STATIC,
    ca_bundle.STATIC,
    signed_files.STATIC,
)
