"""The catalogues say the same things, and every text that the page asks for is there."""

import json
import re
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest

from simulators.console import ask
from simulators.console.codes import LISTS
from simulators.console.texts import Texts, chosen, languages


def catalogue(language: str) -> dict[str, str]:
    pairs = json.loads(
        files("simulators.console.texts").joinpath(f"{language}.json").read_text("utf-8"), object_pairs_hook=list
    )
    assert len({key for key, _ in pairs}) == len(pairs), "a key stands twice"
    return dict(pairs)


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_the_task_forces_languages_are_there() -> None:
    assert languages() == ("en", "es", "fr", "pt")


@pytest.mark.parametrize("language", languages())
def test_a_catalogue_has_the_same_keys_and_values_to_fill_in(language: str) -> None:
    english, other = catalogue("en"), catalogue(language)
    assert list(other) == list(english)
    assert {key: names(text) for key, text in other.items()} == {key: names(text) for key, text in english.items()}
    assert all(text.strip() == text and text for text in other.values())


def test_every_key_a_template_names_is_in_the_catalogue_and_none_is_idle() -> None:
    page = files("simulators.console.page")
    templates = "".join(each.read_text("utf-8") for each in page.iterdir() if each.name.endswith(".html"))
    asked = set(re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", templates))
    asked |= set(re.findall(r"""\brow\(["']([\w.]+)["'],""", templates))
    families = tuple(re.findall(r"""["']([\w.]+\.)["'] ~""", templates))
    families += (*(f"{name}." for name in LISTS), *(f"ask.{name}" for name in LISTS), "refused.", "handover.")
    english = catalogue("en")
    assert asked <= set(english)
    chosen_by_condition = {"since", "since_before"}
    idle = {
        key for key in english if key not in asked | chosen_by_condition and not key.startswith((*families, "unit."))
    }
    assert idle == set()


def test_every_code_and_every_refusal_has_a_text() -> None:
    english = catalogue("en")
    assert {f"{name}.{code}" for name, codes in LISTS.items() for code in codes} <= set(english)
    reasons = re.findall(r'"(refused\.\w+)"', Path(ask.__file__).read_text())
    assert {key for key in english if key.startswith("refused.")} == set(reasons)
    assert {f"command.{name}" for name in (*ask.PLAIN_COMMANDS, *ask.DEVICE_COMMANDS)} <= set(english)


def test_the_codes_are_the_contracts() -> None:
    schema = json.loads(Path("docs/contract/schemas/disposition.json").read_text())
    for name, codes in LISTS.items():
        said = schema["properties"][name]
        listed = said.get("enum") or next(each["enum"] for each in said["anyOf"] if "enum" in each)
        assert sorted(codes) == sorted(listed), name


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr-TG,fr;q=0.9,en;q=0.8", "fr"),
        ("de,es;q=0.5,pt;q=0.7", "pt"),
        ("de-DE", "en"),
        ("fr;q=0", "en"),
        ("fr;q=x, es", "es"),
        (";;,=;q", "en"),
    ],
)
def test_the_readers_language(header: str, language: str) -> None:
    assert chosen(header) == language


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        *((0, "0 ms"), (340, "340 ms"), (1300, "1.3 s"), (48_000, "48 s"), (300_000, "5 min"), (-1300, "1.3 s")),
        *((10_800_000, "3 h"), (12 * 86_400_000, "12 d")),
    ],
)
def test_durations(ms: int, text: str) -> None:
    assert Texts("en").duration(ms) == text
