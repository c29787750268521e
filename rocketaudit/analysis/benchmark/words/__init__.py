"""The words that rules are made of: each is a class with `of`, `needs` and `evaluate`."""

from __future__ import annotations

from rocketaudit.analysis.benchmark.words import (
    binaries,
    files,
    kernel_args,
    kernel_module,
    kubelet,
    no_files,
    package,
    probes,
    security,
    single,
    sysctl,
    systemd,
)
from rocketaudit.analysis.benchmark.words.word import Word

WORDS: tuple[tuple[str, Word], ...] = (
    ("sysctl", sysctl.Sysctl.of),
    ("kernel_module", kernel_module.KernelModule.of),
    ("kernel_arg", single.KernelArg.of),
    ("no_kernel_args", kernel_args.NoKernelArgs.of),
    ("kernel_config", single.KernelConfig.of),
    ("config_value", single.ConfigValue.of),
    ("kubelet_value", kubelet.KubeletValue.of),
    ("setting", single.Setting.of),
    ("fact", single.AnyFact.of),
    ("verity", single.Verity.of),
    ("integrity", single.IntegrityIs.of),
    ("file", files.FileIs.of),
    ("file_mode", files.FileMode.of),
    ("file_owner", files.FileOwner.of),
    ("no_files", no_files.NoFiles.of),
    ("unit_state", systemd.UnitState.of),
    ("unit_hardening", systemd.UnitHardening.of),
    ("mount_option", systemd.MountOption.of),
    ("selinux", security.Selinux.of),
    ("lockdown", security.Lockdown.of),
    ("binaries", binaries.Binaries.of),
    ("language_share", binaries.LanguageShare.of),
    ("package", package.PackageIs.of),
    ("probe", probes.Probe.of),
)
LOGIC = ("all_of", "any_of", "when")
