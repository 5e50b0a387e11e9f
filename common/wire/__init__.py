"""The records that coordinator and sites exchange: packing, unpacking and checking."""
