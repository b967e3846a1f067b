"""A KMS client made of impacket's RPC and NDR engines and of lab_kms.py.

usage: impacket_client.py HOST PORT PRODUCT_JSON

PRODUCT_JSON is an object with app_id, sku_id, kms_id and n_policy. Prints a JSON object with what
the host answered; anything that does not verify ends the script with a traceback.
"""

import json
import struct
import sys
import uuid

from impacket.dcerpc.v5 import transport
from impacket.dcerpc.v5.dtypes import LONG, ULONG
from impacket.dcerpc.v5.ndr import NDRCALL, NDRPOINTER, NDRUniConformantArray
from impacket.dcerpc.v5.rpcrt import DCERPCException
from impacket.uuid import uuidtup_to_bin

from lab_kms import Lab, Request

INTERFACE = uuidtup_to_bin(("51c82175-844e-4750-b0d8-ec255555bc06", "1.0"))
NDR32 = ("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0")
NDR64 = ("71710533-beba-4937-8319-b5dbef9ccc36", "1.0")


class ByteArray(NDRUniConformantArray):
    item = "c"


class ByteArrayPointer(NDRPOINTER):
    referent = (("Data", ByteArray),)


class RequestActivation(NDRCALL):
    opnum = 0
    structure = (("requestSize", LONG), ("request", ByteArray))


class RequestActivationResponse(NDRCALL):
    structure = (
        ("responseSize", LONG),
        ("response", ByteArrayPointer),
        ("ErrorCode", ULONG),
    )


class DCERPCSessionError(DCERPCException):
    """What impacket raises for an HRESULT; it looks this name up in the module of the call."""


class Client:
    def __init__(self, host, port, syntax=NDR32, fragment_size=None):
        binding = "ncacn_ip_tcp:%s[%s]" % (host, port)
        self.rpc = transport.DCERPCTransportFactory(binding).get_dce_rpc()
        self.rpc.connect()
        self.rpc.bind(INTERFACE, transfer_syntax=syntax)
        if fragment_size is not None:
            self.rpc.set_max_fragment_size(fragment_size)

    def call(self, payload, rpc=None):
        request = RequestActivation()
        request["requestSize"] = len(payload)
        request["request"] = payload
        response = (rpc or self.rpc).request(request)
        answer = b"".join(response["response"])
        assert len(answer) == response["responseSize"]
        return answer

    def hresult(self, payload):
        """The HRESULT of a refusal, decoded by impacket from an ordinary response."""
        try:
            self.call(payload)
        except DCERPCSessionError as error:
            answer = error.get_packet()
            assert answer["responseSize"] == 0 and answer["ErrorCode"] == error.get_error_code()
            return "%08X" % error.get_error_code()
        raise AssertionError("the host accepted what it has to refuse")

    def fault(self, opnum, stub):
        self.rpc.call(opnum, stub)
        try:
            self.rpc.recv()
        except DCERPCException as error:
            return str(error)
        raise AssertionError("no fault")


def successes(host, port, product):
    """Every version in both transfer syntaxes, over one connection each, and in fragments."""
    lab = Lab()
    cmid = str(uuid.uuid4())
    answers = {}
    for name, syntax in (("ndr32", NDR32), ("ndr64", NDR64)):
        client = Client(host, port, syntax)
        for major in (4, 5, 6):
            request = Request(product, major, cmid)
            answer = client.call(request.sealed(lab))
            answers["%s v%d" % (name, major)] = [len(answer), *request.verify(lab, answer)]
    fragmented = Client(host, port, fragment_size=40)
    request = Request(product, 6, cmid)
    answer = fragmented.call(request.sealed(lab))
    answers["fragmented"] = [len(answer), *request.verify(lab, answer)]
    altered = Client(host, port)
    request = Request(product, 5)
    answer = altered.call(request.sealed(lab), altered.rpc.alter_ctx(INTERFACE))
    answers["second client, altered context"] = [len(answer), *request.verify(lab, answer)]
    return answers


def refusals(host, port, product):
    lab, foreign = Lab(), Lab(b"another lab here")
    client = Client(host, port)
    hour = 3600
    requests = {
        "unknown product": Request(product, 6, kms_id=str(uuid.uuid4())).sealed(lab),
        "client five hours behind": Request(product, 6, skew_seconds=-5 * hour).sealed(lab),
        "client five hours ahead": Request(product, 4, skew_seconds=5 * hour).sealed(lab),
        "threshold over 1000": Request(product, 5, n_policy=1001).sealed(lab),
        "one byte short": Request(product, 4).sealed(lab)[:-1],
        "version 7": b"\0\0\7\0" + Request(product, 6).sealed(lab)[4:],
        "outer version differs": b"\0\0\5\0" + Request(product, 6).sealed(lab)[4:],
    }
    for major in (4, 5, 6):
        requests["foreign key, version %d" % major] = Request(product, major).sealed(foreign)
    return {name: client.hresult(payload) for name, payload in requests.items()}


def faults(host, port, product):
    client = Client(host, port)
    payload = Request(product, 4).sealed(Lab())
    disagreeing = struct.pack("<II", len(payload), len(payload) - 1) + payload
    answers = {
        "operation 1": client.fault(1, b""),
        "operation 65535": client.fault(0xFFFF, b""),
        "sizes disagree": client.fault(0, disagreeing),
    }
    client.call(Request(product, 4).sealed(Lab()))
    return answers


def main():
    host, port, product = sys.argv[1:]
    product = json.loads(product)
    answers = {
        "success": successes(host, port, product),
        "hresult": refusals(host, port, product),
        "fault": faults(host, port, product),
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
