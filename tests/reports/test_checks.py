"""The short form of a warning: a sentence, or as much of it as two lines hold."""

from scaling_cli.reports._checks import LONGEST, first_sentence


def test_a_short_sentence_stays_whole() -> None:
    assert first_sentence("Few runs. Add some.") == "Few runs."
    assert first_sentence("few runs") == "few runs"


def test_a_long_sentence_is_cut_between_words_and_before_an_open_bracket() -> None:
    words = "points repeat each other exactly, "
    long = words * (LONGEST // len(words) + 1)
    cut = first_sentence(long)
    assert cut.endswith(" ... (--full)")
    assert long.startswith(cut.removesuffix(" ... (--full)") + " ")
    listed = f"3 points repeat ({', '.join(f'run-{i}' for i in range(LONGEST))})"
    assert first_sentence(listed) == "3 points repeat ... (--full)"
    closed = f"3 points (of 9) repeat {words * LONGEST}"
    assert first_sentence(closed).startswith("3 points (of 9) repeat points")
