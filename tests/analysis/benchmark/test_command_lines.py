"""Configuration that a program is told to read by its command line, and files that are merged into it."""

from __future__ import annotations

import pytest

from rocketaudit.model.verdict import Verdict
from tests.rules import judge_world, verdict_on

VENDOR = "/usr/lib/systemd/system"
CONFIG, FOLDER = "/etc/kubernetes/kubelet/config", "/etc/kubernetes/kubelet/config.d"
ANONYMOUS, GATE = "kubelet-refuses-anonymous-requests", "kubelet-server-certificate-rotates"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
CLOSED, OPEN = (f"authentication:\n  anonymous:\n    enabled: {value}\n" for value in ("false", "true"))


def kubelet(files: dict[str, object], config: str = CLOSED) -> dict[str, object]:
    """A kubelet with a folder of drop-ins that holds `files`."""
    start = f"[Service]\nExecStart=/usr/bin/kubelet --config {CONFIG} --config-dir {FOLDER}/\n"
    placed = {f"{FOLDER}/{name}": what for name, what in files.items()}
    return {
        "files": {
            "/usr/bin/kubelet": "x",
            f"{VENDOR}/kubelet.service": start,
            CONFIG: config,
            FOLDER: {"folder": True},
            **placed,
        }
    }


DROP_INS = {
    "none": ({}, PASS),
    "one that opens": ({"10.conf": OPEN}, FAIL),
    "a later one that closes again": ({"10.conf": OPEN, "20.conf": CLOSED}, PASS),
    "a later one that opens": ({"10.conf": CLOSED, "20.conf": OPEN}, FAIL),
    "another ending": ({"10.yaml": OPEN}, PASS),
    "another value beside it": ({"10.conf": "authentication:\n  webhook:\n    enabled: true\n"}, PASS),
    "a folder inside": ({"10.conf": CLOSED, "10.d/late.conf": CLOSED, "20.d/deep/x.conf": OPEN}, FAIL),
    "a folder counts by its own name": ({"20.d/x.conf": OPEN, "30.conf": CLOSED}, PASS),
    "a link to another file": ({"10.conf": {"link": "/opt/open"}, "../../../../opt/open": OPEN}, FAIL),
    "broken": ({"10.conf": "authentication: [\n"}, UNKNOWN),
    "unreadable": ({"10.conf": {"error": "bad block"}}, UNKNOWN),
    "null": ({"10.conf": "authentication: null\n"}, UNKNOWN),
    "a list": ({"10.conf": "- a\n"}, UNKNOWN),
}


@pytest.mark.parametrize(("files", "verdict"), DROP_INS.values(), ids=DROP_INS)
def test_drop_ins_of_the_kubelet_are_merged_in_its_order(files: dict[str, object], verdict: Verdict) -> None:
    world = kubelet(files)
    place = world["files"]
    assert isinstance(place, dict)
    if f"{FOLDER}/../../../../opt/open" in place:
        place["/opt/open"] = place.pop(f"{FOLDER}/../../../../opt/open")
    assert verdict_on(ANONYMOUS, world) is verdict
    assert verdict_on(ANONYMOUS, {**world, "running": {}}) is verdict


def test_the_verdict_names_the_drop_in_that_decided() -> None:
    outcome = judge_world(ANONYMOUS, kubelet({"10.conf": CLOSED, "20.conf": OPEN, "30.conf": "maxPods: 3\n"}))
    assert {fact.where.path for fact in outcome.facts} == {f"{FOLDER}/20.conf"}


def test_gates_of_drop_ins_are_merged_one_by_one() -> None:
    base = "featureGates:\n  RotateKubeletServerCertificate: false\n  Other: true\n"
    assert verdict_on(GATE, kubelet({"1.conf": "featureGates:\n  Other: false\n"}, base)) is FAIL
    assert (
        verdict_on(GATE, kubelet({"1.conf": "featureGates:\n  RotateKubeletServerCertificate: true\n"}, base)) is PASS
    )


