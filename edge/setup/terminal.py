"""Questions and answers on a terminal: arrow keys and Enter, a default for each, a bar for what takes its time."""

from __future__ import annotations

import sys
import termios
import textwrap
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.shortcuts import prompt
from prompt_toolkit.shortcuts.choice_input import ChoiceInput
from prompt_toolkit.styles import Style
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from edge.cli.output import one_line

T = TypeVar("T")

_STYLE = Style.from_dict({"question": "bold", "selected-option": "reverse", "bottom-toolbar": "noreverse"})
#: What stands before an option: the pointer and its number.
_BEFORE_OPTION = 12
_HELP = "  arrow keys: choose   Enter: take it   Ctrl-C: stop"
_HELP_TEXT = "  Enter: take it   typing: another in its place   arrow keys: change it   Ctrl-C: stop"

Progressed = Callable[[float, str], None]


class Terminal:
    """One dialogue on this process's terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str = "") -> None:
        """Print a text; what strangers sent cannot steer the terminal."""
        indent = text[: len(text) - len(text.lstrip())]
        self._wrapped(indent, text.strip(), indent)

    def well(self, text: str) -> None:
        """Print that something is well."""
        self._wrapped("  [green]ok[/green]  ", text, "      ")

    def doubt(self, text: str, mend: str | None = None) -> None:
        """Print that something is doubtful, and what to do."""
        self._wrapped("  [yellow]note[/yellow]  ", text, "        ")
        self._mend(mend)

    def fault(self, text: str, mend: str | None = None) -> None:
        """Print that something is at fault, and what mends it."""
        self._wrapped("  [red]fail[/red]  ", text, "        ")
        self._mend(mend)

    def _mend(self, mend: str | None) -> None:
        if mend:
            self._wrapped("        try: ", mend, "             ")

    def _wrapped(self, first: str, text: str, later: str) -> None:
        """Print a text between words, every line but the first behind `later`; `first` may have markup."""
        room = max(self._console.width - len(later) - 1, 20)
        lines = textwrap.wrap(one_line(text), room, break_long_words=False, break_on_hyphens=False) or [""]
        self._console.print(first + escape(lines[0]), soft_wrap=True)
        for line in lines[1:]:
            self._console.print(later + escape(line), soft_wrap=True)

    def choose(self, question: str, options: Sequence[tuple[T, str]], default: T | None = None) -> T:
        """Return the option chosen. Raises KeyboardInterrupt on Ctrl-C."""
        room = self._console.width - _BEFORE_OPTION
        shown = [(number, _cut(one_line(label), room)) for number, (_, label) in enumerate(options)]
        values = [value for value, _ in options]
        asked = ChoiceInput(
            message=FormattedText([("class:question", question)]),
            options=shown,
            default=values.index(default) if default in values else 0,
            style=_STYLE,
            bottom_toolbar=_HELP,
            show_numbers=values != [True, False],
            key_bindings=_yes_or_no() if values == [True, False] else None,
        )
        chosen = asked.prompt()
        self.say(f"  > {shown[chosen][1]}")
        return values[chosen]

    def confirm(self, question: str, default: bool = True) -> bool:
        """Return whether yes was chosen."""
        return self.choose(question, [(True, "yes"), (False, "no")], default)

    def text(
        self,
        question: str,
        default: str = "",
        wrong: Callable[[str], str | None] | None = None,
        better: Callable[[str], str] = str,
        begun: bool = False,
    ) -> str:
        """Return what was typed; asked again, with what is the matter, as long as `wrong` finds something.

        Typing takes the default's place, unless that is only `begun`. `better` makes a proposal of what was wrong.
        """
        while True:
            label = FormattedText([("class:question", f"{question}: ")])
            keys = None if begun else _replacing(default)
            hint = _HELP_TEXT if default and not begun else None
            typed = str(prompt(label, default=default, style=_STYLE, key_bindings=keys, bottom_toolbar=hint)).strip()
            problem = wrong(typed) if wrong else None
            if problem is None:
                return typed
            self.fault(problem)
            default = better(typed) or typed

    def secret(self, question: str) -> str:
        """Return what was typed, which is not shown."""
        return str(prompt(FormattedText([("class:question", f"{question}: ")]), is_password=True, style=_STYLE))

    def watched(self, question: str, shown: Callable[[], list[str]]) -> None:
        """Wait for Enter while lines below say what is seen meanwhile."""
        prompt(
            FormattedText([("class:question", question)]),
            bottom_toolbar=lambda: "\n".join(" " + one_line(line) for line in shown()),
            refresh_interval=0.3,
            style=_STYLE,
        )

    @contextmanager
    def progress(self, title: str) -> Iterator[Progressed]:
        """Show a bar; yields what sets the share that is done and what is under way."""
        columns = (TextColumn("  {task.fields[title]}"), BarColumn(24), TextColumn("{task.description}"))
        with _deaf(), Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task("", total=1.0, title=_plain(title))
            yield lambda done, says: bar.update(task, completed=done, description=_plain(says))


@contextmanager
def _deaf() -> Iterator[None]:
    """Throw away what is typed meanwhile: an impatient Enter would answer the question that comes next."""
    if not sys.stdin.isatty():
        yield
        return
    line = sys.stdin.fileno()
    before = termios.tcgetattr(line)
    quiet = [*before]
    quiet[tty.LFLAG] &= ~termios.ECHO  # an echoed Enter would tear the bar
    termios.tcsetattr(line, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(line, termios.TCSAFLUSH, before)


def _replacing(default: str) -> KeyBindings:
    """Return the keys by which what is typed or pasted takes the place of a default that nobody has touched."""
    keys, touched = KeyBindings(), not default

    def untouched() -> bool:
        nonlocal touched
        buffer = get_app().current_buffer
        touched = touched or buffer.text != default or buffer.cursor_position != len(default)
        return not touched

    @keys.add(Keys.Any, filter=Condition(untouched))
    @keys.add(Keys.BracketedPaste, filter=Condition(untouched))
    def _(event: KeyPressEvent) -> None:
        nonlocal touched
        touched = True
        event.current_buffer.text = ""
        event.current_buffer.insert_text(one_line(event.data))

    return keys


def _yes_or_no() -> KeyBindings:
    """Return the keys by which the first of two options is yes, and the second no."""
    keys = KeyBindings()
    for number, key in enumerate("yn"):
        keys.add(key)(lambda event, number=number: event.app.exit(result=number))
    return keys


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 3].rstrip() + "..."


def _plain(text: str) -> str:
    """Return text without control characters and without markup."""
    return escape(one_line(text))


def is_there() -> bool:
    """Say whether there is a terminal to ask on, both ways."""
    return sys.stdin.isatty() and sys.stdout.isatty()
