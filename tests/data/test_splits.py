"""Splits: by source, stable when files are added, close to the shares asked for."""

from __future__ import annotations

from collections import Counter, defaultdict

from loopwright.data.splits import make_splitter


def rows(sources: int, per_source: int) -> list[dict[str, object]]:
    return [{"source": f"s{s}", "file": f"s{s}/f{i}"} for s in range(sources) for i in range(per_source)]


def assign(records: list[dict[str, object]], seed: int = 0) -> list[str]:
    splitter = make_splitter(records, test_share=0.1, validation_share=0.1, seed=seed)
    return [splitter(record) for record in records]


def test_no_source_is_on_two_sides() -> None:
    for sources in (12, 300, 1000):
        records = rows(sources, 4)
        sides = defaultdict(set)
        for record, split in zip(records, assign(records), strict=True):
            sides[record["source"]].add(split)
        assert all(len(side) == 1 for side in sides.values())


def test_shares() -> None:
    assert Counter(assign(rows(300, 1))) == {"train": 240, "validation": 30, "test": 30}  # by rank: exact
    many = Counter(assign(rows(4000, 1)))  # by threshold: 400 with a standard deviation of 19
    assert 320 < many["test"] < 480
    assert 320 < many["validation"] < 480


def test_more_files_move_few_sources() -> None:
    before = dict(zip((r["source"] for r in rows(1000, 1)), assign(rows(1000, 1)), strict=True))
    after = dict(zip((r["source"] for r in rows(1500, 1)), assign(rows(1500, 1)), strict=True))
    assert all(after[source] == split for source, split in before.items())


def test_one_big_folder_is_split_by_file_and_tiny_sets_train() -> None:
    one_folder: list[dict[str, object]] = [{"source": "pack", "file": f"pack/{i}"} for i in range(50)]
    assert Counter(assign(one_folder)) == {"train": 35, "validation": 10, "test": 5}  # a fifth is held out to measure against
    assert assign([{"source": "a", "file": "a"}, {"source": "b", "file": "b"}]) == ["train", "train"]


def test_a_small_folder_holds_out_twenty_rows_or_a_fifth() -> None:
    assert Counter(assign(rows(120, 1)))["validation"] == 20
    assert Counter(assign(rows(30, 1)))["validation"] == 6
    assert Counter(assign(rows(8, 20)))["validation"] == 20  # files of eight packs
    assert Counter(assign(rows(12, 20)))["validation"] == 20  # whole packs of twenty


def test_seeds_differ() -> None:
    assert assign(rows(100, 1), 0) != assign(rows(100, 1), 1)


def test_order_does_not_matter() -> None:
    records = rows(200, 2)
    forward = assign(records)
    assert forward == assign(records[::-1])[::-1]
