from training.model.tokenizer import END, PAD_ID, START, train_tokenizer

TEXTS = ["Red striped mug", "blue mug", "women's summer dress, size 38", "crème brûlée dish"] * 3


def test_sequences_begin_with_start_and_end_with_end_where_asked() -> None:
    with_end = train_tokenizer(TEXTS, 300, with_end=True)
    without = train_tokenizer(TEXTS, 300, with_end=False)
    assert with_end.encode("blue mug").tokens[0] == without.encode("blue mug").tokens[0] == START
    assert with_end.encode("blue mug").tokens[-1] == END
    assert END not in without.encode("blue mug").tokens


def test_the_end_token_has_the_highest_id_as_clip_needs() -> None:
    tokenizer = train_tokenizer(TEXTS, 300, with_end=True)
    assert tokenizer.token_to_id(END) == tokenizer.get_vocab_size() - 1
    assert max(tokenizer.encode("red striped mug").ids) == tokenizer.token_to_id(END)


def test_case_and_accents_make_no_difference_and_unknown_signs_do_not_stop_it() -> None:
    tokenizer = train_tokenizer(TEXTS, 300, with_end=False)
    assert tokenizer.encode("RED Creme brulee").ids == tokenizer.encode("red crème brûlée").ids
    assert tokenizer.encode("\u732b").tokens == [START, "[UNK]"]
    assert tokenizer.encode("").tokens == [START]


def test_vocabulary_stays_within_its_size_and_padding_is_no_word() -> None:
    many = [f"word{number} of many" for number in range(2000)]
    tokenizer = train_tokenizer(many, 300, with_end=True)
    assert tokenizer.get_vocab_size() <= 300
    assert tokenizer.id_to_token(PAD_ID) == "[PAD]"
    assert PAD_ID not in tokenizer.encode("word17 of many").ids


def test_pieces_of_words_are_learned() -> None:
    tokenizer = train_tokenizer(TEXTS, 300, with_end=False)
    assert tokenizer.encode("striped mug").tokens == [START, "striped", "mug"]
    assert tokenizer.encode("##a").tokens[:3] == [START, "[UNK]", "[UNK]"]  # written by a shopper, no piece


def test_the_same_texts_give_the_same_tokenizer() -> None:
    words = [f"{first}{second} {second}ing" for first in "abcdefghij" for second in ("ol", "up", "ray", "ent", "ium")]
    assert len({train_tokenizer(words, 150, with_end=True).to_str() for _ in range(5)}) == 1
