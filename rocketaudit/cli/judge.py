"""`rocketaudit judge`: yesterday's evidence by today's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rocketaudit.cli.options import (
    AsOf,
    BenchmarkNames,
    FailOn,
    Level,
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
    TufMetadata,
    TufRoot,
    TufState,
    TufTargets,
)


def judge(
    evidence: Annotated[
        Path | None, typer.Argument(help="An evidence file that `collect` or `-o evidence=` wrote.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Instead: what deploy/control/collect.sh printed on a node."),
    ] = None,
    nonce: Annotated[
        str | None, typer.Option("--nonce", metavar="TEXT", help="The bundle must repeat this text: no old answer.")
    ] = None,
    max_age: Annotated[
        str | None, typer.Option("--max-age", metavar="TIME", help="Refuse a bundle that is older, such as 90m or 6h.")
    ] = None,
    evidence_key: Annotated[
        list[Path] | None,
        typer.Option(
            "--evidence-key", metavar="FILE", help="Public key (PEM) that signed the evidence file (`baseline sign`)."
        ),
    ] = None,
    output: Outputs = None,
    fail_on: FailOn = None,
    benchmark: BenchmarkNames = None,
    level: Level = None,
    policy: PolicyPath = None,
    as_of: AsOf = None,
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
    """Judge evidence again: other rules, another policy, newer keys. The target is not needed.

    Whoever can write an evidence file decides what it says: without --evidence-key the report calls nothing verified.
    """
    from rocketaudit.cli.running import Run, run_judge
    from rocketaudit.errors import UsageError

    if (evidence is None) == (bundle is None):
        raise UsageError("give one evidence file, or one --bundle")
    if bundle is None and (nonce is not None or max_age is not None):
        raise UsageError("--nonce and --max-age are terms for a --bundle")
    if bundle is not None and evidence_key:
        raise UsageError("--evidence-key is for an evidence file")
    run = Run(
        target=evidence or bundle or Path(),
        outputs=tuple(output or ()),
        fail_on=fail_on,
        benchmarks=tuple(benchmark or ()),
        level=level,
        policy=policy,
        as_of=as_of,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
        store=store,
        evidence_keys=tuple(evidence_key or ()),
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
    if bundle is None:
        return run_judge(run)
    from rocketaudit.cli.bundle_file import BundleTerms, run_bundle

    return run_bundle(run, BundleTerms(nonce, max_age))
