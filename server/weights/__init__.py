"""Commands that export trained backbones and make heads from image-text models."""
