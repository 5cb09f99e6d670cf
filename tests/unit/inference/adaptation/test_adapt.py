"""From ordinary bags to a package: proven, better than the shipped or not written, and nothing of the site in it."""

import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import onnx
import pytest

from drivers.contract import Energy, Polarity
from drivers.errors import ModelError
from edge.cli.inspect import read_scan
from inference import load
from inference.adaptation import adapt, run
from inference.adaptation.bags import Split, collect, list_digest, split
from inference.adaptation.trial import Figures, Pairs
from inference.adaptation.write import Outcome, head_of, write
from inference.calibrate import at, fit
from inference.evaluate.metrics import auroc, roc
from inference.insertion import shot_of
from inference.look import views
from inference.manifest import parse
from inference.model import Model
from inference.package import read
from tests.unit.inference.adaptation.conftest import HEAD, hurry, make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def work(package, files, out, seed=1, tell=lambda what, done, total: None):
    return adapt(package.path, files, out, seed, read_scan, 1, tell)


@pytest.fixture(scope="module")
def adapted(little, ordinary, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        # Few bags and few filters: that something comes of it is asked here, not whether that could be chance.
        patch.setattr("inference.adaptation.run._why_not", lambda outcome, unchanged: [])
        told = []
        out = tmp_path_factory.mktemp("out") / "new" / "package"
        done = work(little, ordinary, out, tell=lambda *said: told.append(said))
    return done, told


class TestAPackageComesOfIt:
    def test_it_is_proven_as_it_is_loaded(self, adapted, little):
        model = load(adapted[0].out, 1)
        assert model.version == f"1.0.0+site.{adapted[0].outcome.files_sha256[:8]}.1"
        assert model.name == "little"
        assert model.sha256 != little.sha256

    def test_only_the_last_layer_and_the_points_are_others(self, adapted, little):
        before, after = (onnx.load_from_string(p.model) for p in (little, read(adapted[0].out)))
        changed = [a.name for a, b in zip(after.graph.initializer, before.graph.initializer, strict=True) if a != b]
        assert sorted(changed) == ["out.bias", "out.weight"]
        for graph in (before.graph, after.graph):
            del graph.initializer[:]
        assert after == before
        new, old = load(adapted[0].out, 1).manifest, little.manifest
        same = {"golden", "files", "version", "operating_points"}
        assert new.model_dump(exclude=same) == old.model_dump(exclude=same)

    def test_nothing_of_the_site_is_in_it(self, adapted, little, ordinary):
        package = read(adapted[0].out)
        assert package.files["golden/golden-0.png"] == little.files["golden/blob.png"]
        assert set(package.files) == {"model.onnx", "CARD.md", "golden/golden-0.png", "golden/golden-0.npz"}
        for file in ordinary:
            assert file.name not in package.card
            assert all(file.read_bytes()[100:200] not in data for data in package.files.values())

    def test_the_card_says_what_it_was_adapted_on(self, adapted):
        done, _ = adapted
        card = load(done.out, 1).package.card
        assert "| ordinary bags | 24, written from 20" in card
        assert done.outcome.files_sha256 in card
        assert f"| this site's bags, adapted | {done.outcome.site[1].auroc:.3f} |" in card
        assert card.endswith("# little\n\nA card.\n")

    def test_threats_rank_higher_than_they_did(self, adapted):
        before, after = adapted[0].outcome.site
        assert after.auroc > before.auroc

    @pytest.mark.usefixtures("quick")
    def test_the_same_comes_of_the_same_bags_in_any_order(self, adapted, little, ordinary, tmp_path, monkeypatch):
        monkeypatch.setattr("inference.adaptation.run._why_not", lambda outcome, unchanged: [])
        again = work(little, ordinary[::-1], tmp_path / "again")
        assert load(again.out, 1).package.text == load(adapted[0].out, 1).package.text

    def test_progress_is_told_part_by_part_to_the_end(self, adapted):
        last = {what: (done, total) for what, done, total in adapted[1]}
        assert next(iter(last)) == "reading the bags"
        assert last["reading the bags"] == (24, 24)
        assert last["looking at bags"] == (14, 14)
        assert all(done <= total for done, total in last.values())


@pytest.mark.usefixtures("quick")
class TestNothingComesOfIt:
    def test_where_it_is_no_better_nothing_is_written(self, little, ordinary, tmp_path, monkeypatch):
        monkeypatch.setattr("inference.adaptation.run.HOLDS", ())
        monkeypatch.setattr("inference.adaptation.run.SCENES", (4, 2, 3))
        done = work(little, ordinary[:20], tmp_path / "out")
        assert done.out is None
        assert done.why_not == ("no other last layer ranked bags better than the shipped one",)
        assert list(tmp_path.iterdir()) == []

    def test_stopped_on_the_way_nothing_is_left_behind(self, little, ordinary, tmp_path):
        def stop(what, done, total):
            if what == "looking at bags" and done == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            work(little, ordinary, tmp_path / "out", tell=stop)
        assert list(tmp_path.iterdir()) == []

    def test_stopped_while_it_writes_nothing_is_left_behind(self, little, tmp_path, monkeypatch):
        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("inference.adaptation.write.pack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "out.zip", Model(little, 1), little.model, outcome(), 1)
        assert list(tmp_path.iterdir()) == []

    def test_too_few_bags_are_refused_and_what_holds_none_is_named(self, little, ordinary, tmp_path):
        strange = tmp_path / "notes.txt"
        strange.write_text("no picture")
        bags, problems = collect([*ordinary[:5], strange], read_scan, lambda: None)
        assert len(bags) == 5
        assert len(problems) == 1 and problems[0].startswith(str(strange))
        with pytest.raises(ModelError, match="5 bags that can be judged: at least 20 are needed"):
            work(little, ordinary[:5], tmp_path / "out")

    def test_what_is_there_already_stays(self, little, ordinary, tmp_path):
        with pytest.raises(ModelError, match="is there already"):
            work(little, ordinary, tmp_path)

    def test_the_shipped_rule_has_no_layer_to_fit(self, darkness_package, ordinary, tmp_path):
        with pytest.raises(ModelError, match=r"cannot be adapted: its graph has no tensor 'features'.*out\.weight"):
            adapt(darkness_package, ordinary, tmp_path / "out", 0, read_scan, 1, lambda *_: None)

    def test_other_groups_are_refused(self, little, ordinary, tmp_path):
        package = make(tmp_path / "other", head=HEAD.replace("blade or so", "umbrella")).package
        with pytest.raises(ModelError, match="does not map the default model's groups"):
            work(package, ordinary, tmp_path / "out")


def outcome(before=(0.8, 0.5, 0.6), after=(0.9, 0.3, 0.7), was=(0.8, 0.5, 0.6), now=(0.8, 0.5, 0.6), low=0.02):
    scores = [n / 40 for n in range(40)]
    return Outcome(
        site=(Figures(*before), Figures(*after)),
        simulated=(Figures(*was), Figures(*now)),
        gain=(after[0] - before[0], low, 0.2),
        pairs=(20, 20),
        points=fit(scores, 0.05, 0.1),
        pfa_before=at(scores, 0.5),
        bags=80,
        fitted=48,
        days=(date(2026, 1, 2), date(2026, 1, 3)),
        files_sha256="ab" * 32,
        seed=0,
    )


def test_a_clear_gain_is_offered():
    assert run._why_not(outcome(), False) == []


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (outcome(low=-0.001), "the gain could be chance"),
        (outcome(after=(0.9, 0.51, 0.7)), "more false alarms at PD .90: 0.51, before 0.50"),
        (outcome(now=(0.75, 0.5, 0.6)), "learned the insertion"),
        (outcome(now=(0.85, 0.5, 0.5)), "learned the insertion"),
    ],
)
def test_what_could_be_chance_or_learned_the_insertion_is_not_offered(found, words):
    (reason,) = run._why_not(found, False)
    assert words in reason


