"""Sites in a process of their own: they answer a coordinator over a pipe, check the first site, and say what they have
imported.

``sites.py PIPE SITE_FILE...``: a file descriptor, and a ``site.yaml`` for each node, the first for the first one.
"""

from __future__ import annotations

import json
import sys
from multiprocessing.connection import Connection

from flwr.app import Context, RecordDict
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as Parcel

from fedgraft.client import cli
from fedgraft.client.app.client_app import app

FIRST_NODE = 2


def main(pipe: str, *site_files: str) -> None:
    theirs = Connection(int(pipe))
    while parcel := theirs.recv_bytes():
        message = message_from_proto(Parcel.FromString(parcel))
        node = message.metadata.dst_node_id
        config = {"site-file": site_files[node - FIRST_NODE]}
        reply = app(message, Context(1, node, config, RecordDict(), {}))
        theirs.send_bytes(message_to_proto(reply).SerializeToString())
    assert cli.main(["check", "--site", site_files[0], "--no-page"]) in (0, 1)
    print(json.dumps(sorted(sys.modules)))


if __name__ == "__main__":
    main(*sys.argv[1:])
