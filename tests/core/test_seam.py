"""Where the text of a continuation joins: for any text, cut, split into deltas and way of misbehaving."""

import random

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from seawall.seam import Diverged, Seam
from seawall_testkit.continuation import Misbehaviour, go_on, last_words
from seawall_testkit.prose import prose

deterministic = settings(
    derandomize=True, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
REPEATING = (Misbehaviour.REPEAT, Misbehaviour.PREAMBLE, Misbehaviour.WHITESPACE)
SEEDS = 150
FOX = "The quick brown fox jumps over the lazy dog, and nobody at the farm had seen it come."


def joined(delivered, deltas):
    """All that a caller has once `deltas` went through the seam."""
    seam = Seam(delivered)
    return "".join([delivered, *(seam.feed(delta) for delta in deltas), seam.flush()])


def outcome(delivered, deltas):
    try:
        return joined(delivered, deltas)
    except Diverged:
        return Diverged


def split(text, rng):
    while text:
        size = rng.choice([1, 1, 2, 4, 8, 50])
        yield text[:size]
        text = text[size:]


def continuation(whole, delivered, misbehaviour, words, rng):
    """What a model says that was shown `delivered` without the white space at its end."""
    blocks = go_on([{"type": "text", "text": whole}], delivered.rstrip(), misbehaviour, words, rng)
    return "".join(block["text"] for block in blocks)


def loose(text):
    return " ".join(text.split())


def is_enough(words):
    return len(words) >= 12 or len(words.split()) >= 3


def repeats_itself(words):
    return any(words[period:] == words[:-period] for period in range(1, len(words) // 2 + 1))


def seems_to_repeat(delivered, rest):
    """Whether `rest`, which goes on exactly, begins as if it repeated a part of `delivered`."""
    tail, start = loose(delivered), loose(rest)
    ends = (tail[-length:] for length in range(1, len(tail) + 1))
    first_line, _, after = rest.partition("\n")
    lines = [start, loose(after)] if first_line.rstrip()[-1:] in (":", ".", "\uff1a", "\u3002") else [start]
    return any(
        line.startswith(end) and (is_enough(end) or end == tail) for end in ends for line in lines
    ) or rest.startswith(delivered[:40])


words = st.sampled_from(
    ["a", "the", "I", "An", "fox", "Fox,", "10", "x = 1", "e\u0301tude", "\U0001f469\u200d\U0001f467"]
)
alphabets = st.sampled_from(["ab", "ab \n", "|- 1\n", "  {}\n;", "\u4e2d\u6587\u3002\uff0c", "aA. :\n"])
dense = st.builds(
    "".join,
    st.lists(st.one_of(words, alphabets.flatmap(lambda letters: st.text(letters, max_size=20))), max_size=15),
)
written = st.builds(
    lambda seed, tokens: prose(random.Random(seed), tokens), st.integers(0, 999), st.integers(20, 150)
)
texts = st.one_of(written, dense, st.tuples(written, dense).map("".join))


@st.composite
def cut_texts(draw):
    whole = draw(texts)
    assume(whole.strip())
    return whole, whole[: draw(st.integers(1, len(whole)))], random.Random(draw(st.integers(0, 999)))


@deterministic
@given(cut_texts())
def test_a_continuation_that_goes_on_exactly_gives_the_whole_text(cut):
    whole, delivered, rng = cut
    rest = whole[len(delivered.rstrip()) :]
    assume(not seems_to_repeat(delivered, rest))
    assert joined(delivered, split(rest, rng)) == whole


@deterministic
@given(cut_texts(), st.sampled_from(REPEATING), st.integers(3, 40))
def test_a_continuation_that_repeats_the_last_words_gives_the_whole_text(cut, misbehaviour, count):
    whole, delivered, rng = cut
    repeated = loose(last_words(delivered.rstrip(), count))
    # words that came before, or come again, do not tell where the repetition ends
    assume(is_enough(repeated) and loose(whole).count(repeated) == 1 and not repeats_itself(repeated))
    said = continuation(whole, delivered, misbehaviour, count, rng)
    # the model has nothing to say when the text is whole
    assume(said)
    assert joined(delivered, split(said, rng)) == whole


@deterministic
@given(cut_texts())
def test_a_continuation_that_starts_over_gives_the_whole_text(cut):
    whole, delivered, rng = cut
    repeated = loose(delivered)
    assume(is_enough(repeated) and loose(whole).count(repeated) == 1 and not repeats_itself(repeated))
    assert joined(delivered, split(whole, rng)) == whole


@deterministic
@given(cut_texts(), st.integers(40, 200), st.sampled_from([FOX, "0", "\u4e2d\u6587"]))
def test_a_start_over_that_becomes_a_different_answer_is_noticed_before_a_word_of_it_is_delivered(
    cut, agreed, other
):
    _, delivered, rng = cut
    assume(agreed < len(delivered.rstrip()) and delivered[agreed] != other[0])
    start = delivered[:agreed]
    assume(len(set(start.split())) > 3 and loose(delivered).count(loose(start)[:40]) == 1)
    seam = Seam(delivered)
    got = []
    with pytest.raises(Diverged):
        got.extend(map(seam.feed, split(start + other * 200, rng)))
    assert "".join(got) == ""


@deterministic
@given(cut_texts())
def test_an_empty_continuation_adds_nothing(cut):
    _, delivered, _ = cut
    assert joined(delivered, []) == joined(delivered, [""]) == delivered


@st.composite
def said_anyhow(draw):
    """A delivered text and a continuation of any pieces: of the text, preambles, white space, other words."""
    delivered = draw(texts)
    part = st.tuples(st.integers(0, len(delivered)), st.integers(0, 60)).map(
        lambda at: delivered[at[0] :][: at[1]]
    )
    end = st.integers(0, 60).map(lambda size: delivered[len(delivered) - size :])
    other = st.sampled_from(["Here it goes on:\n\n", "Here.\n", "\n", " ", "  \n", FOX, FOX.lower()])
    return delivered, "".join(draw(st.lists(st.one_of(part, end, other, words), max_size=5)))


@deterministic
@given(said_anyhow(), st.integers(0, 999))
def test_how_a_continuation_is_split_into_deltas_changes_nothing(said, seed):
    delivered, text = said
    assert (
        outcome(delivered, split(text, random.Random(seed)))
        == outcome(delivered, [text])
        == outcome(delivered, text)
    )


@pytest.mark.parametrize("misbehaviour", [*REPEATING, Misbehaviour.EXACT, Misbehaviour.START_OVER])
def test_a_hard_text_is_joined_wherever_it_is_cut(misbehaviour):
    for seed in range(SEEDS):
        rng = random.Random(seed)
        whole = prose(rng, rng.choice([40, 150, 400]))
        delivered = whole[: rng.randrange(1, len(whole))]
        said = continuation(whole, delivered, misbehaviour, rng.randint(3, 30), rng)
        assert joined(delivered, split(said, rng)) == whole, f"seed {seed}"


# -- what the rules are, one by one


@pytest.mark.parametrize(
    ("delivered", "said", "expected"),
    [
        ("one two three ", " four", "one two three four"),
        ("one two three", " four", "one two three four"),
        ("one two thr", "ee four", "one two three four"),
        ("one two three\n", "\n\nfour", "one two three\n\nfour"),
        ("one two three\n\n", "\nfour", "one two three\n\nfour"),
        ("one two three\n", "four", "one two three\nfour"),
        ("  ", "  one", "  one"),
        ("", "  one", "  one"),
        ("e", "\u0301tude", "e\u0301tude"),
        ("\U0001f469\u200d", "\U0001f467", "\U0001f469\u200d\U0001f467"),
    ],
)
def test_white_space_that_the_model_was_not_shown_is_not_doubled(delivered, said, expected):
    assert joined(delivered, [said]) == joined(delivered, said) == expected


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ("fox jumps over the lazy cat", " cat"),
        ("\n\nfox\njumps   over the\nlazy cat", " cat"),
        ("over the lazy cat", " cat"),
        ("I go on with what I said:\n\njumps over the lazy cat", " cat"),
        ("I go on with what I said.\njumps over the lazy cat", " cat"),
        ("\u6211\u7ee7\u7eed\uff1a\njumps over the lazy cat", " cat"),
        ("The quick brown fox jumps over the lazy cat", " cat"),
        ("Here is all of it:\n\nThe quick brown fox jumps over the lazy cat", " cat"),
    ],
)
def test_what_was_delivered_is_cut_from_the_continuation(said, rest):
    delivered = "The quick brown fox jumps over the lazy"
    assert joined(delivered, [said]) == joined(delivered, said) == delivered + rest


@pytest.mark.parametrize(
    ("repeated", "is_cut"), [("a b c", True), ("b c", False), ("abcdefghijkl", True), ("abcdefghijk", False)]
)
def test_three_words_or_twelve_letters_are_a_repetition(repeated, is_cut):
    assert joined(f"It is so: {repeated}:", [f"{repeated}:so."]).count(repeated) == (1 if is_cut else 2)


@pytest.mark.parametrize(
    ("delivered", "said", "expected"),
    [
        ("over the lazy", "lazy dog", "over the lazy dog"),
        ("over the la", "lazy dog", "over the lazy dog"),
        ("over th", "the lazy dog", "over the lazy dog"),
        ("over the lazy ", "lazy dog", "over the lazy dog"),
        ("He was lazy.", "lazy. Then he ran.", "He was lazy. Then he ran."),
        ('{"name": "sea', '"seawall"}', '{"name": "seawall"}'),
    ],
)
def test_a_word_that_would_stick_to_the_one_before_is_a_repetition(delivered, said, expected):
    assert joined(delivered, [said]) == joined(delivered, said) == expected


@pytest.mark.parametrize(
    ("delivered", "said"),
    [
        ("x = datetime.", "datetime.now()"),
        ("a row of 10", "1010"),
        ("ten and bana", "na"),
        ("It is an a", "ardvark"),
        ("the long, long", " long, long way"),
        ("\u6211\u8981\u8003\u8651", "\u8003\u8651\u4e00\u4e0b"),
    ],
)
def test_exact_text_that_repeats_a_little_is_text(delivered, said):
    assert joined(delivered, [said]) == joined(delivered, said) == delivered + said


@pytest.mark.parametrize(
    ("repeated", "is_cut"), [("\u7814\u7a76\u65b9\u6cd5", True), ("\u65b9\u6cd5", False)]
)
def test_four_ideographs_are_a_repetition(repeated, is_cut):
    delivered = f"\u6211\u4eec\u7684{repeated}"
    expected = delivered + ("" if is_cut else repeated) + "\u5f88\u65b0\u3002"
    assert joined(delivered, [f"{repeated}\u5f88\u65b0\u3002"]) == expected


@pytest.mark.parametrize(
    "announcement",
    [
        "Continuing from where I left off:",
        "Here is the rest of my previous response.",
        "Weiter geht es an der Stelle, an der ich unterbrochen wurde:",
        "\u7d9a\u304d\u304b\u3089\u66f8\u304d\u307e\u3059\u3002",
        "\u0627\u0644\u062a\u062a\u0645\u0629:",
        "\u0906\u0917\u0947 \u0932\u093f\u0916\u0924\u093e \u0939\u0942\u0901\u0964",
        "\u0406\u0434\u0435\u043c\u043e \u0434\u0430\u043b\u0456:",
    ],
)
def test_an_announcement_is_cut_though_nothing_is_repeated_after_it(announcement):
    seam = Seam(FOX[:36])
    said = f"{announcement}\n\n{FOX[36:]}"
    assert FOX[:36] + seam.feed(said) + seam.flush() == FOX
    assert (seam.decision, seam.overlap) == ("preamble", len(announcement) + 2)


@pytest.mark.parametrize(
    ("delivered", "said"),
    [
        ("It means hello:\n\n", "\u4f60\u597d\u4e16\u754c\u3002\n\nSo it is."),
        ("It means hello:", "\n\n\u4f60\u597d\u4e16\u754c\u3002\n\nSo it is."),
        ("It is good. ", "Continuous integration is good.\n\nSo it is."),
        ("\u6211\u4eec", "\u7ee7\u7eed\u52aa\u529b\u3002\n\n\u660e\u5929\u89c1\u3002"),
    ],
)
def test_a_first_line_that_may_belong_to_the_text_is_text(delivered, said):
    assert joined(delivered, [said]) == delivered + said.removeprefix(delivered[len(delivered.rstrip()) :])


def test_code_that_is_said_again_with_another_indentation_is_another_line():
    delivered = "        return self.value or other\n"
    assert joined(delivered, ["\n    return self.value or other\n"]) == (
        delivered + "    return self.value or other\n"
    )


def test_half_a_character_is_completed_whatever_is_repeated():
    delivered = "We had some cafe"
    assert joined(delivered, ["\u0301 au lait"]) == delivered + "\u0301 au lait"
    assert joined(delivered, ["some cafe\u0301 au lait"]) == delivered + "\u0301 au lait"
    half = "a \U0001f469\u200d"
    assert joined(half, ["\U0001f469\u200d\U0001f467"]) == half + "\U0001f469\u200d\U0001f467"


def test_a_start_over_in_mid_word_is_noticed_after_twenty_characters():
    assert outcome(FOX[:50], [FOX[:20] + "_"]) is Diverged
    assert outcome(FOX[:50], [FOX[:19] + "_"]) == FOX[:50] + FOX[:19] + "_"


@pytest.mark.parametrize(("agreed", "is_noticed"), [(40, True), (39, False)])
def test_forty_characters_of_the_beginning_are_a_start_over(agreed, is_noticed):
    said = FOX[:agreed] + "_"
    assert outcome(FOX, [said]) == (Diverged if is_noticed else FOX + said)


def test_a_long_repetition_is_held_until_it_ends():
    delivered = prose(random.Random(1), 900)
    said = delivered[-3000:] + " end"
    assert joined(delivered, said) == delivered + " end"


def test_a_start_over_of_any_length_is_cut():
    delivered = prose(random.Random(1), 30_000)
    assert joined(delivered, split(delivered + " end", random.Random(2))) == delivered + " end"


def test_a_start_over_that_ends_before_it_comes_to_anything_new_is_a_different_answer():
    delivered = prose(random.Random(1), 3000)
    for length in (60, 6000):
        with pytest.raises(Diverged):
            joined(delivered, [delivered[:length]])


def test_an_answer_that_is_said_again_to_the_last_character_adds_nothing():
    assert joined(FOX, [FOX]) == FOX


def test_an_exact_continuation_in_mid_sentence_is_passed_on_within_a_few_characters():
    seam = Seam(FOX[:40])
    passed = [seam.feed(character) for character in FOX[40:]]
    assert "".join(passed[:10]) == FOX[40:50]
    assert passed[10:] == list(FOX[50:])


def test_no_more_than_a_preamble_of_new_text_is_held_back():
    seam = Seam(FOX)
    said = "W" + "hy not " * 40
    passed = [seam.feed(character) for character in said]
    assert "".join(passed[:199]) == ""
    assert "".join(passed[:200]) == said[:200]


# -- what looks alike: how it is decided


@pytest.mark.parametrize(
    ("delivered", "said"),
    [
        ("    if a:\n        b()\n    }\n", "}\n"),
        ("items:\n- a\n", "\n- a\n"),
        ("She said no, ", " no, never."),
        ("| 1 | 1 |\n", "\n| 1 | 2 |\n"),
        ("text\n\n#", "# Heading\n"),
        ("text\n\n`", "``python\n"),
    ],
    ids=repr,
)
def test_fewer_than_three_words_and_twelve_characters_are_text(delivered, said):
    assert joined(delivered, [said]) == delivered + said.removeprefix(
        "\n" if delivered.endswith("\n") else " "
    )


@pytest.mark.parametrize(
    ("delivered", "said"),
    [
        ("0, " * 20, " " + "0, " * 20),
        ("-" * 40, "-" * 40),
        ("A\n" + "=" * 30, "=" * 30),
        ("| 0.1 | 0.2 |\n" * 3, "\n" + "| 0.1 | 0.2 |\n" * 3),
        ("x = 1\n  }\n  }\n" * 2, "\n" + "x = 1\n  }\n  }\n"),
        ("na na na na", " na na na na hey"),
        ("0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1"),
    ],
    ids=repr,
)
def test_a_text_that_repeats_itself_already_may_go_on_doing_so(delivered, said):
    white = len(delivered) - len(delivered.rstrip())
    assert joined(delivered, [said]) == joined(delivered, said) == delivered + said[white:]


def test_a_line_that_only_begins_like_the_one_before_is_not_taken_for_it():
    delivered = "| first | 2026-01-01 |\n"
    assert joined(delivered, ["\n| 2026-01-01 | x |"]) == "| first | 2026-01-01 |\n| 2026-01-01 | x |"


def test_the_first_line_of_new_code_is_no_preamble():
    delivered = "def test_a():\n    assert run(first, second)\n\n\n"
    said = "\n\n\ndef test_b():\n    assert run(first, second) is None\n"
    assert joined(delivered, [said]) == delivered + said[3:]
    assert joined("elif name.startswith(", ["'a'):\nelif name.startswith('b'):"]).count("'a'") == 1


def test_text_that_says_its_last_words_twice_is_taken_for_a_repetition():
    # exactly so begins a continuation that repeats them; nobody can tell
    delivered = "I have said it, and I say it again: never again."
    assert joined(delivered, [" I say it again: never again. Never."]) == delivered + " Never."


def test_a_line_that_begins_like_the_first_one_and_others_is_no_start_over():
    lines = [f'{{"time": "2026-01-01T00:00:{second:02}", "level": "info"}}\n' for second in (10, 11, 23, 15)]
    assert joined("".join(lines[:3]), [lines[3]]) == "".join(lines)


def test_a_preamble_without_a_repetition_is_text():
    assert joined(FOX, ["I go on:\n\nIt ran."]) == FOX + "I go on:\n\nIt ran."


def test_a_different_answer_that_begins_with_all_that_was_delivered_goes_on_with_it():
    assert joined(FOX, [FOX + " Then it slept."]) == FOX + " Then it slept."


def test_a_different_answer_with_nothing_in_common_cannot_be_told_from_a_continuation():
    assert joined(FOX, [" Let me tell you of cats."]) == FOX + " Let me tell you of cats."


@pytest.mark.parametrize(("delivered", "said"), [("K", "Klirn"), ("Da", "Das"), ("\u6211", "\u6211\u4eec")])
def test_a_capital_or_ideograph_that_is_all_there_is_may_be_said_again(delivered, said):
    assert joined(delivered, [said]) == said


@pytest.mark.parametrize(("delivered", "said"), [("1", "1 apples"), ("#", "# Title"), ("a", "ardvark")])
def test_another_character_that_is_all_there_is_is_not_said_again(delivered, said):
    assert joined(delivered, [said]) == delivered + said
