"""Make a tiny Llama with random weights and a tokenizer for it: `make_model.py DIRECTORY`.

What it says is nonsense; the tokens, their timing and the server's dialect are real, and nothing is downloaded.
"""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.logging import disable_progress_bar

CONTEXT_TOKENS = 4096
SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
SENTENCES = [
    "A turnstone is a small wading bird that turns over stones to find what lives below them.",
    "The tide came in over the flat stones, and the birds moved up the beach together.",
    "Count the birds on the shore: one, two, three, four, five, six, seven, eight, nine, ten.",
    "What did you ask me before? I asked you to count all the stones, and you began again.",
    "Über den Wellen fliegen dreißig Vögel, und niemand zählt sie.",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, so that one character may span several tokens, as in real models."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>", chat_template=CHAT_TEMPLATE
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Small enough to be made in a second, and slow enough that an answer can be cancelled in its middle."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=8,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=True, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model


def main(directory: Path) -> None:
    """Write both where `transformers serve` finds them."""
    disable_progress_bar()
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(directory)
    model = make_model(tokenizer)
    model.save_pretrained(directory)
    print(f"made {directory.name}: {model.num_parameters():,} random weights, {len(tokenizer)} tokens")


main(Path(sys.argv[1]))
