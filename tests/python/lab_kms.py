"""The KMS call of the lab, written from its description and from public algorithms alone.

It shares no code with the Rust crates: AES-CMAC (RFC 4493), AES-CBC and HMAC come from
pycryptodome and Python's own library. Payload layout: Microsoft, Volume Activation 2.0 Operations
Guide, "KMS RPC Messages".
"""

import hashlib
import hmac
import os
import struct
import time
import uuid

from Cryptodome.Cipher import AES
from Cryptodome.Hash import CMAC

DEFAULT_KEY = b"kms-lab-not-real"
EPID = "LAB01-00001-000-000001-03-1033-00000.0000-0012026"
HARDWARE_ID = b"LABONLY\0"
EPOCH = 116_444_736_000_000_000


class Lab:
    """The keys of one lab."""

    def __init__(self, key=DEFAULT_KEY):
        self.keys = {
            major: hmac.new(key, b"v%d" % major, hashlib.sha256).digest()[:16]
            for major in (4, 5, 6)
        }

    def cmac(self, data):
        return CMAC.new(self.keys[4], msg=data, ciphermod=AES).digest()

    def encrypt(self, major, iv, plain):
        pad = 16 - len(plain) % 16
        return AES.new(self.keys[major], AES.MODE_CBC, iv).encrypt(plain + bytes([pad]) * pad)

    def decrypt(self, major, iv, secret):
        plain = AES.new(self.keys[major], AES.MODE_CBC, iv).decrypt(secret)
        pad = plain[-1]
        assert 1 <= pad <= 16 and plain.endswith(bytes([pad]) * pad), "padding"
        return plain[:-pad]


class Request:
    """One request. `major` is 4, 5 or 6; ids are text."""

    def __init__(self, product, major, cmid=None, skew_seconds=0, kms_id=None, n_policy=None):
        self.major = major
        self.cmid = uuid.UUID(cmid) if cmid else uuid.uuid4()
        ticks = EPOCH + int((time.time() + skew_seconds) * 10_000_000)
        self.client_time = struct.pack("<Q", ticks)
        ids = (product["app_id"], product["sku_id"], kms_id or product["kms_id"])
        self.base = struct.pack("<HHIII", 0, major, 0, 2, 30 * 24 * 60)
        self.base += b"".join(uuid.UUID(text).bytes_le for text in ids)
        self.base += self.cmid.bytes_le
        self.base += struct.pack("<I", product["n_policy"] if n_policy is None else n_policy)
        self.base += self.client_time + bytes(16)
        self.base += "client.lab.test".encode("utf-16-le").ljust(128, b"\0")
        assert len(self.base) == 236
        self.iv = os.urandom(16)

    def sealed(self, lab):
        if self.major == 4:
            return self.base + lab.cmac(self.base)
        clear = struct.pack("<HH", 0, self.major) + self.iv
        sealed = clear + lab.encrypt(self.major, self.iv, self.base)
        assert len(sealed) == 260
        return sealed

    def verify(self, lab, sealed):
        """Check every field of an answer and return its count and intervals."""
        version = struct.pack("<HH", 0, self.major)
        assert sealed[:4] == version, "version"
        if self.major == 4:
            base, mac = sealed[:-16], sealed[-16:]
            assert mac == lab.cmac(base), "MAC"
            return self.verify_base(version, base)
        iv = sealed[4:20]
        plain = lab.decrypt(self.major, iv, sealed[20:])
        fixed = 48 if self.major == 5 else 88
        base, rest = plain[:-fixed], plain[-fixed:]
        nonce, digest = rest[:16], rest[16:48]
        assert digest == hashlib.sha256(nonce + self.iv).digest(), "hash"
        if self.major == 6:
            assert rest[48:56] == HARDWARE_ID, "hardware id"
            assert rest[56:72] == bytes(a ^ b for a, b in zip(nonce, self.iv)), "nonce XOR IV"
            expected = hmac.new(lab.keys[6], plain[:-16], hashlib.sha256).digest()[:16]
            assert rest[72:] == expected, "HMAC"
        assert nonce != bytes(16) and iv != self.iv, "randomness"
        return self.verify_base(version, base)

    def verify_base(self, version, base):
        assert base[:4] == version, "inner version"
        (pid_size,) = struct.unpack_from("<I", base, 4)
        assert base[8 : 8 + pid_size].decode("utf-16-le") == EPID + "\0", "ePID"
        rest = base[8 + pid_size :]
        assert len(rest) == 36
        assert rest[:16] == self.cmid.bytes_le, "CMID echo"
        assert rest[16:24] == self.client_time, "time echo"
        return struct.unpack_from("<III", rest, 24)
