"""`selinux` and `lockdown`: the two mandatory layers of the kernel."""

from __future__ import annotations

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.asking import Question, ask, per_plane
from rocketaudit.analysis.benchmark.condition import Condition
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

# aspect -> (key, which value of the running system is the same thing)
SELINUX_KEYS = {
    "mode": Key("selinux", ("mode",)),
    "type": Key("selinux", ("type",)),
    "policy": Key("selinux", ("policy",)),
    "version": Key("selinux", ("policy",), "version"),
    "mls": Key("selinux", ("policy",), "mls"),
    "handle_unknown": Key("selinux", ("policy",), "handle_unknown"),
    "permissive_types": Key("selinux", ("policy",), "permissive_types"),
    "checkreqprot": Key("selinux", ("checkreqprot",)),
}


@dataclass(frozen=True, slots=True)
class Selinux:
    """One aspect of SELinux. An image without configuration or policy fails: nothing would be enforced."""

    aspect: str
    condition: Condition

    @classmethod
    def of(cls, raw: object) -> Selinux:
        arguments = Arguments("selinux", raw)
        word = cls(arguments.choice("aspect", tuple(SELINUX_KEYS)), Condition.of(arguments))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (SELINUX_KEYS[self.aspect],)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        question = Question(self.needs()[0], self.condition, Verdict.FAIL, "is not there")
        return ask(question, evidence, planes, scope)


MODE = Key("lockdown", ("mode",))
_ARGUMENT = Key("kernel_arg", ("lockdown",))
_SETTING = Key("setting", ("kernel", "lockdown"))
_LSM, _INTEGRITY, _CONFIDENTIALITY, _BY_SECURE_BOOT = (
    Key("kconfig", (name,))
    for name in (
        "CONFIG_SECURITY_LOCKDOWN_LSM",
        "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY",
        "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY",
        "CONFIG_LOCK_DOWN_IN_EFI_SECURE_BOOT",
    )
)
_STRENGTH = {"none": 0, "integrity": 1, "confidentiality": 2}


@dataclass(frozen=True, slots=True)
class Lockdown:
    """Kernel lockdown of at least a mode; the stricter mode is never a fault."""

    at_least: str

    @classmethod
    def of(cls, raw: object) -> Lockdown:
        arguments = Arguments("lockdown", raw)
        word = cls(arguments.choice("at_least", ("integrity", "confidentiality")))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (MODE, _ARGUMENT, _SETTING, _LSM, _INTEGRITY, _CONFIDENTIALITY, _BY_SECURE_BOOT)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        if Plane.RUNTIME in planes:
            strong = tuple(mode for mode, strength in _STRENGTH.items() if strength >= _STRENGTH[self.at_least])
            question = Question(MODE, Condition("one_of", strong), Verdict.FAIL, "is not known to this kernel")
            return ask(question, evidence, (Plane.RUNTIME,), scope)
        return per_plane(planes, lambda plane: self._shipped(evidence, plane, scope))

    def _shipped(self, evidence: Evidence, plane: Plane, scope: str) -> Outcome:
        def get(key: Key) -> Fact:
            return evidence.get(key, plane, scope)

        compiled = get(_LSM)
        if compiled.state is State.ABSENT or compiled.value == "n":
            return Outcome(Verdict.FAIL, "this kernel is built without lockdown", (compiled,))
        modes = {
            _ARGUMENT: str(get(_ARGUMENT).value or "none"),
            _SETTING: str(get(_SETTING).value or "none"),
            _INTEGRITY: "integrity" if get(_INTEGRITY).value == "y" else "none",
            _CONFIDENTIALITY: "confidentiality" if get(_CONFIDENTIALITY).value == "y" else "none",
        }
        key, mode = max(modes.items(), key=lambda item: _STRENGTH.get(item[1], 0))
        asked = tuple(get(one) for one in (*modes, _LSM))
        if _STRENGTH.get(mode, 0) >= _STRENGTH[self.at_least]:
            if compiled.state is State.UNREAD:
                why = f"{key} asks for {mode}, but whether the kernel knows lockdown is not: {compiled.reason}"
                return Outcome(Verdict.UNKNOWN, why, asked)
            return Outcome(Verdict.PASS, f"{key} sets lockdown to {mode} ({get(key).where})", (get(key), compiled))
        if get(_BY_SECURE_BOOT).value == "y":
            why = "lockdown follows Secure Boot, which only the machine decides: needs a node"
            return Outcome(Verdict.UNKNOWN, why, (get(_BY_SECURE_BOOT),))
        unread = [fact for fact in asked if fact.state is State.UNREAD]
        if unread:
            return Outcome(Verdict.UNKNOWN, f"{unread[0].key}: {unread[0].reason}", asked)
        return Outcome(Verdict.FAIL, f"nothing turns lockdown to {self.at_least}: it stays at {mode}", asked)
