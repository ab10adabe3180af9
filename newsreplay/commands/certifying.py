"""The command that shows certificates."""

from __future__ import annotations

from pathlib import Path

import click

from newsreplay.commands.bars import report_line


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option("--to", "page", type=click.Path(path_type=Path), metavar="FILE", help="[default: FOLDER/index.html]")
def certificates(folder: Path, page: Path | None) -> None:
    """Show the certificates of many people's runs as one static page, those of the same log and options together.

    FOLDER and its subfolders hold what 'newsreplay verify RUN --certificate' wrote, under any names. What is no
    certificate, has digests that do not add up or contradicts another one is refused, and the page says why. Only
    replaying proves a certificate: rows that this machine has replayed itself are marked.
    """
    from newsreplay.report.page.certificates import write_certificates
    from newsreplay.simulator.certificates import read_certificates

    read = read_certificates(folder)
    for refused in read.refused:
        report_line(f"refused {refused.file}: {refused.why}")
    path = folder / "index.html" if page is None else page
    write_certificates(read, path)
    click.echo(
        f"wrote {path}: {len(read.kept)} certificate{'' if len(read.kept) == 1 else 's'}, {len(read.refused)} refused"
    )
