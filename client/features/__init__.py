"""The frozen part of the network, computed once per case and kept."""
