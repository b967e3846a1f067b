//! The stubs of the one KMS operation, RequestActivation (opnum 0), in NDR32 and NDR64.
//!
//! ```text
//! HRESULT RequestActivation([in] long reqSize, [in, size_is(reqSize)] byte* request,
//!                           [out] long* respSize, [out, size_is(, *respSize)] byte** response);
//! ```
//!
//! Layouts follow \[C706\] chapter 14 and \[MS-RPCE\] 2.2.5. The top-level request array is a reference
//! pointer and has no referent on the wire; the response array is a unique pointer and has one.
//! Integers follow the byte order of the PDU; the payload is opaque.

use core::fmt;

use crate::wire::{ByteOrder, Expected, Malformed, Misuse, Reader, Writer};

/// Operation number of RequestActivation.
pub const REQUEST_ACTIVATION: u16 = 0;

/// The transfer syntax of a stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ndr {
    /// NDR 2.0 with 32-bit pointers and counts.
    Ndr32,
    /// NDR64 1.0 with 64-bit pointers and counts.
    Ndr64,
}

impl Ndr {
    /// Offset of the payload in a request stub, in bytes.
    #[must_use]
    pub const fn request_payload_offset(self) -> usize {
        match self {
            Self::Ndr32 => 8,
            Self::Ndr64 => 16,
        }
    }

    /// Offset of the payload in a response stub, in bytes.
    #[must_use]
    pub const fn response_payload_offset(self) -> usize {
        match self {
            Self::Ndr32 => 12,
            Self::Ndr64 => 24,
        }
    }

    /// Length of the request stub around a payload of `payload_len` bytes.
    #[must_use]
    pub const fn request_len(self, payload_len: usize) -> usize {
        self.request_payload_offset().saturating_add(payload_len)
    }

    /// Length of the response stub around a payload of `payload_len` bytes, HRESULT included.
    #[must_use]
    pub const fn response_len(self, payload_len: usize) -> usize {
        self.response_payload_offset()
            .saturating_add(payload_len)
            .saturating_add(pad_to_4(payload_len))
            .saturating_add(4)
    }

    /// Length of a response stub that carries only an HRESULT.
    #[must_use]
    pub const fn error_response_len(self) -> usize {
        match self {
            Self::Ndr32 => 12,
            Self::Ndr64 => 20,
        }
    }

    /// A conformance count or referent: 4 bytes, or 8 aligned to 8.
    fn read_wide(self, reader: &mut Reader<'_>, field: &'static str) -> Result<u64, Malformed> {
        match self {
            Self::Ndr32 => reader.u32(field).map(u64::from),
            Self::Ndr64 => {
                // Padding is skipped unseen: some stacks fill it with other bytes than zero.
                reader.align(field, 8)?;
                reader.u64(field)
            }
        }
    }

    fn write_wide(
        self,
        writer: &mut Writer<'_>,
        field: &'static str,
        value: u32,
    ) -> Result<(), Misuse> {
        match self {
            Self::Ndr32 => writer.u32(field, value),
            Self::Ndr64 => {
                writer.align(field, 8)?;
                writer.u64(field, u64::from(value))
            }
        }
    }
}

/// A request stub that an NDR engine refuses. A server answers either with the fault
/// RPC_X_BAD_STUB_DATA, 0x6F7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStubError {
    /// The stub ends before its payload begins.
    Malformed(Malformed),
    /// The two sizes and the bytes present are not the same number.
    SizesDisagree {
        /// `reqSize`, in bytes.
        req_size: u32,
        /// The conformance count of the array, in bytes.
        max_count: u64,
        /// Bytes after the counts, up to seven of which may be padding.
        present: usize,
    },
}

/// A response stub: the HRESULT, and the payload when the server sent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseStub<'a> {
    /// `None` when the response pointer is null, which is how a server reports failure.
    pub payload: Option<&'a [u8]>,
    /// The return value of the operation.
    pub hresult: u32,
}

/// The payload of a request stub.
///
/// # Errors
/// [`RequestStubError`]: cut short, or sizes that disagree with each other or with the bytes present.
pub fn decode_request(stub: &[u8], ndr: Ndr, order: ByteOrder) -> Result<&[u8], RequestStubError> {
    let mut reader = Reader::new(stub, order);
    let req_size = reader.u32("reqSize")?;
    let max_count = ndr.read_wide(&mut reader, "max_count")?;
    let rest = reader.rest();
    let disagree = RequestStubError::SizesDisagree { req_size, max_count, present: rest.len() };
    let Ok(len) = usize::try_from(req_size) else {
        return Err(disagree);
    };
    match rest.split_at_checked(len) {
        Some((payload, trailing))
            if max_count == u64::from(req_size) && trailing.len() <= TRAILING_PAD_MAX =>
        {
            Ok(payload)
        }
        _ => Err(disagree),
    }
}

/// Writes a request stub to the start of `out` and returns its length, in bytes.
///
/// # Errors
/// [`Misuse`] when `out` is too small or the payload is larger than a `long` can say.
pub fn encode_request(
    payload: &[u8],
    ndr: Ndr,
    order: ByteOrder,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    let size = wire_size("reqSize", payload.len())?;
    let mut writer = Writer::new(out, order);
    writer.u32("reqSize", size)?;
    ndr.write_wide(&mut writer, "max_count", size)?;
    writer.bytes("request", payload)?;
    Ok(writer.offset())
}

