"""Claims, ranking, planning, the reader's ceiling and subgroups."""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from curate.errors import CarpusError, UsageError
from curate.manifest.store import Manifest
from tests.train.runfolders import make_arm
from train.cli import main
from train.compare import (
    check_claims,
    compare_runs,
    plan,
    print_power,
    print_ranking,
    print_table,
    rank_runs,
    write_report,
)
from train.compare.estimate import difference
from train.compare.names import arm_names
from train.compare.power import Variances, detectable, fewest_seeds, variances
from train.compare.reader import reader_agreement

FEW = ("Radius", "Ulna", "Pisiform")


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    home, rng = tmp_path_factory.mktemp("more"), np.random.default_rng(4)
    deltas = {"v1": 0.0, "v2": {"Pisiform": 0.05}, "v3": -0.04, "v4": 0.0}
    return [make_arm(home / v, rng, classes=FEW, version=v, delta=d, seed_sd=0.001) for v, d in deltas.items()]


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        ("Pisiform>=+0.01", True),
        ("Pisiform >= 0.049", False),
        ("Pisiform>0", True),
        ("Radius>=+0.01", False),
        ("Radius>=-0.02", True),
        ("Pisiform<=0.2", True),
        ("Pisiform<0", False),
        ("overall>=.001", True),
        ("overall>=1e-3", True),
    ],
)
def test_claims(arms, claim, shown):
    checked = check_claims(compare_runs(*arms[:2]), [claim])[0]
    assert (checked.claim, checked.shown) == (claim, shown)
    assert "interval [" in checked.why


def test_claims_share_the_error_and_bad_ones_are_refused(arms):
    c = compare_runs(*arms[:2])
    low = c.line("Pisiform").ci[0]
    claim = f"Pisiform>={low - 1e-7:.7f}"
    assert check_claims(c, [claim])[0].shown
    assert not check_claims(c, [claim, "Radius>=-1"])[0].shown
    with pytest.raises(UsageError, match="no class 'Fibula'"):
        check_claims(c, ["Fibula>=0"])
    with pytest.raises(UsageError, match="is no claim"):
        check_claims(c, ["Pisiform is better"])


def test_one_seed_shows_no_claim(arms):
    c = compare_runs(arms[0] / "fold0-seed0", arms[1])
    checked = check_claims(c, ["Pisiform>=-1"])[0]
    assert not checked.shown
    assert "seed variance not estimated" in checked.why


def test_ranking_orders_arms_and_adjusts_over_all_of_them(arms):
    ranking = rank_runs(arms)
    names = [name for name, _, _ in ranking.order]
    assert (names[0], names[-1]) == ("v2", "v3")
    for alone, together in zip((compare_runs(arms[0], b) for b in arms[1:]), ranking.comparisons, strict=True):
        for one, other in zip(alone.classes, together.classes, strict=True):
            assert other.p == one.p
            assert other.p_holm >= one.p_holm - 1e-12
    console = Console(width=100, file=io.StringIO())
    print_ranking(ranking, console)
    text = console.file.getvalue()
    assert re.search(r"v1 +0\.\d{4} +reference", text)
    assert re.search(r"Pisiform +0\.\d{4} +▲ \+0\.0\d{3}", text)
    assert max(map(len, text.splitlines())) <= 100
    json.dumps(ranking.to_dict(), allow_nan=False)
    assert ranking.to_dict()["order"][0]["name"] == "v2"


def test_ranking_refuses_one_arm_and_one_named_twice(arms):
    with pytest.raises(UsageError, match="two arms or more"):
        rank_runs(arms[:1])
    with pytest.raises(UsageError, match="named twice"):
        rank_runs([*arms[:2], arms[1]])


def test_plan_falls_with_patients_and_seeds_and_agrees_with_the_report(arms):
    c = compare_runs(*arms[:2])
    found = plan(c, "Pisiform", patients=(12, 100), seeds=(2, 3, 10))
    table = {(n, s): d for n, s, d in found.rows}
    assert table[12, 3] > table[100, 3] > table[100, 10]
    assert table[12, 2] > table[12, 3]
    assert table[12, 3] == pytest.approx(c.line("Pisiform").detectable, rel=0.35)
    console = Console(width=100, file=io.StringIO())
    print_power(found, console)
    assert "10 seeds" in console.file.getvalue()
    with pytest.raises(UsageError, match="no class 'x'"):
        plan(c, "x")
    with pytest.raises(UsageError, match="needs two seeds"):
        plan(compare_runs(arms[0] / "fold0-seed0", arms[1]))


