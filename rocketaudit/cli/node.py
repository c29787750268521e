"""`rocketaudit node`: audit the node that this process runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import (
    AsOf,
    BenchmarkNames,
    FailOn,
    Level,
    Limits,
    NoColor,
    Outputs,
    PolicyPath,
    Quiet,
    StorePath,
    Verbose,
)
from rocketaudit.cli.trust_options import (
    DbCert,
    Dbx,
    GrubKey,
    Key,
    Manifest,
    MinVersion,
    RootHashSig,
    SbatLevel,
    SigningCert,
    TrustArguments,
)


def node(
    rootfs: Annotated[
        Path | None,
        typer.Option("--rootfs", metavar="DIR", help="The host's root. Default: found by itself, if it can be seen."),
    ] = None,
    api: Annotated[
        Path | None, typer.Option("--api", metavar="SOCKET", help="The API's socket. Default: /run/api.sock.")
    ] = None,
    io_budget: Annotated[
        str, typer.Option("--io-budget", metavar="RATE", help="Most bytes per second to read from the disk.")
    ] = "100M",
    through_verity: Annotated[
        bool,
        typer.Option(
            "--through-verity",
            help="Read the mounted root where the raw disk is closed, although one bad block may restart the node.",
        ),
    ] = False,
    name: Annotated[str, typer.Option("--name", help="What the report calls this node. Default: its host name.")] = "",
    output: Outputs = None,
    fail_on: FailOn = None,
    benchmark: BenchmarkNames = None,
    level: Level = None,
    policy: PolicyPath = None,
    as_of: AsOf = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes. Default: 1, to leave the node its CPUs.")
    ] = 1,
    limits: Limits = None,
    store: StorePath = None,
    grub_key: GrubKey = None,
    db_cert: DbCert = None,
    dbx: Dbx = None,
    sbat_level: SbatLevel = None,
    manifest: Manifest = None,
    key: Key = None,
    root_hash_sig: RootHashSig = None,
    signing_cert: SigningCert = None,
    min_version: MinVersion = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
) -> int:
    """Audit the running node from where you are on it: host, host container, bootstrap container or pod. Reads only."""
    from rocketaudit.cli.running import NodeRun, Run, run_node
    from rocketaudit.source.gently import parse_rate

    run = Run(
        target=Path("/"),
        outputs=tuple(output or ()),
        fail_on=fail_on,
        benchmarks=tuple(benchmark or ()),
        level=level,
        policy=policy,
        as_of=as_of,
        workers=workers,
        limits=limits,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
        trust=TrustArguments(
            grub_keys=tuple(grub_key or ()),
            db_certs=tuple(db_cert or ()),
            dbx=dbx,
            sbat_level=sbat_level,
            manifest=manifest,
            keys=tuple(key or ()),
            root_hash_signatures=tuple(root_hash_sig or ()),
            signing_certificates=tuple(signing_cert or ()),
            min_version=min_version,
        ),
        store=store,
    )
    rate = parse_rate(io_budget)
    return run_node(run, NodeRun(rootfs, api, rate, through_verity, name))
