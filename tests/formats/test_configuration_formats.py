"""Small formats of configuration: what they mean, and that no bytes raise anything but a FormatError."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.ca_bundle import parse_ca_bundle
from rocketaudit.formats.handlebars import MARKER, render
from rocketaudit.formats.inventory import parse_inventory
from rocketaudit.formats.kernel_arguments import parse_kernel_arguments
from rocketaudit.formats.kernel_config import parse_kernel_config
from rocketaudit.formats.key_value import parse_key_values
from rocketaudit.formats.modprobe_conf import does_nothing, parse_modprobe_conf
from rocketaudit.formats.modules_dep import module_name, parse_modules_builtin, parse_modules_dep
from rocketaudit.formats.selinux_policy import parse_selinux_policy
from rocketaudit.formats.strict_yaml import load_plain, load_strict
from rocketaudit.formats.sysctl_conf import matches, parse_sysctl_conf, plain_name
from rocketaudit.formats.systemd_unit import all_values, last_values, parse_unit, truth

PARSERS: tuple[Callable[[bytes], object], ...] = (
    parse_ca_bundle,
    parse_inventory,
    parse_kernel_config,
    parse_key_values,
    parse_modprobe_conf,
    parse_modules_builtin,
    parse_modules_dep,
    parse_selinux_policy,
    parse_sysctl_conf,
    parse_unit,
    load_plain,
    load_strict,
    lambda data: parse_kernel_arguments(data.decode("latin-1")),
    lambda data: render(data, {"a": {"b": [1, {"c": 2}]}}, assume=True),
)
NOISE = st.one_of(st.binary(max_size=400), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
TEMPLATE = st.lists(
    st.sampled_from(
        [
            "{{#if settings.a}}",
            "{{else}}",
            "{{/if}}",
            "{{#each settings.a.b}}",
            "{{/each}}",
            "{{this}}",
            "{{",
            "}}",
            "x\n",
            "{{#unless (and settings.a (or true false))}}",
            "{{/unless}}",
            "{{else if settings.z}}",
            "{{{settings.a}}}",
        ]
    ),
    max_size=30,
).map(lambda parts: "".join(parts).encode())


@settings(max_examples=60, deadline=None)
@given(st.one_of(NOISE, TEMPLATE))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    for parse in PARSERS:
        try:
            parse(data)
        except FormatError:
            continue


@pytest.mark.parametrize("opening", [b"[", b"- ", b"{a: ", b"? "])
def test_yaml_nested_very_deep_is_refused_and_ends_no_process(opening: bytes) -> None:
    with pytest.raises(FormatError):
        load_plain(opening * 200_000)


@pytest.mark.parametrize(
    "text", ["0600", "1.10", "on", "no", "1:30", "0x1f", "1_000", ".5", "+1", "2026-01-31", "True", "y", "1e3", ".inf"]
)
def test_what_yaml_would_read_in_a_surprising_way_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="two ways"):
        load_strict(f"a: {text}".encode())
    assert load_strict(f'a: "{text}"'.encode()) == {"a": text}


def test_yaml_of_a_target_is_read_as_its_programs_do() -> None:
    assert load_plain(b"a: on\nb: 0600\n1: x\n") == {"a": True, "b": 384, "1": "x"}


@pytest.mark.parametrize(
    "data", [b"a: 1\na: 2", b"x: {a: 1, a: 2}", b"a: &x [*x]", b"a: !!python/name:os.system", b"a\n---\nb"]
)
def test_duplicates_aliases_tags_and_second_documents_are_refused(data: bytes) -> None:
    for load in (load_plain, load_strict):
        with pytest.raises(FormatError):
            load(data)


def test_sysctl_names_with_slashes_mean_dots_and_the_other_way_round() -> None:
    assert plain_name("net/ipv4/conf/eth0.1/rp_filter") == "net.ipv4.conf.eth0/1.rp_filter"
    assert plain_name("kernel.a/b") == "kernel.a/b"
    assert matches("net.ipv4.conf.*.rp_filter", "net.ipv4.conf.lo.rp_filter")
    assert not matches("net.*.rp_filter", "net.ipv4.conf.lo.rp_filter")


def test_only_a_bare_true_or_false_loads_nothing() -> None:
    assert all(does_nothing(command) for command in ("/bin/true", "/usr/bin/false", "true", ":"))
    refused = ("/bin/true; modprobe udf", "/bin/truex", "", "$(modprobe udf)", "/bin/sh -c true", "/bin/true && x")
    assert not any(does_nothing(command) for command in refused)


def test_module_names_are_those_of_the_kernel() -> None:
    assert module_name("kernel/fs/udf/udf.ko.zst") == "udf"
    assert module_name("kernel/drivers/usb-storage.ko") == "usb_storage"
    assert module_name("README") == module_name(".ko") == ""


def test_unit_lines_continue_and_an_empty_value_takes_back() -> None:
    unit = parse_unit(b"[Service]\nExecStart=/a\nExecStart=\nExecStart=/b \\\n# comment\n  --c\nUser=x\nUser=\n")
    assert [d.value for d in all_values(unit, "Service", "ExecStart")] == ["/b  --c"]
    assert ("Service", "User") not in last_values(unit)
    assert [truth(word) for word in ("yes", "ON", "0", "maybe")] == [True, True, False, None]


def test_kernel_arguments_take_quotes_before_the_name_and_after_the_sign() -> None:
    for text in ('"a=b c" d', 'a="b c" d'):
        parsed = parse_kernel_arguments(text)
        assert [(one.name, one.value) for one in parsed.kernel] == [("a", "b c"), ("d", None)]
    assert [one.name for one in parse_kernel_arguments("a -- b --").init] == ["b", "--"]


def test_template_gives_what_the_settings_say_and_marks_what_only_a_node_knows() -> None:
    each = b"{{#each settings.s as |one at|}}\n- {{this}}{{one}}{{at}}\n{{/each}}\n"
    template = b"[x]\n+++\n" + each + b"{{settings.gone}} {{helper 1}} {{default 7 settings.gone}}\n"
    text = render(template, {"s": ["a", "b"]}, assume=False)
    assert text == f"- aa0\n- bb1\n{MARKER} {MARKER} 7\n"


def test_template_blocks_that_are_not_closed_are_refused() -> None:
    for template in (b"{{#if a}}", b"{{/if}}", b"{{#if a}}{{/each}}", b"{{#if a}}" * 100):
        with pytest.raises(FormatError):
            render(template, {}, assume=True)


def test_template_that_would_fill_the_memory_is_stopped() -> None:
    settings_value = {"l": list(range(2000))}
    template = b"{{#each settings.l}}{{#each settings.l}}xxxxxxxxxx{{/each}}{{/each}}"
    with pytest.raises(FormatError, match="characters"):
        render(template, settings_value, assume=True)


def test_ca_bundle_of_the_system_is_read_whole() -> None:
    path = Path("/etc/ssl/certs/ca-certificates.crt")
    if not path.exists():
        pytest.skip("no CA bundle on this system")
    data = path.read_bytes()
    bundle = parse_ca_bundle(data)
    assert len(bundle.certificates) == data.count(b"BEGIN CERTIFICATE")
    assert bundle.problems == ()
    assert all(one.is_authority for one in bundle.certificates)


def test_a_template_block_without_a_name_is_refused() -> None:
    with pytest.raises(FormatError, match="without a name"):
        render(b"{{#if settings.a}}{{#}}x{{/if}}", {"settings": {}}, assume=True)
