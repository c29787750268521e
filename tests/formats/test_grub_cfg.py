"""grub.cfg as GRUB itself would act on it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocketaudit.errors import FormatError
from rocketaudit.formats.dm_verity_table import find_tables, parse_table
from rocketaudit.formats.grub_cfg import parse_grub_cfg
from rocketaudit.formats.kernel_arguments import parse_kernel_arguments
from tests.images.disk import VerityTree, grub_cfg
from tests.support import shared_data

ENVIRONMENT = {"root": "hd0,gpt3", "boot_uuid": "e8427c85-ecea-442e-886d-2ea750a6a4d7", "private": "hd0,gpt12"}


def one(text: str, **environment: str) -> str:
    """The command line of the only entry, without BOOT_IMAGE."""
    (entry,) = parse_grub_cfg(text.encode(), environment or ENVIRONMENT).entries
    return entry.command_line.partition(" ")[2]


def test_bottlerocket_configuration_gives_the_kernels_command_line() -> None:
    tree = VerityTree("ab" * 32, "cd" * 32, 5099)
    config = parse_grub_cfg(grub_cfg(tree, pretty_name="Bottlerocket OS 1.62.0").encode(), ENVIRONMENT)
    (entry,) = config.entries
    assert entry.title == "Bottlerocket OS 1.62.0"
    assert entry.is_default
    assert entry.kernel_path == "/vmlinuz"
    assert entry.initrd_paths == ("(hd0,gpt12)/bootconfig.data",)
    assert not config.problems
    arguments = parse_kernel_arguments(entry.command_line)
    assert arguments.kernel[0].value == "(hd0,gpt3)/vmlinuz"
    assert [argument.name for argument in arguments.init] == [
        "systemd.log_target",
        "systemd.log_color",
        "systemd.show_status",
    ]
    (table,) = find_tables(entry.command_line)
    parsed = parse_table(table)
    assert (parsed.parameters.root_hash, parsed.parameters.data_blocks) == ("ab" * 32, 5099)
    assert parsed.data_device == f"PARTUUID={ENVIRONMENT['boot_uuid']}/PARTNROFF=1"


def test_quoting_is_the_one_that_a_real_node_shows() -> None:
    """On a node the quote stands before dm-mod.create, because GRUB quotes words with blanks whole."""
    real = shared_data("bottlerocket", "boot", "no_interfaces").read_text()
    shown = real[real.index('"dm-mod.create=') :].strip()
    value = shown.removeprefix('"dm-mod.create=').removesuffix('"')
    text = f'set t="{value}"\nmenuentry "x" {{\nlinux ($root)/vmlinuz a dm-mod.create="$t"\n}}\n'
    assert one(text) == f"a {shown}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a=b  c", "a=b c"),
        ("'a $x' b", '"a $x" b'),
        ('"a\\"b"', 'a\\"b'),
        ("a\\ b", '"a b"'),
        ("a \\\n   b", "a b"),
        ("a # not this", "a"),
        ("a#b", "a#b"),
        ("$two", "one two"),
        ('"$two"', '"one two"'),
        ("x${two}y", "xone twoy"),
        ("$unset a", "a"),
        ('"$unset" a', " a"),
        ("'it'\\''s'", "it\\'s"),
        ("a$", "a$"),
    ],
)
def test_words_are_split_quoted_and_filled_in_as_grub_does(words: str, expected: str) -> None:
    text = f'set two="one two"\nmenuentry "x" {{\n linux /k {words}\n}}\n'
    assert one(text, root="hd0,gpt3") == expected


def test_variable_that_nobody_sets_is_said() -> None:
    config = parse_grub_cfg(b'menuentry "x" {\nlinux /k root=$nothing\n}\n')
    assert config.entries[0].command_line == "BOOT_IMAGE=/k root="
    assert ["'nothing' is not set" in problem.what for problem in config.problems] == [True]


def test_default_is_found_by_index_title_or_identifier() -> None:
    menu = 'menuentry "one" --id a {\nlinux /1\n}\nmenuentry "two" --class x --id=b {\nlinux /2\n}\n'
    for default, title in (("0", "one"), ("1", "two"), ("two", "two"), ("b", "two"), ("9", "one"), ("zzz", "one")):
        config = parse_grub_cfg(f'set default="{default}"\n{menu}'.encode())
        assert config.default is not None
        assert config.default.title == title


def test_entry_inherits_top_level_variables_but_keeps_its_own() -> None:
    text = 'set a=1\nmenuentry "x" {\nset a=2\nlinux /k $a\n}\nmenuentry "y" {\nlinux /k $a\n}\n'
    config = parse_grub_cfg(text.encode())
    assert [entry.command_line for entry in config.entries] == ["BOOT_IMAGE=/k 2", "BOOT_IMAGE=/k 1"]


def test_entries_inside_a_submenu_are_found() -> None:
    config = parse_grub_cfg(b"submenu 'more' {\nmenuentry 'x' {\nlinux /k a\n}\n}\n")
    assert [entry.title for entry in config.entries] == ["x"]
    assert "submenu" in config.entries[0].undecided


def test_body_of_an_entry_sees_the_variables_as_they_are_when_it_boots() -> None:
    """GRUB keeps the body as text and runs it later: what is set behind the entry counts."""
    text = 'set v=good\nmenuentry "$v" {\nlinux /k $v\n}\nset v=evil\n'
    (entry,) = parse_grub_cfg(text.encode()).entries
    assert (entry.title, entry.command_line, entry.undecided) == ("good", "BOOT_IMAGE=/k evil", "")


def test_an_entry_cannot_change_what_another_one_boots() -> None:
    text = "set v=a\nmenuentry x {\nset v=b\nlinux /k $v\n}\nmenuentry y {\nlinux /k $v\n}\n"
    assert [e.command_line for e in parse_grub_cfg(text.encode()).entries] == ["BOOT_IMAGE=/k b", "BOOT_IMAGE=/k a"]


@pytest.mark.parametrize(
    "text",
    [
        "menuentry x {\nlinux /k evil\nif [ a = b ]; then\nlinux /k good\nfi\n}\n",
        "menuentry x {\nlinux /k evil\nboot\nlinux /k good\n}\n",
        "set v=evil\nif false; then set v=good; fi\nmenuentry x {\nlinux /k $v\n}\n",
        "set v=evil\nfunction f {\nset v=good\n}\nmenuentry x {\nlinux /k $v\n}\n",
        "menuentry x {\nlinux /k good\nconfigfile /evil.cfg\n}\n",
        "menuentry x {\nlinux /k good\nsource /evil.cfg\n}\n",
        "load_env\nmenuentry x {\nlinux /k good\n}\n",
        "set v=good\nprobe --set=v --fs-uuid (hd0)\nmenuentry x {\nlinux /k $v\n}\n",
        "set v=good\nregexp --set 1:v '(.*)' evil\nmenuentry x {\nlinux /k $v\n}\n",
        "set v=good\nread v\nmenuentry x {\nlinux /k $v\n}\n",
        "set c=configfile\nmenuentry x {\nlinux /k good\n$c /evil.cfg\n}\n",
        "false || linux /k evil\nmenuentry x {\nlinux /k good\n}\n",
        "! set v=good\nmenuentry x {\nlinux /k good\n}\n",
        "chainloader /evil.efi\nboot\nmenuentry x {\nlinux /k good\n}\n",
        "menuentry x {\nmultiboot2 /evil\nlinux /k good\n}\n",
        "insmod (hd0,gpt12)/evil.mod\nmenuentry x {\nlinux /k good\n}\n",
        "menuentry x {\nlinux /k good\nmenuentry y {\nlinux /k evil\n}\n}\n",
    ],
)
def test_what_may_start_something_else_leaves_the_entry_undecided(text: str) -> None:
    entry = parse_grub_cfg(text.encode()).entries[0]
    assert entry.undecided


def test_hidden_entries_count_and_a_kernel_booted_at_top_level_is_the_default() -> None:
    hidden = parse_grub_cfg(b"hiddenentry x {\nlinux /k a\n}\n")
    assert [entry.command_line for entry in hidden.entries] == ["BOOT_IMAGE=/k a"]
    top = parse_grub_cfg(b"menuentry x {\nlinux /k good\n}\nlinux /k evil\nboot\n")
    assert top.default is not None
    assert top.default.command_line == "BOOT_IMAGE=/k evil"


def test_conditions_are_not_evaluated_and_that_is_said() -> None:
    text = b'if [ "$x" = 1 ]; then\nset y=2\nelse\nset z=3\nfi\nset check_signatures="no"\n'
    config = parse_grub_cfg(text)
    assert (config.variable("y"), config.variable("z"), config.variable("check_signatures")) == ("2", "3", "no")
    assert any("'if' is not evaluated" in problem.what for problem in config.problems)


def test_files_that_lead_elsewhere_are_said() -> None:
    config = parse_grub_cfg(shared_data("bottlerocket", "boot", "efi.cfg").read_bytes())
    assert any("'configfile'" in problem.what for problem in config.problems)


@pytest.mark.parametrize(
    "text",
    [
        'set a="x',
        "set a='x",
        "menuentry x {\nlinux /k\n",
        "}\n",
        "{\n" * 40,
        "set a=xx\n" + 'set a="$a$a$a$a"\n' * 40,
        f"set a={'x' * 60000}\nmenuentry m {{\nlinux /k {'$a ' * 2000}\n}}\n",
        "menuentry x {\n}\n" * 200,
    ],
    ids=["double quote", "single quote", "open brace", "stray brace", "deep", "doubling", "many words", "entries"],
)
def test_broken_configuration_is_a_format_error(text: str) -> None:
    with pytest.raises(FormatError):
        parse_grub_cfg(text.encode())


def test_configuration_over_a_mebibyte_is_refused() -> None:
    with pytest.raises(FormatError, match="at most"):
        parse_grub_cfg(b"#" * ((1 << 20) + 1))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab $\"'\\{}\n;#=&|set linux menuentry", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        config = parse_grub_cfg(text.encode())
    except FormatError:
        return
    assert sum(entry.is_default for entry in config.entries) == (1 if config.entries else 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lin\rux /k a\r=b\n", "BOOT_IMAGE=/k a=b"),
        ('linux /k $"a b"\n', 'BOOT_IMAGE=/k "a b"'),
    ],
)
def test_lines_are_read_as_grub_reads_them(text: str, expected: str) -> None:
    """A carriage return is no blank, GRUB drops it wherever it stands; a dollar before a quote asks to translate."""
    (entry,) = parse_grub_cfg(text.encode()).entries
    assert (entry.command_line, entry.undecided) == (expected, "")


def test_what_hides_behind_a_zero_byte_is_refused() -> None:
    text = b'set v=evil\nset w="x" \0\nset v=good\nmenuentry x {\nlinux /k $v\n}\n'
    with pytest.raises(FormatError, match="zero byte"):
        parse_grub_cfg(text)


@pytest.mark.parametrize("name", ["feature_menuentry_id", "grub_cpu", "cmdpath", "?", "1", "net_default_ip"])
def test_variables_that_grub_sets_itself_leave_the_entry_undecided(name: str) -> None:
    (entry,) = parse_grub_cfg(f"menuentry x {{\nlinux /k r=${{{name}}}good\n}}\n".encode()).entries
    assert name in entry.undecided
    (known,) = parse_grub_cfg(f"set {name}=v\nmenuentry x {{\nlinux /k ${name}\n}}\n".encode()).entries
    assert bool(known.undecided) == (not name.isidentifier())
