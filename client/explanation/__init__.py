"""What a prediction rests on: a map over an image, or contributions by column, as a picture of each case."""
