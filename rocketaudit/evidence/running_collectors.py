"""The collectors that ask a running node, in the order in which they run; all others give them nothing to ask."""

from __future__ import annotations

from rocketaudit.evidence import (
    api_facts,
    device_mapper,
    firewall,
    kernel_arguments,
    kernel_config,
    kernel_modules,
    lockdown,
    mounted_view,
    mounts,
    node_identity,
    running_files,
    running_units,
    secure_boot,
    selinux,
    sockets,
    sysctl,
)
from rocketaudit.evidence.collector import Collector

RUNTIME: tuple[Collector, ...] = (
    node_identity.RUNTIME,
    device_mapper.RUNTIME,
    kernel_arguments.RUNTIME,
    kernel_config.RUNTIME,
    kernel_modules.RUNTIME,
    sysctl.RUNTIME,
    lockdown.RUNTIME,
    selinux.RUNTIME,
    secure_boot.RUNTIME,
    mounts.RUNTIME,
    mounted_view.RUNTIME,
    running_units.RUNTIME,
    running_files.RUNTIME,
    sockets.RUNTIME,
    firewall.RUNTIME,
    api_facts.RUNTIME,
)
