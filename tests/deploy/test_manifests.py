"""What deploy/ ships for Kubernetes and AWS: valid by strict schemas, and with no more rights than it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rocketaudit.formats.bundle import parse_bundle
from tests.support import REPO, needs_tools

KUBERNETES = REPO / "deploy/kubernetes"
SSM = REPO / "deploy/ssm"
OVERLAYS = ("api", "verify", "pvc")
_NAMED_BY = {"containers": "name", "volumes": "name", "volumeMounts": "mountPath", "env": "name"}


def merged(base: Any, patch: Any) -> Any:
    """A strategic merge as kustomize does it, as far as our overlays use it."""
    if not isinstance(base, Mapping) or not isinstance(patch, Mapping):
        return patch
    result = dict(base)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif name in _NAMED_BY and isinstance(value, list):
            by = _NAMED_BY[name]
            items = {item[by]: item for item in result.get(name, [])}
            for item in value:
                items[item[by]] = merged(items.get(item[by], {}), item)
            result[name] = list(items.values())
        else:
            result[name] = merged(result.get(name), value) if name in result else value
    return result


def daemonset(overlay: str = "") -> dict[str, Any]:
    base = yaml.safe_load((KUBERNETES / "base/daemonset.yaml").read_text())
    if not overlay:
        return dict(base)
    return dict(merged(base, yaml.safe_load((KUBERNETES / overlay / "daemonset.yaml").read_text())))


def pod(overlay: str = "") -> dict[str, Any]:
    return dict(daemonset(overlay)["spec"]["template"]["spec"])


@pytest.mark.parametrize("overlay", ["", *OVERLAYS])
def test_every_manifest_is_valid_by_the_strict_schema(overlay: str, tmp_path: Path) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for path in (KUBERNETES / (overlay or "base")).glob("*.yaml"):
        raw = daemonset(overlay) if path.name == "daemonset.yaml" else yaml.safe_load(path.read_text())
        if raw["kind"] != "Kustomization":
            kubernetes_validate.validate(raw, "1.31", strict=True)


def test_a_misspelt_field_would_be_found() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    raw = daemonset()
    raw["spec"]["template"]["spec"]["hostnetwork"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(raw, "1.31", strict=True)


@pytest.mark.parametrize("overlay", ["base", *OVERLAYS])
def test_every_file_of_a_kustomization_is_there_and_named(overlay: str) -> None:
    folder = KUBERNETES / overlay
    raw = yaml.safe_load((folder / "kustomization.yaml").read_text())
    named = {*raw.get("resources", []), *(patch["path"] for patch in raw.get("patches", []))}
    assert all((folder / name).exists() for name in named)
    assert {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"} <= named


def spelt_for_old(text: str) -> str:
    """A kustomization for kustomize 2: folders are bases, patches are strategic merges."""
    text = re.sub(r"^patches:\n  - path: ", "patchesStrategicMerge:\n  - ", text, flags=re.MULTILINE)
    return text.replace("  - ../base\n", "") + "bases:\n  - ../base\n" if "../base" in text else text


def by_name(raw: Any) -> Any:
    """Lists whose items are named, as mappings: tools differ about their order, and to Kubernetes it is all one."""
    if isinstance(raw, dict):
        return {
            name: {item[_NAMED_BY[name]]: by_name(item) for item in value} if name in _NAMED_BY else by_name(value)
            for name, value in raw.items()
        }
    return [by_name(item) for item in raw] if isinstance(raw, list) else raw


@pytest.mark.parametrize("overlay", ["base", *OVERLAYS])
def test_kubectl_builds_what_we_test_and_it_is_valid(overlay: str, tmp_path: Path) -> None:
    """`kubectl kustomize` needs no server. That of Debian is of a time when patches were spelt otherwise."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    needs_tools("kubectl")
    folder = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    said = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True, check=True).stdout
    if "Kustomize Version" not in said:
        for path in folder.glob("*/kustomization.yaml"):
            path.write_text(spelt_for_old(path.read_text()))
    done = subprocess.run(["kubectl", "kustomize", str(folder / overlay)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    built = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    for one in built.values():
        kubernetes_validate.validate(one, "1.31", strict=True)
    assert by_name(built["DaemonSet"]) == by_name(daemonset("" if overlay == "base" else overlay))
    assert {"Namespace", "ServiceAccount"} < set(built)


def test_the_base_has_the_least_rights_that_show_the_hosts_files() -> None:
    spec = pod()
    (container,) = spec["containers"]
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["privileged"] is context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert "seLinuxOptions" not in context
    assert spec["automountServiceAccountToken"] is False
    assert "hostPID" not in spec
    writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    hosts = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume}
    assert not hosts & set(writable)
    assert "limits" in container["resources"]


def test_each_overlay_adds_only_what_it_says() -> None:
    before = pod()["containers"][0]["securityContext"]
    api = pod("api")["containers"][0]["securityContext"]
    assert api == {**before, "seLinuxOptions": {"type": "control_t"}}
    verify = pod("verify")["containers"][0]["securityContext"]
    assert verify["privileged"] is True and "capabilities" not in verify
    assert pod("pvc")["containers"][0]["securityContext"] == before


def test_arguments_of_the_pod_are_arguments_of_the_program(tmp_path: Path) -> None:
    words = [word.replace("/reports", str(tmp_path)) for word in pod()["containers"][0]["args"]]
    (tmp_path / "host/usr").mkdir(parents=True)
    words = [word.replace("--rootfs=/host", f"--rootfs={tmp_path}/host") for word in words]
    words.insert(words.index("--"), "--times=1")
    done = subprocess.run(
        [sys.executable, "-m", "rocketaudit", *words],
        env=os.environ | {"PYTHONPATH": str(REPO)},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (1, 3), done.stderr
    assert (tmp_path / "latest/report.json").is_file()


def test_template_is_valid_and_a_broken_document_in_it_would_be_found(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("cfn-lint"))]
    if not Path(command[0]).exists():
        pytest.skip("cfn-lint is not installed")
    done = subprocess.run([*command, str(SSM / "template.json")], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    raw = json.loads((SSM / "template.json").read_text())
    raw["Resources"]["Collector"]["Properties"]["Content"]["schemaVersion"] = "9"
    (tmp_path / "bad.json").write_text(json.dumps(raw))
    done = subprocess.run([*command, str(tmp_path / "bad.json")], capture_output=True, check=False)
    assert done.returncode != 0


@pytest.mark.parametrize(("nonce", "said"), [("-", ""), ("asked-7", "asked-7")])
def test_the_document_runs_the_collector_with_the_nonce(tmp_path: Path, nonce: str, said: str) -> None:
    """As the SSM agent does: parameters put into the lines, the lines run as a script by sh."""
    needs_tools("jq")
    raw = json.loads((SSM / "rocketaudit-collect.json").read_text())
    lines = raw["mainSteps"][0]["inputs"]["runCommand"]
    script = tmp_path / "script.sh"
    script.write_text("\n".join(lines).replace("{{ Nonce }}", nonce))
    assert "{{" not in script.read_text()
    done = subprocess.run(["/bin/sh", str(script)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    bundle = parse_bundle(done.stdout)
    assert bundle.nonce == said
    assert bundle.problems == ()
    assert len(json.dumps(raw)) < 64 << 10  # SSM's limit for a document


def test_pipeline_step_judges_every_answer_and_fails_for_a_missing_one(tmp_path: Path) -> None:
    """With a stand-in for the aws client that answers for one node and not for the other."""
    needs_tools("jq")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "aws").write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *send-command*i-dead*) exit 255 ;;\n"
        f'  *send-command*) printf %s "$*" | sed -n "s/.*Nonce=\\([0-9a-f]*\\).*/\\1/p" >{tmp_path}/nonce; echo id ;;\n'
        "  *wait*) exit 0 ;;\n"
        f'  *) sh {REPO}/deploy/control/collect.sh --nonce "$(cat {tmp_path}/nonce)" ;;\n'
        "esac\n"
    )
    (tools / "rocketaudit").write_text(f'#!/bin/sh\nPYTHONPATH={REPO} exec {sys.executable} -m rocketaudit "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(SSM / "judge.sh"), "document", "i-alive", "i-dead"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    assert b"i-dead: no answer" in done.stderr
    report = json.loads((tmp_path / "reports/i-alive.json").read_text())
    assert report["assurance"] == "asserted"
    assert (tmp_path / "reports/i-alive.html").is_file()


@pytest.mark.parametrize("path", ["control/collect.sh", "image/build.sh", "ssm/judge.sh"])
def test_every_script_is_clean_for_shellcheck(path: str) -> None:
    needs_tools("shellcheck")
    subprocess.run(["shellcheck", "--shell=sh", str(REPO / "deploy" / path)], check=True)