def test_folder_of_drop_ins_that_nobody_sees_is_unknown() -> None:
    world = kubelet({})
    files = world["files"]
    assert isinstance(files, dict)
    del files[FOLDER]
    outcome = judge_world(ANONYMOUS, world)
    assert outcome.verdict is UNKNOWN
    assert "--config-dir" in outcome.why


def test_flags_count_more_than_drop_ins() -> None:
    world = kubelet({"1.conf": OPEN})
    files = world["files"]
    assert isinstance(files, dict)
    files[f"{VENDOR}/kubelet.service"] = (
        f"[Service]\nExecStart=/usr/bin/kubelet --config {CONFIG} --config-dir {FOLDER} --anonymous-auth=false\n"
    )
    assert verdict_on(ANONYMOUS, world) is PASS


PROXY = "/etc/kubernetes/kube-proxy/kube-proxy.conf"


def proxy(words: str, **files: str) -> dict[str, object]:
    unit = {f"{VENDOR}/kube-proxy.service": f"[Service]\nExecStart=/usr/bin/kube-proxy {words}\n"}
    return {"files": {"/usr/bin/kubelet": "x", **unit, **files}}


@pytest.mark.parametrize(
    ("words", "files", "verdict"),
    [
        ("--metrics-bind-address=0.0.0.0:10249", {}, FAIL),
        ("--metrics-bind-address 127.0.0.1:10249", {}, PASS),
        (f"--config {PROXY} --metrics-bind-address=0.0.0.0:10249", {PROXY: "metricsBindAddress: 127.0.0.1:1\n"}, PASS),
        (f"--config {PROXY} --metrics-bind-address=127.0.0.1:1", {PROXY: "metricsBindAddress: 0.0.0.0:1\n"}, FAIL),
        ("--config=/etc/other", {PROXY: "metricsBindAddress: 127.0.0.1:1\n", "/etc/other": "a: b\n"}, PASS),
        ("--config=/etc/other", {"/etc/other": "metricsBindAddress: 10.0.0.1:1\n"}, FAIL),
        ("--metrics-bind-address=${ADDRESS}", {}, UNKNOWN),
        ("$ARGS", {}, UNKNOWN),
        ("--metrics-bind-address=0.0.0.0:1", {PROXY: "metricsBindAddress: 127.0.0.1:1\n"}, FAIL),
    ],
)
def test_kube_proxy_is_judged_by_what_it_is_started_with(words: str, files: dict[str, str], verdict: Verdict) -> None:
    world = proxy(words, **files)
    assert verdict_on("kube-proxy-metrics-stay-local", world) is verdict
    assert verdict_on("kube-proxy-metrics-stay-local", {**world, "running": {}}) is verdict


CONTAINERD = "/etc/containerd/config.toml"
GOOD, BAD = "[grpc]\naddress = '/run/containerd/containerd.sock'\n", "[grpc]\ntcp_address = '0.0.0.0:1234'\n"


@pytest.mark.parametrize(
    ("words", "files", "verdict"),
    [
        ("", {CONTAINERD: GOOD}, PASS),
        ("-c /etc/other.toml", {CONTAINERD: GOOD, "/etc/other.toml": BAD}, FAIL),
        ("--config=/etc/other.toml", {CONTAINERD: BAD, "/etc/other.toml": GOOD}, PASS),
        ("-config /etc/other.toml", {CONTAINERD: GOOD, "/etc/other.toml": BAD}, FAIL),
        ("--address /tmp/open.sock", {CONTAINERD: GOOD}, FAIL),
        ("-a /tmp/open.sock", {CONTAINERD: GOOD}, FAIL),
        ("--config $FILE", {CONTAINERD: GOOD}, UNKNOWN),
        ("$ARGS", {CONTAINERD: GOOD}, UNKNOWN),
    ],
)
def test_containerd_is_judged_by_what_it_is_started_with(words: str, files: dict[str, str], verdict: Verdict) -> None:
    unit = {f"{VENDOR}/containerd.service": f"[Service]\nExecStart=/usr/bin/containerd {words}\n"}
    world = {"files": {"/usr/bin/containerd": "x", **unit, **files}}
    assert verdict_on("runtime-socket-is-private", world) is verdict
    assert verdict_on("runtime-socket-is-private", {**world, "running": {}}) is verdict
