"""The tokenizer that goes with a model: the one of its folder, or one made to fit."""

SENTENCES = (
    "the quick brown fox jumps over the lazy dog",
    "a small test shows what a large run would do",
    "four sentences are enough for an adapter to learn",
    "nothing is downloaded and nothing leaves this folder",
)


def make_tokenizer(stack, words, length=128):
    """A word-level tokenizer; nothing is downloaded.

    Args:
        stack: The libraries.
        words: The words that it shall know; all others are `<unk>`.
        length: The longest sequence, in tokens.

    Returns:
        A PreTrainedTokenizerFast with the ids 0 `<pad>`, 1 `<s>`, 2 `</s>`, 3 `<unk>`, then the words.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: index for index, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *sorted(set(words))])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    return stack.transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=length,
    )
