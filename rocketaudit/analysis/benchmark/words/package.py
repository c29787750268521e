"""`package`: what the image's own inventory lists."""

from __future__ import annotations

from fnmatch import fnmatchcase

from rocketaudit.analysis.benchmark.arguments import Arguments
from rocketaudit.model.evidence import Evidence
from rocketaudit.model.fact import Fact, Key, Locator, Plane, State
from rocketaudit.model.package import Package
from rocketaudit.model.records import dataclass
from rocketaudit.model.verdict import Outcome, Verdict

COUNT = Key("inventory", ("packages",))
_PREFIX = "bottlerocket-"


@dataclass(frozen=True, slots=True)
class PackageIs:
    """None of (or, `is: present`, one of) the packages named by globs is listed."""

    names: tuple[str, ...]
    state: str

    @classmethod
    def of(cls, raw: object) -> PackageIs:
        arguments = Arguments("package", raw)
        word = cls(arguments.texts("names"), arguments.choice("is", ("present", "absent")))
        arguments.end()
        return word

    def needs(self) -> tuple[Key, ...]:
        return (COUNT,)

    def evaluate(self, evidence: Evidence, planes: tuple[Plane, ...], scope: str) -> Outcome:  # noqa: ARG002
        counted = evidence.get(COUNT, Plane.STATIC, scope)
        if counted.state is not State.PRESENT:
            reason = counted.reason or "the image has no inventory of its packages"
            return Outcome(Verdict.UNKNOWN, reason, (counted,))
        found = [one for one in evidence.packages if one.scope == scope and self._is_named(one)]
        if found:
            facts = tuple(_fact(package) for package in found)
            verdict = Verdict.PASS if self.state == "present" else Verdict.FAIL
            return Outcome(verdict, f"listed: {', '.join(package.name for package in found)}", facts)
        verdict = Verdict.PASS if self.state == "absent" else Verdict.FAIL
        return Outcome(verdict, f"none of {counted.value} packages is {', '.join(self.names)}", (counted,))

    def _is_named(self, package: Package) -> bool:
        name = package.name.removeprefix(_PREFIX)
        return any(fnmatchcase(name, pattern) for pattern in self.names)


def _fact(package: Package) -> Fact:
    key = Key("package", (package.name,), "version")
    where = package.where if package.where != Locator() else Locator("inventory")
    return Fact(key, Plane.STATIC, State.PRESENT, where, package.version, scope=package.scope)
