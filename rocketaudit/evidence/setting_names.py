"""Which settings of a node may leave it with their values: an allow-list, since any other may hold a secret."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from rocketaudit.evidence.settings import is_secret
from rocketaudit.model.fact import JsonValue

# "*" stands for one name; a list that ends in "**" takes everything below it
_ALLOWED = (
    "autoscaling/should-wait",
    "aws/region",
    "bootstrap-containers/*/essential",
    "bootstrap-containers/*/mode",
    "bootstrap-containers/*/source",
    "container-registry/mirrors/*/registry",
    "container-runtime/**",
    "dns/**",
    "ecs/allow-privileged-containers",
    "ecs/enable-spot-instance-draining",
    "ecs/image-pull-behavior",
    "ecs/logging-drivers",
    "ecs/loglevel",
    "ecs/metadata-service-*",
    "ecs/reserved-memory",
    "ecs/task-cleanup-wait",
    "host-containers/*/enabled",
    "host-containers/*/source",
    "host-containers/*/superpowered",
    "kernel/hugepages/**",
    "kernel/lockdown",
    "kernel/modules/**",
    "kernel/sysctl/**",
    "kubernetes/allowed-unsafe-sysctls",
    "kubernetes/authentication-mode",
    "kubernetes/cloud-provider",
    "kubernetes/cluster-domain",
    "kubernetes/container-log-*",
    "kubernetes/cpu-*",
    "kubernetes/device-ownership-from-security-context",
    "kubernetes/event-*",
    "kubernetes/eviction-*/**",
    "kubernetes/image-gc-*",
    "kubernetes/kube-api-*",
    "kubernetes/kube-reserved/**",
    "kubernetes/log-level",
    "kubernetes/max-pods",
    "kubernetes/memory-*",
    "kubernetes/pod-pids-limit",
    "kubernetes/registry-*",
    "kubernetes/seccomp-default",
    "kubernetes/server-tls-bootstrap",
    "kubernetes/shutdown-*",
    "kubernetes/standalone-mode",
    "kubernetes/static-pods-enabled",
    "kubernetes/system-reserved/**",
    "kubernetes/topology-*",
    "metrics/send-metrics",
    "metrics/service-checks",
    "ntp/time-servers",
    "oci-defaults/**",
    "pki/*/trusted",
    "updates/ignore-waves",
    "updates/metadata-base-url",
    "updates/seed",
    "updates/targets-base-url",
    "updates/version-lock",
)
_USER_IN_URL = re.compile(r"//[^/\s]*@|//[^\s?]*\?")  # or a query, which may be a signature or a key


def may_leave(path: tuple[str, ...], value: JsonValue, asked: frozenset[tuple[str, ...]] = frozenset()) -> bool:
    """Whether a setting may be shown: it is on the list, or a rule asks for it; never one that names a secret."""
    if is_secret(path) or _holds_user(value):
        return False
    return path in asked or any(_matches(path, tuple(pattern.split("/"))) for pattern in _ALLOWED)


def _holds_user(value: JsonValue) -> bool:
    """A name and password in an address: https://user:password@registry/, or https://bucket/?signature=..."""
    if isinstance(value, str):
        return bool(_USER_IN_URL.search(value))
    if isinstance(value, tuple):
        return any(_holds_user(item) for item in value)
    return not (value is None or isinstance(value, (int, float)))


def _matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if pattern[-1] == "**":
        head = pattern[:-1]
        return len(path) >= len(head) and _matches(path[: len(head)], head)
    return len(path) == len(pattern) and all(fnmatchcase(name, one) for name, one in zip(path, pattern, strict=True))
