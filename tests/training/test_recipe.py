"""Recipes: every one of the package trains a step; mistakes are told by their text; a run keeps its settings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cheap
import pytest
import torch

from loopwright.data import PreparedData
from loopwright.errors import ConfigError, InputError, WeightsError
from loopwright.training.batches import Batches
from loopwright.training.gan_build import build_gan, styles_of
from loopwright.training.gan_step import train_step
from loopwright.training.given import Given
from loopwright.training.recipe import load_recipe, parse_recipe, recipe_names
from loopwright.training.runs import open_run

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_a_step(
    name: str, hits: PreparedData, drums48: PreparedData, notes48: PreparedData, cheap_networks: None
) -> None:
    recipe = load_recipe(name, cheap.SIZES)
    hits = {"log-mel": hits, "pattern-kit": drums48, "pitch-grid": notes48}[recipe.generator.kind]
    gan = build_gan(recipe, hits, CPU)
    rows = hits.indices("train")
    classes = None
    if styles := styles_of(recipe, hits):
        classes = torch.tensor([styles.index(s) for s in hits.column("style", rows)]).numpy()
    batches = Batches(hits, rows, 4, 0, gan.mean, gan.std, classes)
    before = {k: v.clone() for k, v in gan.generator.state_dict().items()}
    given = Given(hits, rows, recipe.generator, seed=0)(4, step=0) if recipe.generator.given else None
    values = train_step(gan, batches(0), seed=0, step=0, seen=0, labels=batches.labels(0), given=given)
    assert all(torch.isfinite(v) for v in values.values())
    assert ("r1" in values) == (recipe.discriminator.r1_gamma > 0)
    assert ("path" in values) == (recipe.train.path_weight > 0)
    changed = [k for k, v in gan.generator.state_dict().items() if not torch.equal(v, before[k])]
    assert len(changed) > len(before) // 2


def test_rows_of_the_paper_are_there_in_both_forms_for_drums_and_synths() -> None:
    rows = ["b-stylegan2", "d-vgg", "e-scnn-mtat", "f-scnn-loop", "g-vgg+scnn-mtat", "h-vgg+scnn-loop"]
    names = set(recipe_names())
    assert {f"{kind}/{form}{row}" for kind in ("drums", "synth") for form in ("", "as-published/") for row in rows} <= names
    loaded = [load_recipe(name).name for name in sorted(names)]
    assert len(set(loaded)) == len(loaded)  # run folders go by these names


def test_as_published_differs_from_corrected_where_it_should() -> None:
    published, right = load_recipe("drums/as-published/h-vgg+scnn-loop"), load_recipe("drums/h-vgg+scnn-loop")
    assert published.discriminator.network_names == right.discriminator.network_names == ("yamnet", "scnn_loop")
    a, b = published.discriminator, right.discriminator
    assert (a.halves, a.bridge, a.batch_stats, a.fusion, a.norm, a.clock) == ("mel", False, True, "summed", "batch", False)
    assert (b.halves, b.bridge, b.batch_stats, b.fusion, b.norm, b.clock) == ("none", True, False, "separate", "group", True)
    assert (published.generator.bound, right.generator.bound) == (0.0, 3.5)
    assert (published.train.lr_g, published.train.lr_d, published.train.batch) == (0.0016, 0.00188, 64)


def test_general_stands_for_the_network_that_is_named() -> None:
    values = {"discriminator": {"general": "vggish"}}
    assert load_recipe("drums/g-vgg+scnn-mtat", values).discriminator.network_names == ("vggish", "scnn_mtat")
    assert load_recipe("ablations/d-random", values).discriminator.network_names == ("random:vggish",)
    assert load_recipe("drums/b-stylegan2").discriminator.network_names == ()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"train": {"batches": 3}}, "train.batches: Extra inputs are not permitted"),
        ({"train": {"batch": 0}}, "train.batch: Input should be greater than 0"),
        ({"discriminator": {"networks": []}}, "discriminator.networks is empty"),
        ({"discriminator": {"r1_gamma": 1.0}}, "r1_gamma is for kind = 'stylegan2'"),
    ],
)
def test_settings_that_are_wrong_or_contradict(values: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match="recipe here: ") as error:
        parse_recipe({"name": "x"} | values, "here")
    assert text in str(error.value)


def test_files_that_are_missing_broken_or_circular(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'nonsense'. There are: .*house"):
        load_recipe("nonsense")
    (tmp_path / "broken.toml").write_text("[train\n")
    with pytest.raises(ConfigError, match="cannot read recipe"):
        load_recipe(str(tmp_path / "broken.toml"))
    (tmp_path / "a.toml").write_text('base = "b.toml"\n')
    (tmp_path / "b.toml").write_text('base = "a.toml"\n')
    with pytest.raises(ConfigError, match="is based on itself"):
        load_recipe(str(tmp_path / "a.toml"))


def test_missing_networks_and_weights(hits: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("tiny", {"discriminator": {"networks": ["resnet"]}})
    with pytest.raises(ConfigError, match=r"no feature network 'resnet'. Known: yamnet"):
        build_gan(recipe, hits, CPU)
    monkeypatch.setenv("LOOPWRIGHT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="vggish"):
        build_gan(load_recipe("tiny", {"discriminator": {"networks": ["vggish"]}}), hits, CPU)


def test_conditional_on_unlabelled_data(tmp_path: Path) -> None:
    data = cheap.write_data(tmp_path / "p", rows=6, labelled=False)
    with pytest.raises(ConfigError, match=r"conditional on 'style', but 3 of 3 training bars .* have no style"):
        build_gan(load_recipe("ablations/d-conditional"), data, CPU)


def test_generator_too_deep_for_the_data(hits: PreparedData, cheap_networks: None) -> None:
    with pytest.raises(ConfigError, match=r"10 generator\.channels need log-mels of a multiple of 512 cells"):
        build_gan(load_recipe("tiny", {"generator": {"channels": [4] * 10}}), hits, CPU)


def test_run_with_other_settings_is_refused_with_the_difference(tmp_path: Path) -> None:
    recipe, facts = load_recipe("tiny"), {"data": "x", "mel": "loop16", "rows": 1, "bars": 1}
    folder, existed = open_run(tmp_path, recipe, facts)
    assert not existed
    assert open_run(tmp_path, recipe, facts) == (folder, True)
    longer = load_recipe("tiny", {"train": {"kimg": 99.0}})
    assert open_run(tmp_path, longer, facts) == (folder, True)  # longer is no other
    other = load_recipe("tiny", {"train": {"batch": 16}})
    with pytest.raises(ConfigError, match=r"begun with other settings \(recipe.train.batch: 8 -> 16\). Pass --new"):
        open_run(tmp_path, other, facts)
    assert open_run(tmp_path, other, facts, new=True)[0].path.name == "00001-tiny"


def test_a_run_goes_on_only_with_its_own_settings(tmp_path: Path) -> None:
    recipe, facts = load_recipe("tiny"), {"data": "x"}
    folder, _ = open_run(tmp_path, recipe, facts)
    assert open_run(tmp_path, recipe, facts) == (folder, True)
    with pytest.raises(ConfigError, match=r"discriminator.echo: Extra inputs"):
        parse_recipe({"name": "x", "discriminator": {"echo": True}}, "here")
    with pytest.raises(ConfigError, match=r"recipe.discriminator.fusion: separate -> summed"):
        open_run(tmp_path, load_recipe("tiny", {"discriminator": {"fusion": "summed"}}), facts)


def test_corpus_smaller_than_a_batch(tmp_path: Path, cheap_networks: None) -> None:
    from loopwright.tasks.train_gan import train

    cheap.write_data(tmp_path / "p", rows=6)
    with pytest.raises(InputError, match="has 3 training bars, fewer than one batch of 4"):
        train(tmp_path / "p", tmp_path / "runs", "tiny", overrides=cheap.SIZES, device="cpu")


def test_every_key_and_recipe_is_documented_as_it_is() -> None:
    """docs/recipes.md is made from the classes and files; every key has a comment."""
    script = Path(__file__).resolve().parents[2] / "scripts" / "recipe_reference.py"
    spec = importlib.util.spec_from_file_location("recipe_reference", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run: python scripts/recipe_reference.py"
    bare = [line for line in module.page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert not bare
