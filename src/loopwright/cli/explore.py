"""`loopwright interpolate`, `mix`, `near`, `edit`, `variations`: ways from loop to loop in a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.generate import parse_seeds

if TYPE_CHECKING:
    from loopwright.making import Loop, Model, Place

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


KEY = click.option("--key", help="Key such as Amin or Ebmaj that the notes are brought to, of a model of notes.")


ENGINE = click.option(
    "--engine",
    type=click.Choice(["auto", "onnx", "torch"]),
    default="auto",
    show_default=True,
    help="What computes; auto takes the quick one where it can.",
)
BARS = click.option("--bars", type=click.Choice(["1", "2", "4"]), default="1", show_default=True, help="Bars of 4/4.")


def _write(loops: Iterable[Loop], out: Path, force: bool, facts: dict[str, Any]) -> None:
    from loopwright.making.pack import write_pack

    click.echo(write_pack(loops, out, facts=facts, force=force))


@click.command()
@click.argument("model")
@click.argument("a", type=int)
@click.argument("b", type=int)
@click.option(
    "-n", "--count", type=click.IntRange(2, 256), default=8, show_default=True, help="Loops on the way, ends included."
)
@BARS
@KEY
@ENGINE
@pack_options("walk")
def interpolate(
    model: str,
    a: int,
    b: int,
    count: int,
    bars: str,
    key: str | None,
    engine: str,
    bpm: float,
    rate_hz: int,
    out: Path,
    force: bool,
) -> None:
    """Walk from seed A to seed B of MODEL: a pack of loops in between, all on the same beat.

    Example: loopwright interpolate drums 3 17 -n 8 --bpm 128 -o Walk
    """
    from loopwright.making import load, place_of, render_place, walk
    from loopwright.making.loop import step_word, word_for

    player = load(model, engine=engine)
    way = walk(player, place_of(player, a), place_of(player, b), count)
    loops = (
        render_place(
            player,
            place,
            bpm=bpm,
            bars=int(bars),
            rate_hz=rate_hz,
            pack="Walk",
            info={"from": a, "to": b, "at": round(i / (count - 1), 4)},
            word=f"{step_word(i)}-{word_for(b)}",
            key=key,
        )
        for i, place in enumerate(way)
    )
    _write(loops, out, force, {"model": model, "from": a, "to": b})


@click.command()
@click.argument("model")
@click.argument("a")
@click.argument("b")
@click.option(
    "--levels",
    type=click.Choice(["coarse", "middle", "fine", "pattern", "sound", "kit", "room"]),
    default="fine",
    show_default=True,
    help="What comes from B: coarse is the pattern, fine the sound. `pattern` and `sound`: of models built of the two; "
    "`kit` and `room`: of drums.",
)
@KEY
@ENGINE
@pack_options("mix")
def mix(
    model: str,
    a: str,
    b: str,
    levels: str,
    key: str | None,
    engine: str,
    bpm: float,
    rate_hz: int,
    out: Path,
    force: bool,
) -> None:
    """Cross the loops of seeds A (rows) with one level of seeds B (columns) of MODEL.

    Example: loopwright mix drums 0-3 10-13 --levels fine -o Mix
    """
    from loopwright.making import load, place_of, render_place
    from loopwright.making import mix as cross
    from loopwright.making.loop import word_for

    player = load(model, engine=engine)
    rows, columns = parse_seeds(a), parse_seeds(b)
    of = {seed: place_of(player, seed) for seed in {*rows, *columns}}
    loops = (
        render_place(
            player,
            cross(player, of[row], of[column], levels),
            bpm=bpm,
            rate_hz=rate_hz,
            pack="Mix",
            info={"seed": row, "mixed_with": column, "level": levels},
            word=f"{word_for(row)}-{word_for(column)}",
            key=key,
        )
        for row in rows
        for column in columns
    )
    _write(loops, out, force, {"model": model, "rows": rows, "columns": columns, "level": levels})


@click.command()
@click.argument("model")
@click.argument("seed", type=int)
@click.option("-n", "--count", type=click.IntRange(1, 256), default=8, show_default=True, help="Neighbours.")
@click.option("--amount", type=float, default=0.35, show_default=True, help="0 is the loop itself, 1 an unrelated one.")
@BARS
@KEY
@ENGINE
@pack_options("near")
def near(
    model: str,
    seed: int,
    count: int,
    amount: float,
    bars: str,
    key: str | None,
    engine: str,
    bpm: float,
    rate_hz: int,
    out: Path,
    force: bool,
) -> None:
    """Loops like that of SEED of MODEL: its neighbours, as "more like this" in the studio.

    Example: loopwright near drums 3 -n 8 --amount 0.3 -o LikeThree
    """
    from loopwright.making import load, place_of
    from loopwright.making.loop import word_for

    player = load(model, engine=engine)
    loops = _neighbours(
        player,
        place_of(player, seed),
        count,
        amount,
        {"near": seed},
        bpm=bpm,
        bars=int(bars),
        rate_hz=rate_hz,
        pack="Near",
        key=key,
        suffix=f"-{word_for(seed)}",
    )
    _write(loops, out, force, {"model": model, "near": seed, "amount": amount})


def _neighbours(
    player: Model, place: Place, count: int, amount: float, info: dict[str, Any], *, suffix: str = "", **settings: Any
) -> Iterator[Loop]:
    """Finished loops of `count` neighbours of a place. `settings`: of `render_place`."""
    from loopwright.making import near, render_place
    from loopwright.making.loop import step_word

    for i in range(count):
        found = near(player, place, amount, i)
        yield render_place(
            player, found, info=info | {"amount": amount, "neighbour": i}, word=f"near{step_word(i)}{suffix}", **settings
        )


@click.command()
@click.argument("model")
@click.option("--seeds", default="0-7", show_default=True, help="Seeds to move.")
@click.option("--direction", "names", multiple=True, required=True, help="Name or number of a direction; repeatable.")
@click.option(
    "--amount",
    "amounts",
    multiple=True,
    type=float,
    required=True,
    help="How far, in standard deviations, -6 to 6; one a direction.",
)
@BARS
@KEY
@ENGINE
@pack_options("edit")
def edit(
    model: str,
    seeds: str,
    names: tuple[str, ...],
    amounts: tuple[float, ...],
    bars: str,
    key: str | None,
    engine: str,
    bpm: float,
    rate_hz: int,
    out: Path,
    force: bool,
) -> None:
    """Move the loops of seeds along named directions of MODEL. See: loopwright directions MODEL

    Example: loopwright edit drums --seeds 0-3 --direction brightness --amount 2 -o Brighter
    """
    from loopwright.making import load, move, place_of, render_place
    from loopwright.making.directions import directions_of

    if len(names) != len(amounts):
        raise click.UsageError(f"{len(names)} directions but {len(amounts)} amounts: give one --amount a --direction.")
    player = load(model, engine=engine)
    moves = dict(zip(names, amounts, strict=True))
    known = directions_of(player)
    loops = (
        render_place(
            player,
            move(player, place_of(player, seed), moves, known),
            bpm=bpm,
            bars=int(bars),
            rate_hz=rate_hz,
            pack="Edit",
            info={"seed": seed, "moves": moves},
            key=key,
        )
        for seed in parse_seeds(seeds)
    )
    _write(loops, out, force, {"model": model, "moves": moves})


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", default="drums-mel", show_default=True, help="Model to look in: one that draws log-mels.")
@click.option(
    "-n", "--count", type=click.IntRange(1, 256), default=8, show_default=True, help="Loops, the projected one included."
)
@click.option("--amount", type=float, default=0.35, show_default=True, help="0 repeats the loop, 1 forgets it.")
@click.option("--steps", type=click.IntRange(1, 5000), default=150, show_default=True, help="Optimisation steps.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same variations.")
@ENGINE
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
    engine: str,
    bpm: float,
    rate_hz: int,
    out: Path,
    force: bool,
) -> None:
    """Find the one-bar loop FILE in MODEL, then loops near it. Without --bpm they keep FILE's tempo.

    Example: loopwright variations break.wav -n 8 -o Breaks
    """
    from loopwright.making import load, render_place
    from loopwright.making.project import project, target_log_mel
    from loopwright.making.torch_model import TorchModel

    searched = TorchModel.load(model)  # looking for a loop takes gradients
    target, own_bpm = target_log_mel(searched, file)
    found = project(searched, target, bpm=own_bpm, steps=steps, seed=seed)
    click.echo(f"reconstruction error {found.error:.1f} dB (best of random starts: {found.random_error:.1f} dB)", err=True)
    given = ctx.get_parameter_source("bpm") is click.core.ParameterSource.COMMANDLINE
    player = load(model, engine=engine)
    tempo = bpm if given else found.bpm
    info = {"variation_of": file.name, "seed": seed, "error_db": round(found.error, 3)}

    def loops() -> Iterator[Loop]:
        yield render_place(player, found.place, bpm=tempo, rate_hz=rate_hz, pack="Variations", info=info, word="itself")
        yield from _neighbours(player, found.place, count - 1, amount, info, bpm=tempo, rate_hz=rate_hz, pack="Variations")

    _write(loops(), out, force, {"model": model, "file": file.name, "error_db": round(found.error, 3), "amount": amount})
