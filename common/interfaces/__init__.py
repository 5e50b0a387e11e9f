"""What a part of each kind must be: one protocol a file. Imports nothing but errors."""