def test_seeds_needed():
    v = Variances(training=0.003, response=0.005, residual=0.01)
    few, many = (fewest_seeds(v, 0.01, n, 0.05) for n in (5, 80))
    assert many < few
    assert detectable(v, 80, many) <= 0.01 < detectable(v, 80, many - 1)
    assert fewest_seeds(v, 1e-6, 5, 0.05) is None
    assert math.isinf(detectable(v, 5, 1))


def test_two_readers_of_real_films_agree_as_their_notes_say(real_data, tmp_path):
    from curate.ingest import ingest

    first = shutil.copytree(real_data / "hands29", tmp_path / "first")
    version = ingest(first).version
    found = reader_agreement(real_data / "hands29_second", version)
    assert len(found) == 29
    assert {n for _, n in found.values()} == {5}
    fingers = np.mean([found[f"finger-{k}"][0] for k in range(1, 20)])
    assert fingers == pytest.approx(0.980, abs=0.004)
    assert found["Trapezoid"][0] == pytest.approx(0.90, abs=0.01)
    assert found["Radius"][0] > 0.97  # the forearm ends sooner on one of the films, which is no disagreement


def second_reading(version, folder, scale=0.5):
    """The labels of a version again, in films shrunk about the origin, as another reader's folder."""
    frames = ["second,first,a,b,c,d,e,f"]
    for row in version.samples:
        labels = json.loads((version.root / row.labels).read_text())
        for a in labels["annotations"]:
            a["points"] = [[x * scale, y * scale] for x, y in a["points"]]
        film = (version.root / row.image).read_bytes()
        for name, data in ((f"outputs_json/{row.id}.json", json.dumps(labels).encode()), (f"DCM/{row.id}.png", film)):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        frames.append(f"{row.id},{row.id},{1 / scale},0,0,0,{1 / scale},0")
    (folder / "frames.csv").write_text("\n".join(frames) + "\n")
    return folder


def test_the_readers_ceiling_stands_in_the_report(tiny, tmp_path):
    version = Manifest.find(tiny).version("v1")
    films = [r for r in version.samples if r.labelled]
    second = second_reading(version, tmp_path / "second")
    rng = np.random.default_rng(0)
    arms = []
    for name in "ab":
        arm = make_arm(tmp_path / name, rng, classes=version.classes, patients=len(films), films=1, absent=0)
        for run in arm.iterdir():
            for file in ("scores.csv", "run.json"):
                text = (run / file).read_text()
                for k, row in enumerate(films):
                    text = text.replace(f"ID{k:03d}/image{k:03d}0,ID{k:03d}", f"{row.id},{row.group}")
                    text = text.replace(f'"ID{k:03d}/image{k:03d}0"', f'"{row.id}"')
                (run / file).write_text(text)
            record = json.loads((run / "run.json").read_text())
            record |= {"digest": version.digest, "manifest": os.path.relpath(version.manifest.path, run)}
            (run / "run.json").write_text(json.dumps(record))
        arms.append(arm)
    c = compare_runs(*arms, reader=second)
    assert {line.reader_n for line in c.classes} == {len(films)}
    assert {round(line.reader, 3) for line in c.classes} == {1.0}
    assert {s.name for s in c.subgroups} >= {"left hands", "right hands"} or c.subgroups == ()
    assert 'class="ceiling"' in write_report(c, tmp_path / "out").read_text()
    (second / "frames.csv").write_text("second,first,a,b,c,d,e,f\nx,y,1,0,0,0,1,0\n")
    with pytest.raises(UsageError, match="names no film of v1"):
        compare_runs(*arms, reader=second)
    (second / "frames.csv").write_text("second,first\nx,y\n")
    with pytest.raises(CarpusError, match="no column a"):
        compare_runs(*arms, reader=second)
    (second / "frames.csv").unlink()
    with pytest.raises(CarpusError, match="no such file"):
        compare_runs(*arms, reader=second)


