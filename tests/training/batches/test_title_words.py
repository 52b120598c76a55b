"""What the words of titles say."""

from training.batches.title_words import TitleWords, is_code, words_of


def test_words_have_no_signs_around_them_and_no_repeats() -> None:
    assert words_of('LED-Lamp | 60W (warm), for the Lamp 24" ₹18,999') == [
        "led-lamp",
        "60w",
        "warm",
        "lamp",
        '24"',
        "18,999",
    ]
    assert words_of("  | & ") == []


def test_codes_have_letters_and_digits() -> None:
    assert [word for word in ("wh-1000xm5", "60w", "2024", "shirt", "x15z", "usb-c", "ab/12") if is_code(word)] == [
        "wh-1000xm5",
        "x15z",
        "ab/12",
    ]


def test_the_word_that_says_most_of_the_category_is_the_kind_of_a_product() -> None:
    titles = [
        [brand, colour, kind] for kind in ("mug", "lamp") for brand in ("oak", "elm") for colour in ("red", "blue")
    ]
    categories = [words[2] + "s" for words in titles]
    words = TitleWords.of([*titles, ["oak", "sahara", "mug"]], [*categories, "mugs"])
    assert words.titles["oak"] == 5
    assert words.kind(["oak", "red", "mug"]) == "mug" and words.kind(["blue", "lamp", "elm"]) == "lamp"
    assert words.kind(["oak", "sahara", "mug"]) == "mug"  # a word of one title is a name
    assert words.kind(["unknown"]) is None
    assert TitleWords.of(titles, [None] * len(titles)).kind(["mug"]) is None
