"""`kernel_module`: a module that nobody can load."""

from __future__ import annotations

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.analysis.benchmark.asking import derived, per_plane
from rocketaudit.formats.modprobe_conf import does_nothing, plain_module
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Plane, State
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

LOADABLE, BUILT_IN, LOADED = (Key("modules", (name,)) for name in ("loadable", "built_in", "loaded"))
DENIED = Key("kernel_arg", ("module_blacklist",))


@dataclass(frozen=True, slots=True)
class KernelModule:
    """Passes when the module is neither built in nor there, when its install command does nothing, or when the
    kernel is told to refuse it. A `blacklist` line only stops loading by alias, so it is not enough."""

    name: str

    @classmethod
    def of(cls, raw: object) -> KernelModule:
        arguments = Arguments("kernel_module", raw)
        word = cls(plain_module(arguments.text("name")))
        arguments.choice("state", ("unavailable",), "unavailable")
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (LOADABLE, BUILT_IN, LOADED, DENIED, self._install)

    @property
    def _install(self) -> Key:
        return Key("modprobe", (self.name,), "install")

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:
        return per_plane(planes, lambda plane: self._on(plane, evidence, scope))

    def _on(self, plane: Plane, evidence: Evidence, scope: str) -> Outcome:
        if plane is Plane.RUNTIME:
            return self._running(evidence.get(LOADED, plane, scope))
        built_in = self._listed(evidence.get(BUILT_IN, plane, scope), "built_in")
        if built_in.state is State.PRESENT:
            return Outcome(Verdict.FAIL, f"{self.name} is built into the kernel ({built_in.where})", (built_in,))
        install = evidence.get(self._install, plane, scope)
        if install.state is State.PRESENT and does_nothing(str(install.value)):
            why = f"the install command of {self.name} does nothing: {install.value!r} ({install.where})"
            return Outcome(Verdict.PASS, why, (install,))
        denied = evidence.get(DENIED, plane, scope)
        names = str(denied.value).split(",") if denied.state is State.PRESENT else []
        if self.name in map(plain_module, names):
            return Outcome(
                Verdict.PASS, f"the kernel refuses {self.name} (module_blacklist, {denied.where})", (denied,)
            )
        loadable = self._listed(evidence.get(LOADABLE, plane, scope), "loadable")
        match loadable.state, built_in.state:
            case State.PRESENT, _:
                return self._loadable(loadable, install)
            case State.ABSENT, State.ABSENT:
                why = f"{self.name} is neither built in nor among the modules ({loadable.where})"
                return Outcome(Verdict.PASS, why, (loadable, built_in))
            case _:
                fact = loadable if loadable.state is State.UNREAD else built_in
                return Outcome(Verdict.UNKNOWN, f"{fact.key}: {fact.reason}", (loadable, built_in))

    def _loadable(self, loadable: Fact, install: Fact) -> Outcome:
        if install.state is State.UNREAD:
            return Outcome(Verdict.UNKNOWN, f"{install.key}: {install.reason}", (loadable, install))
        why = f"{self.name} can be loaded ({loadable.where})"
        if install.state is State.PRESENT:
            why += f", and its install command may load it: {install.value!r}"
        return Outcome(Verdict.FAIL, why, (loadable, install))

    def _running(self, loaded: Fact) -> Outcome:
        fact = self._listed(loaded, "loaded")
        match fact.state:
            case State.PRESENT:
                return Outcome(Verdict.FAIL, f"{self.name} is loaded ({fact.where})", (fact,))
            case State.ABSENT:
                return Outcome(Verdict.PASS, f"{self.name} is not loaded ({fact.where})", (fact,))
            case State.UNREAD:
                return Outcome(Verdict.UNKNOWN, f"{fact.key}: {fact.reason}", (fact,))

    def _listed(self, names: Fact, attribute: str) -> Fact:
        """Whether the module is in a collected list; a list that nobody collected says nothing."""
        key = Key("module", (self.name,), attribute)
        if names.state is not State.PRESENT or not isinstance(names.value, tuple):
            return Fact(key, names.plane, State.UNREAD, names.where, None, names.reason or "no list", names.scope)
        return derived(names, key, State.PRESENT if self.name in names.value else State.ABSENT, True)
