//! Fault status codes: the DCE codes of C706 appendix E and the Win32 codes that Windows and
//! Samba send in their place.

use core::fmt;

/// Status of a fault. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u32);

/// One known status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusInfo {
    /// The code.
    pub status: Status,
    /// Its symbol.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub meaning: &'static str,
}

impl Status {
    /// The operation number does not exist in the interface.
    pub const OP_RANGE_ERROR: Self = Self(0x1C01_0002);
    /// The interface, or the presentation context, is unknown.
    pub const UNKNOWN_INTERFACE: Self = Self(0x1C01_0003);
    /// The peer broke the protocol.
    pub const PROTO_ERROR: Self = Self(0x1C01_000B);
    /// The server is out of room.
    pub const SERVER_TOO_BUSY: Self = Self(0x1C01_0014);
    /// The security context does not match.
    pub const CONTEXT_MISMATCH: Self = Self(0x1C00_001A);
    /// Access denied.
    pub const ACCESS_DENIED: Self = Self(0x0000_0005);
    /// No call to cancel.
    pub const NO_CALL_ACTIVE: Self = Self(0x0000_06BD);
    /// Arguments that cannot be unmarshalled.
    pub const BAD_STUB_DATA: Self = Self(0x0000_06F7);
    /// The security package failed.
    pub const SEC_PKG_ERROR: Self = Self(0x0000_0721);

    /// The known status, also when it comes as an HRESULT of the Win32 facility.
    #[must_use]
    pub fn info(self) -> Option<&'static StatusInfo> {
        let code = match self.0 >> 16 {
            0x8007 => Self(self.0 & 0xFFFF),
            _ => self,
        };
        STATUSES.iter().find(|info| info.status == code)
    }

    /// The symbol of a known status.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.info().map(|info| info.name)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{:#010X} {name}", self.0),
            None => write!(f, "{:#010X}", self.0),
        }
    }
}

const fn row(code: u32, name: &'static str, meaning: &'static str) -> StatusInfo {
    StatusInfo { status: Status(code), name, meaning }
}

/// Every status that is known by name, in order of code.
pub const STATUSES: &[StatusInfo] = &[
    row(0x0000_0005, "ERROR_ACCESS_DENIED", "the server refused the caller"),
    row(0x0000_06B5, "RPC_S_UNKNOWN_IF", "the server does not offer this interface"),
    row(0x0000_06BA, "RPC_S_SERVER_UNAVAILABLE", "no RPC server could be reached"),
    row(0x0000_06BB, "RPC_S_SERVER_TOO_BUSY", "the server has no room for another call"),
    row(0x0000_06BD, "RPC_S_NO_CALL_ACTIVE", "there is no such call in progress"),
    row(0x0000_06BE, "RPC_S_CALL_FAILED", "the call failed; it may have been executed"),
    row(0x0000_06BF, "RPC_S_CALL_FAILED_DNE", "the call failed and was not executed"),
    row(0x0000_06C0, "RPC_S_PROTOCOL_ERROR", "the RPC protocol was broken"),
    row(0x0000_06C6, "RPC_S_INVALID_BOUND", "an array bound is invalid"),
    row(0x0000_06D1, "RPC_S_PROCNUM_OUT_OF_RANGE", "the operation number does not exist"),
    row(0x0000_06D8, "EPT_S_CANT_PERFORM_OP", "the endpoint mapper could not do it"),
    row(0x0000_06D9, "EPT_S_NOT_REGISTERED", "no endpoint is registered; also: out of resources"),
    row(0x0000_06E4, "RPC_S_CANNOT_SUPPORT", "the operation is not supported"),
    row(0x0000_06F7, "RPC_X_BAD_STUB_DATA", "the arguments could not be unmarshalled"),
    row(0x0000_0721, "RPC_S_SEC_PKG_ERROR", "the security package failed"),
    row(0x1C00_0001, "nca_s_fault_int_div_by_zero", "integer division by zero in the server"),
    row(0x1C00_0002, "nca_s_fault_addr_error", "invalid address in the server"),
    row(0x1C00_0003, "nca_s_fault_fp_div_zero", "floating point division by zero in the server"),
    row(0x1C00_0006, "nca_s_fault_invalid_tag", "a union tag is invalid"),
    row(0x1C00_0007, "nca_s_fault_invalid_bound", "an array bound is invalid"),
    row(0x1C00_0008, "nca_s_rpc_version_mismatch", "the RPC protocol versions differ"),
    row(0x1C00_0009, "nca_s_unspec_reject", "rejected without a reason"),
    row(0x1C00_000D, "nca_s_fault_cancel", "the call was cancelled"),
    row(0x1C00_0012, "nca_s_fault_unspec", "the call failed without a reason"),
    row(
        0x1C00_001A,
        "nca_s_fault_context_mismatch",
        "the context handle or security context does not match",
    ),
    row(0x1C00_001B, "nca_s_fault_remote_no_memory", "the server is out of memory"),
    row(0x1C00_001C, "nca_s_invalid_pres_context_id", "the presentation context is invalid"),
    row(0x1C00_001D, "nca_s_unsupported_authn_level", "the authentication level is not supported"),
    row(0x1C00_001F, "nca_s_invalid_checksum", "a checksum is wrong"),
    row(0x1C00_0020, "nca_s_invalid_crc", "a checksum is wrong"),
    row(0x1C00_0021, "nca_s_fault_user_defined", "an error that the service defines"),
    row(0x1C00_0024, "nca_s_fault_object_not_found", "the object is unknown"),
    row(0x1C00_0025, "nca_s_fault_no_client_stub", "the client has no stub for the callback"),
    row(0x1C01_0001, "nca_s_comm_failure", "communication failed"),
    row(0x1C01_0002, "nca_s_op_rng_error", "the operation number does not exist in the interface"),
    row(0x1C01_0003, "nca_s_unk_if", "the interface or presentation context is unknown"),
    row(0x1C01_0006, "nca_s_wrong_boot_time", "the server has restarted since"),
    row(0x1C01_0009, "nca_s_you_crashed", "the server believes that the client restarted"),
    row(0x1C01_000B, "nca_s_proto_error", "the RPC protocol was broken"),
    row(0x1C01_0013, "nca_s_out_args_too_big", "the results do not fit"),
    row(0x1C01_0014, "nca_s_server_too_busy", "the server has no room for another call"),
    row(0x1C01_0015, "nca_s_fault_string_too_long", "a string is too long"),
    row(0x1C01_0017, "nca_s_unsupported_type", "the object type is not supported"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_without_repetition() {
        assert!(STATUSES.is_sorted_by(|a, b| a.status < b.status));
    }

    #[test]
    fn a_win32_code_is_known_bare_and_as_an_hresult() {
        assert_eq!(Status(0x6BA).name(), Some("RPC_S_SERVER_UNAVAILABLE"));
        assert_eq!(Status(0x8007_06BA).name(), Some("RPC_S_SERVER_UNAVAILABLE"));
        assert_eq!(Status(0x1C01_00FF).name(), None);
    }
}