/// Reads either form of a response stub. Padding is skipped unseen.
///
/// # Errors
/// [`Malformed`] when the stub is cut short, carries more than seven bytes after the HRESULT, or
/// states sizes that disagree.
pub fn decode_response(
    stub: &[u8],
    ndr: Ndr,
    order: ByteOrder,
) -> Result<ResponseStub<'_>, Malformed> {
    let mut reader = Reader::new(stub, order);
    let resp_size = reader.u32("respSize")?;
    let referent = ndr.read_wide(&mut reader, "response referent")?;
    let payload = if referent == 0 {
        require_equal(reader.offset(), "respSize of a null response", u64::from(resp_size), 0)?;
        None
    } else {
        let at = reader.offset();
        let max_count = ndr.read_wide(&mut reader, "max_count")?;
        require_equal(at, "max_count", max_count, u64::from(resp_size))?;
        // A size beyond the address space cannot be present either.
        let len = usize::try_from(resp_size).unwrap_or(usize::MAX);
        let payload = reader.take("response", len)?;
        reader.align("padding before HRESULT", 4)?;
        Some(payload)
    };
    let hresult = reader.u32("HRESULT")?;
    if reader.left() > TRAILING_PAD_MAX {
        reader.finish("end of stub")?;
    }
    Ok(ResponseStub { payload, hresult })
}

/// Writes a response stub that carries `payload` to the start of `out`; returns its length.
///
/// # Errors
/// [`Misuse`] when `out` is too small or the payload is larger than a `long` can say.
pub fn encode_response(
    payload: &[u8],
    hresult: u32,
    ndr: Ndr,
    order: ByteOrder,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    encode_response_with(hresult, ndr, order, out, |space| {
        Writer::new(space, order).bytes("response", payload)?;
        Ok(payload.len())
    })
}

/// Writes a response stub around a payload that `fill` writes in place.
///
/// `fill` gets the space from the payload's offset to the end of `out` and returns how many bytes
/// of it the payload takes.
///
/// # Errors
/// What `fill` returns, or [`Misuse`] when `out` is too small.
pub fn encode_response_with(
    hresult: u32,
    ndr: Ndr,
    order: ByteOrder,
    out: &mut [u8],
    fill: impl FnOnce(&mut [u8]) -> Result<usize, Misuse>,
) -> Result<usize, Misuse> {
    let offset = ndr.response_payload_offset();
    let capacity = out.len();
    let Some((head, space)) = out.split_at_mut_checked(offset) else {
        return Err(too_small("response stub", 0, capacity, offset));
    };
    let len = fill(space)?;
    let size = wire_size("respSize", len)?;
    let mut writer = Writer::new(head, order);
    writer.u32("respSize", size)?;
    ndr.write_wide(&mut writer, "response referent", REFERENT)?;
    ndr.write_wide(&mut writer, "max_count", size)?;

    let left = space.len();
    let Some(tail) = space.get_mut(len..) else {
        return Err(too_small("response", offset, left, len));
    };
    let mut writer = Writer::new(tail, order);
    // The payload begins at a multiple of four, so its length alone decides the padding; it stands
    // before the HRESULT, not after it.
    for _ in 0..pad_to_4(len) {
        writer.u8("padding before HRESULT", 0)?;
    }
    writer.u32("HRESULT", hresult)?;
    Ok(ndr.response_len(len))
}

/// Writes a response stub with a null response and `hresult`; returns its length: 12 or 20.
///
/// # Errors
/// [`Misuse`] when `out` is too small.
pub fn encode_error_response(
    hresult: u32,
    ndr: Ndr,
    order: ByteOrder,
    out: &mut [u8],
) -> Result<usize, Misuse> {
    let mut writer = Writer::new(out, order);
    writer.u32("respSize", 0)?;
    ndr.write_wide(&mut writer, "response referent", 0)?;
    writer.u32("HRESULT", hresult)?;
    Ok(writer.offset())
}

const fn pad_to_4(len: usize) -> usize {
    len.wrapping_neg() % 4
}

fn wire_size(field: &'static str, len: usize) -> Result<u32, Misuse> {
    match u32::try_from(len) {
        Ok(size) if size <= SIZE_MAX => Ok(size),
        _ => Err(Misuse::new(0, field, len as u64, Expected::AtMost(u64::from(SIZE_MAX)))),
    }
}

fn require_equal(
    offset: usize,
    field: &'static str,
    got: u64,
    expected: u64,
) -> Result<(), Malformed> {
    if got == expected {
        return Ok(());
    }
    Err(Malformed::new(offset, field, got, Expected::Exactly(expected)))
}

fn too_small(field: &'static str, offset: usize, left: usize, wanted: usize) -> Misuse {
    Misuse::new(offset, field, left as u64, Expected::Bytes(wanted as u64))
}

impl From<Malformed> for RequestStubError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for RequestStubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => fmt::Display::fmt(error, f),
            Self::SizesDisagree { req_size, max_count, present } => write!(
                f,
                "malformed request stub: reqSize {req_size}, max_count {max_count} and {present} \
                 bytes present do not agree"
            ),
        }
    }
}

impl core::error::Error for RequestStubError {}

/// The referent that NDR engines give to the first unique pointer of a stub.
const REFERENT: u32 = 0x0002_0000;

/// Bytes after a stub's last field that may be padding: one less than the widest alignment.
const TRAILING_PAD_MAX: usize = 7;

/// Largest `long`: the sizes are signed in the interface definition.
const SIZE_MAX: u32 = i32::MAX as u32;
