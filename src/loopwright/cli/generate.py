"""`loopwright generate`."""

from __future__ import annotations

from pathlib import Path

import click


def parse_seeds(text: str) -> list[int]:
    """`0-15`, `3`, `1,5,9-12` -> a list of seeds. Raises click.BadParameter."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low = int(first)
            high = int(last) if dash else low
        except ValueError as error:
            raise click.BadParameter(f"'{text}' is not a list of seeds. Examples: 0-15 or 3,7,20-25.") from error
        if high < low or high - low > 100_000:
            raise click.BadParameter(f"'{part}' is not a range of seeds from low to high.")
        seeds += range(low, high + 1)
    return list(dict.fromkeys(seeds))


@click.command()
@click.argument("model", default="drums")
@click.option("-n", "--count", type=click.IntRange(1, 100_000), default=16, show_default=True, help="Loops to make.")
@click.option("--seeds", help="Seeds such as 0-15 or 3,7,9, instead of COUNT seeds from 0.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="First seed.")
@click.option("--bpm", type=float, default=120.0, show_default=True, help="Tempo; the file's length is exact to the sample.")
@click.option("--bars", type=click.Choice(["1", "2", "4"]), help="Bars of 4/4.  [default: 1, or those of --midi]")
@click.option("--key", help="Key such as Amin or Ebmaj that the notes are brought to, of a model of notes.")
@click.option(
    "--midi",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A MIDI clip that every loop plays, of a model that is given notes or drum hits.",
)
@click.option("--midi-out", is_flag=True, help="Also write what each loop plays, as a MIDI file beside it.")
@click.option("--trunc", "truncation", type=float, default=1.0, show_default=True, help="1 as trained, towards 0 safer.")
@click.option("--style", help="Style, of a model that knows styles; seeds then count its loops.")
@click.option("--rate", "rate_hz", type=int, default=44_100, show_default=True, help="Sample rate in Hz.")
@click.option("--vocoder", help="Name or file of a vocoder, instead of the model's own.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("pack"), show_default=True, help="Folder of the pack."
)
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Also write a PNG of the spectrograms.")
@click.option("--force", is_flag=True, help="Replace the folder if it exists.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or auto.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "onnx", "torch"]),
    default="auto",
    show_default=True,
    help="onnx starts sooner and is quicker on a CPU; auto takes it where it can.",
)
def generate(
    model: str,
    count: int,
    seeds: str | None,
    seed: int,
    bpm: float,
    bars: str | None,
    key: str | None,
    midi: Path | None,
    midi_out: bool,
    truncation: float,
    style: str | None,
    rate_hz: int,
    vocoder: str | None,
    out: Path,
    sheet: Path | None,
    force: bool,
    device: str,
    engine: str,
) -> None:
    """Make loops with MODEL: a bundled model's name, a run folder or a model file.

    Examples: loopwright generate drums -n 16 --bpm 124 -o Night; loopwright generate synth --key Amin --midi-out -o Ideas
    """
    from loopwright.making.loop import Loop
    from loopwright.making.pack import generate_pack

    def show(path: Path, loop: Loop) -> None:
        click.echo(f"{path}  {loop.bpm:.3f} BPM  {len(loop.samples)} samples", err=True)

    chosen = parse_seeds(seeds) if seeds is not None else list(range(seed, seed + count))
    result = generate_pack(
        model,
        out,
        seeds=chosen,
        bpm=bpm,
        bars=int(bars) if bars is not None else None,
        key=key,
        midi=midi,
        midi_out=midi_out,
        truncation=truncation,
        style=style,
        rate_hz=rate_hz,
        vocoder=vocoder,
        device=device,
        engine=engine,
        force=force,
        sheet=sheet,
        on_loop=show,
    )
    click.echo(result)