def test_a_reader_needs_the_manifest(arms):
    with pytest.raises(UsageError, match="needs the manifest"):
        compare_runs(*arms[:2], reader=arms[0])


def in_a_process_of_its_own(*words):
    """Run ``train`` and give its output, the heavy packages that it imported, and its processor seconds."""
    code = (
        "import json, sys, time; from train.cli import main; code = main(sys.argv[1:]); sys.stdout.flush();"
        "heavy = sorted({'torch', 'lightning', 'monai', 'scipy.stats', 'scipy.optimize', 'pandas'} & set(sys.modules));"
        "print(json.dumps([code, heavy, time.process_time()]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True)
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


def test_diff_and_power_start_without_torch(arms, tmp_path):
    told, (code, heavy, spent) = in_a_process_of_its_own("diff", *arms[:2], "--out", tmp_path / "out")
    assert (code, heavy) == (0, [])
    assert spent < 4  # 1.3 s alone; torch and lightning take seven more
    assert f"report: {tmp_path / 'out/report.html'}" in told
    told, (code, heavy, _) = in_a_process_of_its_own("power", *arms[:2], "--json")
    assert (code, heavy) == (0, [])
    assert {line["name"] for line in json.loads(told)["lines"]} == {"overall", *FEW}


def test_ranks_from_the_command_line_with_a_page_that_leads_to_each_pair(arms, tmp_path, capsys):
    assert main(["diff", *map(str, arms), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines()[:-1])) <= 100
    text = (tmp_path / "out/report.html").read_text()
    links = re.findall(r'<a href="([^"]+)">', text)
    assert links == ["v2/report.html", "v4/report.html", "v3/report.html"]
    assert all((tmp_path / "out" / link).is_file() for link in links)
    assert not re.search(r"https?://|@import|url\(|src=", text)
    assert text.index("<svg") < text.index("<table")
    assert "of 3 comparisons with v1" in (tmp_path / "out/v2/report.html").read_text()
    assert (tmp_path / "out/report.csv").read_text().count("\n") == 1 + 3 * (len(FEW) + 1)
    assert "| v2 | 0." in (tmp_path / "out/report.md").read_text()
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file()}
    assert main(["diff", *map(str, arms), "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [x["name"] for x in found["order"]] == ["v2", *(x["name"] for x in found["order"][1:3]), "v3"]
    assert {c["adjusted_over"] for c in found["comparisons"]} == {3}
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir() if p.is_file()} == before


def test_what_can_be_seen_falls_with_every_arm_more(arms):
    alone, together = compare_runs(*arms[:2]), rank_runs(arms).comparisons[0]
    for one, other in zip((*alone.classes, alone.overall), (*together.classes, together.overall), strict=True):
        assert other.detectable > one.detectable


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("diff", "{0}"), "needs two arms or more"),
        (("diff", "{0}", "{1}", "{2}", "--check", "Ulna>=0"), "check two arms at a time"),
        (("diff", "{0}", "{1}", "{0}"), "is named twice"),
        (("power", "{0}", "{1}", "{2}"), "one arm or two"),
        (("power", "{0}", "--difference", "0"), "is no difference in Dice"),
        (("power", "{0}", "--seeds", "1"), "too few"),
        (("power", "{0}", "--bone", "Fibula"), "no class 'Fibula'"),
        (("power", "{0}/fold0-seed0"), "needs two seeds"),
    ],
)
def test_bad_words_are_one_line_and_exit_code_2(arms, words, said, capsys):
    assert main([word.format(*arms) for word in words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_one_arm_plans_with_what_it_knows(arms, capsys):
    assert main(["power", str(arms[0]), "--json", "--difference", "0.02"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert main(["power", str(arms[0]), str(arms[1]), "--json", "--difference", "0.02"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert (len(alone["arms"]), len(both["arms"])) == (1, 2)
    assert any("from one arm" in note for note in alone["notes"])
    assert {line["sd"]["response"] for line in alone["lines"]} == {0.0}
    for line in (*alone["lines"], *both["lines"]):
        seeds = [n["seeds"] for n in line["needed"]]
        assert seeds == sorted(seeds, reverse=True)
        assert all(n["seeds_cautious"] >= n["seeds"] for n in line["needed"])


def test_cautious_variances_hold_the_truth_four_times_in_five():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        a, b = (0.01 * rng.normal(size=(3, 1)) + 0.002 * rng.normal(size=(3, 40)) for _ in "ab")
        held += variances(difference(a, b), 3, 3, cautious=True).training >= 0.01
    assert held / 400 == pytest.approx(0.8, abs=0.06)


def test_a_plan_shows_as_often_as_it_says():
    """A difference that three seeds are said to show with 80% power is shown in about 80% of experiments."""
    rng = np.random.default_rng(8)
    v = Variances(training=0.004, response=0.006, residual=0.01)
    truth, shown = detectable(v, 30, 3), 0
    for _ in range(300):
        patient = rng.normal(size=30)
        a, b = (
            patient + shift + v.response / math.sqrt(2) * rng.normal(size=30)
            + v.training * rng.normal(size=(3, 1)) + v.residual * rng.normal(size=(3, 30)) for shift in (0, truth)
        )  # fmt: skip
        shown += difference(a, b).strict_p <= 0.05
    assert 0.7 <= shown / 300 <= 0.9


def test_arms_of_one_version_are_told_apart_by_their_folders():
    places = [Path(f"/runs/{name}/fold0") for name in ("v1-aa", "v1-bb", "v3-cc")]
    assert arm_names(["v1", "v1", "v3"], places) == ["v1 v1-aa/fold0", "v1 v1-bb/fold0", "v3"]
    assert arm_names([None, None], [Path("/x/a"), Path("/x/b")]) == ["a", "b"]


def test_a_bone_that_no_run_found_is_not_called_equivalent(tmp_path):
    rng = np.random.default_rng(0)
    folders = [make_arm(tmp_path / n, rng, classes=FEW, version=n, absent=0) for n in "ab"]
    for run in (run for folder in folders for run in folder.iterdir()):
        text = (run / "scores.csv").read_text()
        (run / "scores.csv").write_text(re.sub(r"(Ulna,1,)\d\.\d+", r"\g<1>0.0", text))
    line = compare_runs(*folders).line("Ulna")
    assert (line.dice_a, line.dice_b, line.verdict) == (0.0, 0.0, "inconclusive")
    assert line.missed_a == line.n_present * 3


def test_a_difference_cannot_leave_what_dice_can_be(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (make_arm(tmp_path / n, rng, patients=2, seeds=2, seed_sd=0.3, version=n) for n in "ab")
    c = compare_runs(a, b)
    assert min(line.ci[0] for line in c.classes) == -1.0
    assert max(line.ci[1] for line in c.classes) == 1.0
    console = Console(width=100, file=io.StringIO())
    print_table(c, console)
    assert " >1 " in console.file.getvalue()


def test_a_training_in_both_arms_is_pointed_out(arms, tmp_path, capsys):
    other = shutil.copytree(arms[1], tmp_path / "other")
    shutil.copy(arms[0] / "fold0-seed0/scores.csv", other / "fold0-seed1/scores.csv")
    assert any("same scores to the last digit" in note for note in compare_runs(arms[0], other).notes)
    assert main(["diff", str(arms[0]), str(arms[0])]) == 2
    assert "an arm does not differ from itself" in capsys.readouterr().err


def test_a_bone_that_some_trainings_lose_is_pointed_out(arms, tmp_path):
    other = shutil.copytree(arms[1], tmp_path / "other")
    path = other / "fold0-seed1/scores.csv"
    path.write_text(re.sub(r"(Ulna,1,)\d\.\d+", r"\g<1>0.0", path.read_text()))
    told = [note for note in compare_runs(arms[0], other).notes if "some trainings miss" in note]
    assert len(told) == 1
    assert "(Ulna)" in told[0]
    assert not any("some trainings miss" in note for note in compare_runs(*arms[:2]).notes)
