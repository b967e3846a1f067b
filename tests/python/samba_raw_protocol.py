"""Run Samba's own raw DCE/RPC protocol tests, as packaged, against a KMS host.

Nothing of Samba is copied: its test class is imported and adapted where it takes for granted that
it talks to a domain controller:

- the endpoint (port 135) is the host's real address, and the secondary address in a bind_ack is
  first checked against the real port and then presented as "135";
- the interfaces mgmt and netlogon are the KMS interface, and the stubs of their calls are requests
  for the KMS operation; the KMS answer is checked and then presented as the answer that the test
  would have had from those interfaces.

Flags, ids, statuses, sizes, order and the end of connections are seen by Samba's assertions as the
host sent them.

usage: samba_raw_protocol.py --list
       samba_raw_protocol.py HOST PORT REQUEST_STUB_FILE TEST...

REQUEST_STUB_FILE holds an NDR32 stub that the host accepts. Prints a JSON object on standard
output: test name -> null, or the failure.
"""

import io
import json
import os
import struct
import sys
import unittest

import samba.credentials
import samba.dcerpc.dcerpc as dcerpc
import samba.dcerpc.mgmt
import samba.dcerpc.misc as misc
import samba.tests.dcerpc.raw_protocol as raw_protocol
import samba.tests.dcerpc.raw_testcase as raw_testcase

SUITE = raw_protocol.TestDCERPC_BIND
BASE = raw_testcase.RawDCERPCTest

KMS_INTERFACE = "51c82175-844e-4750-b0d8-ec255555bc06"
OPNUM_MGMT_INQ_STATS = 1
OPNUM_NETLOGON = 4
INVALID_DATA = 0x8007000D
PRESENTED_PORT = 135


def kms_syntax():
    syntax = misc.ndr_syntax_id()
    syntax.uuid = misc.GUID(KMS_INTERFACE)
    syntax.if_version = 1
    return syntax


def sized_stub(total):
    """A well-formed stub of `total` bytes whose payload no host can verify."""
    return struct.pack("<II", total - 8, total - 8) + bytes(total - 8)


def hresult_of(stub):
    """Take an NDR32 answer apart and return its HRESULT."""
    size, referent = struct.unpack_from("<II", stub)
    if referent == 0:
        assert size == 0 and len(stub) == 12, stub
        return struct.unpack_from("<I", stub, 8)[0]
    (count,) = struct.unpack_from("<I", stub, 8)
    end = (12 + size + 3) & ~3
    assert size == count and len(stub) == end + 4, stub
    return struct.unpack_from("<I", stub, end)[0]


