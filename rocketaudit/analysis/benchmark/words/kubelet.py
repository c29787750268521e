"""`kubelet_value`: a field of the kubelet's configuration, as the kubelet itself would see it."""

from __future__ import annotations

from dataclasses import replace

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.asking import Question, answer
from rocketaudit.analysis.benchmark.condition import Condition
from rocketaudit.analysis.benchmark.words.single import ConfigValue
from rocketaudit.model.evidence import NOT_COLLECTED, Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

KUBELET_CONFIG = "/etc/kubernetes/kubelet/config"
_CONFIG, _CONFIG_DIR, _GATES = (Key("kubelet_flag", (name,)) for name in ("config", "config-dir", "feature-gates"))
_DROP_INS = Key("kubelet_drop_ins", (KUBELET_CONFIG,))


@dataclass(frozen=True, slots=True)
class KubeletValue:
    """A field of the kubelet's configuration, unless a flag overrides it; `if_absent` is what its default gives.

    A kubelet that reads another file, more files or none is unknown: its other defaults are laxer.
    """

    path: tuple[str, ...]
    flag: str
    condition: Condition
    if_absent: Verdict | None

    @classmethod
    def of(cls, raw: object) -> KubeletValue:
        arguments = Arguments("kubelet_value", raw)
        path, flag = arguments.texts("path"), arguments.text("flag") if arguments.has("flag") else ""
        word = cls(path, flag, Condition.of(arguments), arguments.verdict("if_absent"))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (*self._field.needs(), _CONFIG, _CONFIG_DIR, _DROP_INS, *(() if self._flag is None else (self._flag,)))

    @property
    def _field(self) -> ConfigValue:
        return ConfigValue(KUBELET_CONFIG, self.path, "yaml", self.condition, self.if_absent)

    @property
    def _flag(self) -> Key | None:
        if self.path[0] == "featureGates":
            return _GATES
        return Key("kubelet_flag", (self.flag,)) if self.flag else None

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        if self._flag is not None:
            flag = self._own_part(_flag_fact(evidence, self._flag, planes, scope))
            if flag is not None:
                return answer(Question(flag.key, self.condition), flag)
        return _elsewhere(evidence, planes, scope) or self._field.evaluate(evidence, planes, scope)

    def _own_part(self, flag: Fact) -> Fact | None:
        """What a flag says of this field; None when it is not given or nobody looked."""
        if flag.state is State.UNREAD:
            return None if flag.reason == NOT_COLLECTED else flag
        if flag.state is State.ABSENT:
            return None
        if flag.key == _GATES:
            gates = dict(part.strip().split("=", 1) for part in str(flag.value).split(",") if "=" in part)
            value = gates.get(self.path[-1])
            return None if value is None else replace(flag, value=value.strip().lower())
        return replace(flag, value=tuple(str(flag.value).split(","))) if self.condition.kind == "subset_of" else flag


def _flag_fact(evidence: Evidence, key: Key, planes: tuple[Plane, ...], scope: str) -> Fact:
    """A flag of the running kubelet; of the files only those that are the node's own, not templates of an image."""
    stored = evidence.get(key, Plane.STATIC, scope)
    if Plane.RUNTIME not in planes:
        return stored
    running = evidence.get(key, Plane.RUNTIME, scope)
    own = "kubelet.service" in (stored.where.path or "")
    return stored if own and running.state is State.UNREAD and running.reason == NOT_COLLECTED else running


def _elsewhere(evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome | None:
    """Why the configuration file is not, or not alone, what the kubelet reads."""
    config, folder = (_flag_fact(evidence, key, planes, scope) for key in (_CONFIG, _CONFIG_DIR))
    if config.state is State.ABSENT:
        why = f"the kubelet is started without --config, so that {KUBELET_CONFIG} does not count ({config.where})"
        return Outcome(Verdict.UNKNOWN, why, (config,))
    if config.state is State.PRESENT and config.value != KUBELET_CONFIG:
        return Outcome(Verdict.UNKNOWN, f"the kubelet reads another file: --config {config.value}", (config,))
    if folder.state is State.PRESENT:
        drop_ins = _flag_fact(evidence, _DROP_INS, planes, scope)
        if drop_ins.state is not State.PRESENT:
            reason = drop_ins.reason or "no file is there"
            why = f"files in {folder.value} override {KUBELET_CONFIG} (--config-dir): {reason}"
            return Outcome(Verdict.UNKNOWN, why, (folder, drop_ins))
    for fact in (config, folder):
        if fact.state is State.UNREAD and fact.reason != NOT_COLLECTED:
            return Outcome(Verdict.UNKNOWN, f"{fact.key}: {fact.reason}", (fact,))
    return None
