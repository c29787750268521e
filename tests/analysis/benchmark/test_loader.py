"""Rule files that are wrong are refused with a message that names the file and the rule."""

from __future__ import annotations

import pytest

from rocketaudit.analysis.benchmark import load_benchmarks, parse_check
from rocketaudit.errors import UsageError
from rocketaudit.formats.strict_yaml import load_strict

HEAD = b'id: own\ntitle: t\nversion: "1"\ndescription: d\nsections: {"1": One}\n'
RULE = 'id: a\n  section: "1.1"\n  title: It is good\n  level: 1\n  severity: low\n  rationale: r\n  remediation: r\n'


def load(rule: str) -> object:
    return load_benchmarks({"own/benchmark.yaml": HEAD, "own/1.yaml": rule.encode()})


def test_rule_without_a_check_is_for_a_person() -> None:
    (benchmark,) = load_benchmarks({"own/benchmark.yaml": HEAD, "own/1.yaml": f"- {RULE}".encode()})
    assert benchmark.rules[0].check is None


WRONG = {
    f"- {RULE}  colour: red\n": "'colour'",
    f"- {RULE}  check: {{sysctrl: {{name: a, one_of: [1]}}}}\n": "no word 'sysctrl'",
    f"- {RULE}  check: {{sysctl: {{name: a}}}}\n": "exactly one of",
    f"- {RULE}  check: {{sysctl: {{name: a, one_of: [1], none_of: [2]}}}}\n": "found 2",
    f'- {RULE}  check: {{file_mode: {{path: /a, at_most: "644"}}}}\n': "octal in quotes",
    f"- {RULE}  check: {{file_mode: {{path: /a, at_most: 0644}}}}\n": "two ways",
    f"- {RULE}  check: {{sysctl: {{name: a, one_of: [on]}}}}\n": "two ways",
    f"- {RULE}  check: {{probe: nothing}}\n": "there is no 'nothing'",
    f"- {RULE}  check: {{all_of: []}}\n": "a list of checks",
    f"- {RULE}  check: {{sysctl: {{name: a, one_of: []}}}}\n": "must be a list",
    f"- {RULE}  check: {{kernel_arg: {{name: a, present: false}}}}\n": "can only be true",
    f"- {RULE}  check: {{file_owner: {{path: /a, owner: root}}}}\n": "numbers in quotes",
    f"- {RULE}  check: {{config_value: {{file: /a, format: xml, path: [a], one_of: [1]}}}}\n": "'xml'",
    f"- {RULE}  planes: [static, static]\n": "planes are",
    f'- {RULE}  maps_to: {{cis_debian: ["1"]}}\n': "'cis_debian'",
    f"- {RULE}- {RULE}": "used twice",
    f"- {RULE.replace('id: a', 'id: Not_kebab')}": "lower-case words",
    f"- {RULE.replace('level: 1', 'level: 3')}": "a level is 1 or 2",
    f"- {RULE.replace('1.1', '2.1')}": "belongs to none",
    "a: b\n": "a list of rules",
    "- a: &x 1\n  b: *x\n": "alias",
    f"- {RULE}  title: again\n": "comes twice",
}


@pytest.mark.parametrize("rule", WRONG)
def test_wrong_rule_is_refused_with_its_file_and_what_is_wrong(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(rule)
    assert WRONG[rule] in caught.value.message
    assert caught.value.message.startswith("own/1.yaml")


def test_folder_without_a_head_is_refused() -> None:
    with pytest.raises(UsageError, match=r"there is no benchmark\.yaml"):
        load_benchmarks({"own/1.yaml": b"[]"})


def test_same_id_in_two_benchmarks_is_refused() -> None:
    files = {
        f"{name}/{file}": data
        for name in "ab"
        for file, data in (("benchmark.yaml", HEAD), ("1.yaml", f"- {RULE}".encode()))
    }
    with pytest.raises(UsageError, match="used twice"):
        load_benchmarks(files)


def test_words_nested_too_deep_are_refused() -> None:
    check: object = {"probe": "chrony_sources"}
    for _ in range(12):
        check = {"all_of": [check]}
    with pytest.raises(UsageError, match="nested deeper"):
        parse_check(check, "rule")


def test_rules_are_sorted_by_section_number_not_by_its_text() -> None:
    rules = "".join(f"- {RULE}".replace("id: a", f"id: a-{n}").replace("1.1", f"1.{n}") for n in (10, 9, 2))
    (benchmark,) = load_benchmarks({"own/benchmark.yaml": HEAD, "own/1.yaml": rules.encode()})
    assert [rule.section for rule in benchmark.rules] == ["1.2", "1.9", "1.10"]


def test_quoted_traps_stay_text() -> None:
    assert load_strict(b'{a: "0600", b: "1.10", c: "on", d: "1:30"}') == {
        "a": "0600",
        "b": "1.10",
        "c": "on",
        "d": "1:30",
    }
