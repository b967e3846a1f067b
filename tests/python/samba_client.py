"""Bind and call with Samba's RPC client, which negotiates bind-time features by itself.

usage: samba_client.py HOST PORT PAYLOAD_FILE

PAYLOAD_FILE holds a KMS request without its stub. Prints a JSON object: for each way of talking,
the transfer syntax, the payload of two answers in hexadecimal and the status of each refusal.
"""

import json
import struct
import sys

from samba import NTSTATUSError
from samba.credentials import Credentials
from samba.dcerpc import ClientConnection
from samba.param import LoadParm

INTERFACE = "51c82175-844e-4750-b0d8-ec255555bc06"
UNKNOWN_INTERFACE = "12345778-1234-abcd-ef00-0123456789ab"

# Options of Samba's binding strings, and the layout of a request stub's two sizes.
WAYS = {
    "ndr32": ("", "<II"),
    "ndr32 big-endian": (",bigendian", ">II"),
    "ndr64": (",ndr64", "<I4xQ"),
    "ndr64 big-endian": (",ndr64,bigendian", ">I4xQ"),
}


def connect(host, port, interface, options=""):
    credentials = Credentials()
    credentials.set_anonymous()
    binding = "ncacn_ip_tcp:%s[%s%s]" % (host, port, options)
    return ClientConnection(binding, (interface, 1), lp_ctx=LoadParm(), credentials=credentials)


def status(action):
    try:
        action()
    except NTSTATUSError as error:
        return error.args[1]
    raise AssertionError("not refused")


def payload_of(answer, ndr64):
    """Take a response stub apart: Samba returns it as the host sent it, little-endian."""
    layout, start = ("<I4xQQ", 24) if ndr64 else ("<III", 12)
    size, referent, count = struct.unpack_from(layout, answer)
    end = (start + size + 3) & ~3
    assert size == count and referent != 0 and len(answer) == end + 4, answer
    assert answer[end:] == bytes(4), "HRESULT"
    return answer[start : start + size].hex()


def talk(host, port, options, layout, payload):
    client = connect(host, port, INTERFACE, options)
    stub = struct.pack(layout, len(payload), len(payload)) + payload
    ndr64 = "ndr64" in options
    answers = [payload_of(client.request(0, stub), ndr64)]
    refusals = [status(lambda: client.request(1, b"")), status(lambda: client.request(0, stub[:-8]))]
    answers.append(payload_of(client.request(0, stub), ndr64))
    return {"syntax": client.transfer_syntax[0], "answers": answers, "refusals": refusals}


def main():
    host, port, payload_file = sys.argv[1:]
    with open(payload_file, "rb") as file:
        payload = file.read()
    talks = {name: talk(host, port, *way, payload) for name, way in WAYS.items()}
    unknown = status(lambda: connect(host, port, UNKNOWN_INTERFACE))
    json.dump({"talks": talks, "unknown interface": unknown}, sys.stdout)


if __name__ == "__main__":
    main()