class Adaptation:
    """What is put into Samba's base class, so that second connections have it too."""

    def __init__(self, host, port, accepted_stub):
        self.host = host
        self.port = port
        self.accepted_stub = accepted_stub
        self.original = {
            name: getattr(BASE, name)
            for name in ("_connect_tcp", "generate_request", "recv_pdu_raw", "do_single_request")
        }

    def install(self):
        adaptation = self
        original = self.original

        def connect_tcp(test):
            test.host = adaptation.host
            test.primary_address = str(adaptation.port)
            original["_connect_tcp"](test)
            test.primary_address = test.secondary_address = str(PRESENTED_PORT)
            test.tcp_port = PRESENTED_PORT
            test.answers = {}

        def generate_request(test, *args, **kwargs):
            adaptation.adapt_request(test, kwargs)
            return original["generate_request"](test, *args, **kwargs)

        def recv_pdu_raw(test, *args, **kwargs):
            packet, raw = original["recv_pdu_raw"](test, *args, **kwargs)
            if packet is not None and packet.ptype == dcerpc.DCERPC_PKT_BIND_ACK:
                adaptation.adapt_bind_ack(test, packet)
            if packet is not None and packet.ptype == dcerpc.DCERPC_PKT_RESPONSE:
                adaptation.adapt_response(test, packet)
            return packet, raw

        def do_single_request(test, *args, **kwargs):
            test.decodes_mgmt = True
            try:
                return original["do_single_request"](test, *args, **kwargs)
            finally:
                test.decodes_mgmt = False

        BASE._connect_tcp = connect_tcp
        BASE.generate_request = generate_request
        BASE.recv_pdu_raw = recv_pdu_raw
        BASE.do_single_request = do_single_request
        BASE.get_user_creds = user_creds
        SUITE._get_netlogon_ctx = lambda test: adaptation.netlogon_context(test)
        samba.dcerpc.mgmt.abstract_syntax = kms_syntax
        adapt_fragmented(SUITE)

    def adapt_request(self, test, arguments):
        """Turn a call of mgmt or netlogon into one of the KMS operation."""
        opnum, stub = arguments["opnum"], arguments["stub"]
        flags = arguments.get("pfc_flags", 0x03)
        if opnum == 0 and stub == b"" and not arguments.get("auth_info"):
            # mgmt's operation 0 takes no argument. The stub comes with the last fragment, so that
            # it comes once.
            if flags & dcerpc.DCERPC_PFC_FLAG_LAST:
                arguments["stub"] = self.accepted_stub
        elif opnum in (0, OPNUM_MGMT_INQ_STATS) and stub != b"":
            # mgmt ignores what follows its arguments; the KMS operation has to be told the size.
            arguments["opnum"] = 0
            arguments["stub"] = sized_stub(len(stub))
        elif opnum == OPNUM_NETLOGON:
            arguments["opnum"] = 0

    def adapt_bind_ack(self, test, packet):
        """Check the secondary address, and present the one that the tests have in them."""
        text = str(self.port)
        test.assertEqual(packet.u.secondary_address_size, len(text) + 1)
        test.assertEqual(packet.u.secondary_address, text)
        test.assertEqual(len(packet.u._pad1), -(2 + len(text) + 1) % 4)
        test.assertEqual(bytes(packet.u._pad1), bytes(len(packet.u._pad1)))
        packet.u.secondary_address = str(PRESENTED_PORT)
        packet.u.secondary_address_size = len(str(PRESENTED_PORT)) + 1
        packet.u._pad1 = bytes(2)

    def adapt_response(self, test, packet):
        stub = bytes(packet.u.stub_and_verifier)
        hresult = hresult_of(stub)
        expected = getattr(test, "expected_hresult", None)
        if expected is not None:
            test.assertEqual(hresult, expected)
            # ServerReqChallenge: 8 bytes of credential and the status.
            present(packet, bytes(12))
        elif getattr(test, "decodes_mgmt", False):
            test.assertEqual(hresult, 0)
            # inq_if_ids: a null pointer and the status.
            present(packet, bytes(8))
        else:
            test.assertIn(hresult, (0, INVALID_DATA))

    def netlogon_context(self, test):
        """A context whose calls the tests take for netlogon's."""
        ndr32 = samba.dcerpc.base.transfer_syntax_ndr()
        ctx, ack = test.prepare_presentation(kms_syntax(), ndr32, context_id=0, return_ack=True)
        total = getattr(test, "stub_total", None)
        if total is None and test._testMethodName == "test_2nd_cancel_requests":
            # The test sends the same stub three times over.
            total = 3 * len(self.accepted_stub)
        if total is None:
            test.expected_hresult = 0
            return ctx, ack, self.accepted_stub
        test.expected_hresult = INVALID_DATA
        return ctx, ack, sized_stub(total)[: len(self.accepted_stub)]


def present(packet, stub):
    packet.u.stub_and_verifier = stub
    packet.u.alloc_hint = len(stub)


def adapt_fragmented(suite):
    """The size of the whole call has to be known when its first fragment is made."""
    original = suite._test_fragmented_requests

    def test_fragmented_requests(test, remaining=None, **kwargs):
        test.stub_total = remaining
        return original(test, remaining=remaining, **kwargs)

    suite._test_fragmented_requests = test_fragmented_requests


def user_creds(test):
    """Credentials that need no domain controller: none of the tests here gets to use them."""
    creds = samba.credentials.Credentials()
    creds.set_domain("LAB")
    creds.set_username("nobody")
    creds.set_password("nothing")
    creds.set_kerberos_state(samba.credentials.DONT_USE_KERBEROS)
    return creds


def run(names):
    results = {}
    for name in names:
        result = unittest.TestResult()
        result.buffer = False
        SUITE(name).run(result)
        problems = result.failures + result.errors + result.skipped
        assert result.testsRun == 1 or problems, name
        results[name] = problems[0][1] if problems else None
    return results


def main():
    if sys.argv[1:] == ["--list"]:
        json.dump(unittest.TestLoader().getTestCaseNames(SUITE), sys.stdout)
        return
    host, port, stub_file, *names = sys.argv[1:]
    with open(stub_file, "rb") as file:
        accepted_stub = file.read()
    os.environ["SERVER"] = host
    Adaptation(host, int(port), accepted_stub).install()
    # Some tests print whole PDUs.
    stderr, sys.stderr = sys.stderr, io.StringIO()
    try:
        results = run(names)
    finally:
        sys.stderr = stderr
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
