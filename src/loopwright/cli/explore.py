"""`loopwright interpolate`, `mix`, `edit`, `directions`, `variations`: ways to look for loops in a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.generate import parse_seeds

if TYPE_CHECKING:
    from loopwright.making.loop import Loop

Command = Callable[..., Any]


def pack_options(default: str) -> Callable[[Command], Command]:
    """Options of every command that writes a pack."""

    def add(command: Command) -> Command:
        for option in (
            click.option("--force", is_flag=True, help="Replace the folder if it exists."),
            click.option(
                "-o",
                "--out",
                type=click.Path(path_type=Path),
                default=Path(default),
                show_default=True,
                help="Folder of the pack.",
            ),
            click.option("--rate", "rate_hz", type=int, default=44_100, show_default=True, help="Sample rate in Hz."),
            click.option("--bpm", type=float, default=120.0, show_default=True, help="Tempo."),
        ):
            command = option(command)
        return command

    return add


def _write(loops: list[Loop], out: Path, force: bool, facts: dict[str, Any]) -> None:
    from loopwright.making.pack import write_pack

    click.echo(write_pack(loops, out, facts=facts, force=force))


@click.command()
@click.argument("model")
@click.argument("a", type=int)
@click.argument("b", type=int)
@click.option(
    "-n", "--count", type=click.IntRange(2, 256), default=8, show_default=True, help="Loops on the way, ends included."
)
@click.option("--bars", type=click.Choice(["1", "2", "4"]), default="1", show_default=True, help="Bars of 4/4.")
@pack_options("walk")
def interpolate(model: str, a: int, b: int, count: int, bars: str, bpm: float, rate_hz: int, out: Path, force: bool) -> None:
    """Walk from seed A to seed B of MODEL: a pack of loops in between, all on the same beat.

    Example: loopwright interpolate drums 3 17 -n 8 --bpm 128 -o Walk
    """
    from loopwright.making.mixing import walk
    from loopwright.making.torch_model import load

    loops = walk(load(model), a, b, n=count, bpm=bpm, bars=int(bars), rate_hz=rate_hz)
    _write(loops, out, force, {"model": model, "from": a, "to": b})


@click.command()
@click.argument("model")
@click.argument("a")
@click.argument("b")
@click.option(
    "--levels",
    type=click.Choice(["coarse", "middle", "fine"]),
    default="fine",
    show_default=True,
    help="What comes from B: coarse is the pattern, fine the sound.",
)
@pack_options("mix")
def mix(model: str, a: str, b: str, levels: str, bpm: float, rate_hz: int, out: Path, force: bool) -> None:
    """Cross the loops of seeds A (rows) with some layers of seeds B (columns) of MODEL.

    Example: loopwright mix drums 0-3 10-13 --levels fine -o Mix
    """
    from loopwright.making.mixing import mix as cross
    from loopwright.making.torch_model import load

    rows, columns = parse_seeds(a), parse_seeds(b)
    loops = cross(load(model), rows, columns, level=levels, bpm=bpm, rate_hz=rate_hz)
    _write(loops, out, force, {"model": model, "rows": rows, "columns": columns, "level": levels})


@click.command()
@click.argument("model")
@click.option("--seeds", default="0-7", show_default=True, help="Seeds to move.")
@click.option("--direction", "names", multiple=True, required=True, help="Name or number of a direction; repeatable.")
@click.option(
    "--amount", "amounts", multiple=True, type=float, required=True, help="How far, in standard deviations; one a direction."
)
@click.option("--bars", type=click.Choice(["1", "2", "4"]), default="1", show_default=True, help="Bars of 4/4.")
@pack_options("edit")
def edit(
    model: str,
    seeds: str,
    names: tuple[str, ...],
    amounts: tuple[float, ...],
    bars: str,
    bpm: float,
    rate_hz: int,
    out: Path,
    force: bool,
) -> None:
    """Move the loops of seeds along named directions of MODEL. See: loopwright directions MODEL

    Example: loopwright edit drums --seeds 0-3 --direction brightness --amount 2 -o Brighter
    """
    from loopwright.making.mixing import edit as move
    from loopwright.making.torch_model import load

    if len(names) != len(amounts):
        raise click.UsageError(f"{len(names)} directions but {len(amounts)} amounts: give one --amount a --direction.")
    moves = dict(zip(names, amounts, strict=True))
    loops = move(load(model), parse_seeds(seeds), moves, bpm=bpm, bars=int(bars), rate_hz=rate_hz)
    _write(loops, out, force, {"model": model, "moves": moves})


@click.command()
@click.argument("model")
@click.option("-n", "--count", type=click.IntRange(1, 32), default=8, show_default=True, help="Principal directions to find.")
@click.option("--save/--no-save", default=False, help="Keep them beside the model file, for `edit` and the studio.")
def directions(model: str, count: int, save: bool) -> None:
    """Find MODEL's directions: one each for density, brightness, swing and kick level, then the principal ones.

    Of each it says what it does to all of these.
    """
    from loopwright.making.directions import FEATURES, directions_path, find_directions, save_directions
    from loopwright.making.torch_model import load

    loaded = load(model)
    found = find_directions(loaded, count=count)
    click.echo(
        f"{'#':>2s} {'name':14s} {'share':>6s}  "
        + "  ".join(f"{k:>10s}" for k in FEATURES)
        + "   (in sd of the feature, for +1 sd)"
    )
    for i, d in enumerate(found):
        click.echo(f"{i:2d} {d.name:14s} {d.share:6.1%}  " + "  ".join(f"{d.effect[k]:+10.2f}" for k in FEATURES))
    if save:
        save_directions(directions_path(loaded.path), found)
        click.echo(f"saved to {directions_path(loaded.path)}", err=True)


@click.command()
@click.argument("model")
@click.option("--network", default="scnn_loop", show_default=True, help="Classifier of loop styles, as in `features list`.")
@click.option("-n", "--count", type=click.IntRange(100, 100_000), default=2000, show_default=True, help="Seeds to look at.")
@click.option(
    "--least", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Probability that a listed seed has at least."
)
@click.option("--save/--no-save", default=False, help="Keep the table beside the model file, for `--style` and the studio.")
def styles(model: str, network: str, count: int, least: float, save: bool) -> None:
    """Let a classifier find which seeds of MODEL sound like which style.

    Example: loopwright styles runs/mine --network scnn_loop_synth --save
    """
    from loopwright.making.styles import find_styles, save_table, table_path
    from loopwright.making.torch_model import load

    loaded = load(model)
    table = find_styles(loaded, network, looked_at=count, least=least)
    for style, seeds in table.seeds.items():
        click.echo(
            f"{style:14s} {len(seeds):5d} of {count}  {len(seeds) / count:6.1%}  first: {', '.join(map(str, seeds[:6]))}"
        )
    if save:
        save_table(table_path(loaded.path), table)
        click.echo(f"saved to {table_path(loaded.path)}", err=True)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", default="drums", show_default=True, help="Model to look in.")
@click.option(
    "-n", "--count", type=click.IntRange(1, 256), default=8, show_default=True, help="Loops, the projected one included."
)
@click.option("--amount", type=float, default=0.4, show_default=True, help="0 repeats the loop, 1 forgets it.")
@click.option("--steps", type=click.IntRange(1, 5000), default=150, show_default=True, help="Optimisation steps.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same variations.")
@pack_options("variations")
@click.pass_context
def variations(
    ctx: click.Context,
    file: Path,
    model: str,
    count: int,
    amount: float,
    steps: int,
    seed: int,
    bpm: float,
    rate_hz: int,
    out: Path,
    force: bool,
) -> None:
    """Find the one-bar loop FILE in MODEL, then loops near it. Without --bpm they keep FILE's tempo.

    Example: loopwright variations break.wav -n 8 -o Breaks
    """
    from loopwright.making.project import neighbours, project, target_log_mel
    from loopwright.making.torch_model import load

    loaded = load(model)
    target, own_bpm = target_log_mel(loaded, file)
    found = project(loaded, target, bpm=own_bpm, steps=steps, seed=seed)
    click.echo(f"reconstruction error {found.error:.1f} dB (best of random starts: {found.random_error:.1f} dB)", err=True)
    given = ctx.get_parameter_source("bpm") is click.core.ParameterSource.COMMANDLINE
    loops = neighbours(loaded, found, n=count, amount=amount, seed=seed, bpm=bpm if given else None, rate_hz=rate_hz)
    _write(loops, out, force, {"model": model, "file": file.name, "error_db": round(found.error, 3), "amount": amount})
