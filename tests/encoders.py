"""A small encoder and its tokenizer on disk, as one of Hugging Face's hub would be; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from fedgraft.common.kinds.text_source import CONFIG, TOKENIZER, Source

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "no", "pleural", "effusion", "heart", "size", "normal", "pain", ".")


def tokenizer_json() -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    made.enable_truncation(4)  # as all-MiniLM-L6-v2's file has it: windows must not be cut by it
    made.enable_padding(length=4)
    return str(made.to_str())


def write_encoder(folder: Path) -> Path:
    """A BERT of two layers of 8 numbers, for windows of up to 16 tokens."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    torch.manual_seed(0)
    model = BertModel(config, add_pooling_layer=False)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    return folder


def words_of_encoder(encoder: Path) -> tuple[str, ...]:
    """The words of a plan with that encoder, in windows of 8 tokens that share 2, 3 at most."""
    digest = Source("", {name: encoder / name for name in (CONFIG, TOKENIZER)}).digest
    cut = ("backbone.length=8", "backbone.overlap=2", "backbone.windows=3", "loss.weights=none", "data.image_size=null")
    return ("input=text", "backbone=transformer", f"backbone.weights={encoder}", f"backbone.digest={digest}", *cut)
