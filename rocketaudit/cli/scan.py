"""`rocketaudit scan`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import (
    AsOf,
    BenchmarkNames,
    DataDisk,
    FailOn,
    Level,
    Limits,
    NoColor,
    Outputs,
    PolicyPath,
    Quiet,
    StorePath,
    TempDir,
    Verbose,
    Workers,
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
    TufMetadata,
    TufRoot,
    TufState,
    TufTargets,
)


def scan(
    target: Annotated[Path, typer.Argument(help="A disk image (raw, lz4, zst, gz, xz, qcow2, vmdk, ova) or a folder.")],
    output: Outputs = None,
    fail_on: FailOn = None,
    benchmark: BenchmarkNames = None,
    level: Level = None,
    policy: PolicyPath = None,
    as_of: AsOf = None,
    workers: Workers = None,
    tmp_dir: TempDir = None,
    data_disk: DataDisk = None,
    limits: Limits = None,
    tuf_root: TufRoot = None,
    tuf_metadata: TufMetadata = None,
    tuf_state: TufState = None,
    grub_key: GrubKey = None,
    db_cert: DbCert = None,
    dbx: Dbx = None,
    sbat_level: SbatLevel = None,
    manifest: Manifest = None,
    key: Key = None,
    tuf_targets: TufTargets = None,
    root_hash_sig: RootHashSig = None,
    signing_cert: SigningCert = None,
    min_version: MinVersion = None,
    store: StorePath = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    no_color: NoColor = False,
) -> int:
    """Audit an image or a directory: integrity, binaries, SBOM, benchmark."""
    from rocketaudit.cli.running import Run, run_audit

    run = Run(
        target=target,
        outputs=tuple(output or ()),
        fail_on=fail_on,
        benchmarks=tuple(benchmark or ()),
        level=level,
        policy=policy,
        as_of=as_of,
        workers=workers,
        tmp_dir=tmp_dir,
        data_disk=data_disk,
        limits=limits,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
        store=store,
        trust=TrustArguments(
            tuf_root=tuf_root,
            tuf_metadata=tuf_metadata,
            tuf_state=tuf_state,
            grub_keys=tuple(grub_key or ()),
            db_certs=tuple(db_cert or ()),
            dbx=dbx,
            sbat_level=sbat_level,
            manifest=manifest,
            keys=tuple(key or ()),
            tuf_targets=tuf_targets,
            root_hash_signatures=tuple(root_hash_sig or ()),
            signing_certificates=tuple(signing_cert or ()),
            min_version=min_version,
        ),
    )
    return run_audit(run)