class TestBags:
    def test_each_bag_is_in_one_part_and_stays_there_whatever_the_order(self, ordinary):
        bags, _ = collect(ordinary, read_scan, lambda: None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("inference.adaptation.bags.LEAST", 20)
            parts = split(bags, 7)
            assert split(bags[::-1], 7) == parts
            assert split(bags, 8) != parts
        assert (len(parts.fit), len(parts.choose), len(parts.judge)) == (14, 4, 6)
        assert len({bag.sha256 for bag in parts.all}) == 24

    def test_the_same_picture_twice_is_one_bag(self, ordinary, tmp_path):
        shutil.copy(ordinary[0], tmp_path / "again.png")
        bags, problems = collect([ordinary[0], tmp_path / "again.png", tmp_path / "none.png"], read_scan, lambda: None)
        assert len(bags) == 1
        assert problems == [f"{tmp_path}/none.png: there is no such file"]

    def test_the_digest_of_a_list_does_not_hang_on_its_order(self, ordinary):
        bags, _ = collect(ordinary[:3], read_scan, lambda: None)
        assert list_digest(bags) == list_digest(bags[::-1]) != list_digest(bags[:2])
        assert Split(tuple(bags[:1]), tuple(bags[1:2]), tuple(bags[2:])).all == tuple(bags)


def test_a_manifest_survives_being_written_again(little):
    text = head_of(little.manifest, {"version": "2.0.0"})
    files = "".join(f'"{name}" = "{sha}"\n' for name, sha in little.manifest.files.items())
    golden = '[[golden]]\npictures = [{ file = "golden/blob.png", view = 0, energy = "single" }]\n'
    again = parse(f'{text}\n{golden}outputs = "golden/blob.npz"\nscore = 0.0\n[files]\n{files}'.encode())
    left_out = {"golden", "version"}
    assert again.model_dump(exclude=left_out) == little.manifest.model_dump(exclude=left_out)
    assert again.summary == 'a "little" network'


def test_pairs_of_bags_with_several_threats_are_drawn_by_bag():
    rng = np.random.default_rng(1)
    pairs = Pairs()
    for number in range(30):
        pairs.ordinary.append([float(rng.normal(0)), float(rng.normal(0))])
        for _ in range(number % 3):
            pairs.threat.append([float(rng.normal(0.2)), float(rng.normal(2))])
            pairs.pointed.append([False, True])
            pairs.bag.append(number)
    before, after = pairs.figures(0), pairs.figures(1)
    labels = np.arange(30 + len(pairs.threat)) >= 30
    expected = auroc(roc(np.array([row[1] for row in pairs.ordinary + pairs.threat]), labels))
    assert after.auroc == pytest.approx(float(expected))
    assert (before.pointing, after.pointing) == (0, 1)
    gain, low, high = pairs.gain(1, 0, seed=3)
    assert 0 < low < gain < high
    assert gain == pytest.approx(after.auroc - before.auroc)


def test_shots_keep_both_energies_and_dark_air(grey):
    counts = np.full((40, 50), 50_000, np.uint16)
    counts[10:30, 10:40] = 9_000
    pair = (grey(counts, energy=Energy.LOW), grey(counts, energy=Energy.HIGH))
    shot = shot_of(views(pair)[0])
    assert [p.energy for p in shot.pictures()] == [Energy.LOW, Energy.HIGH]
    colours = np.zeros((40, 50, 3), np.uint8)
    colours[10:30, 10:40] = 200
    dark = shot_of((grey(colours, polarity=Polarity.AIR_LOW),))
    assert dark.inverted
    (again,) = dark.pictures()
    assert np.array_equal(np.frombuffer(again.data, np.uint8).reshape(40, 50, 3), colours)
    with pytest.raises(ModelError, match="differ in size"):
        shot_of((pair[0], replace(pair[1], rows=20, data=pair[1].data[: 20 * 50 * 2])))
