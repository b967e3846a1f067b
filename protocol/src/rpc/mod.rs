//! Connection-oriented DCE/RPC, C706 chapter 12 as amended by [MS-RPCE] 2.2.2: one PDU per
//! file, plus deframing, reassembly and the tables of status codes.

pub mod auth;
pub mod auth3;
pub mod bind;
pub mod bind_ack;
pub mod bind_nak;
pub mod context;
pub mod deframer;
pub mod extended_error;
pub mod fault;
pub mod header;
pub mod ntlm;
pub mod packet;
pub mod reassembler;
pub mod request;
pub mod response;
pub mod result;
pub mod status;
pub mod syntax;

pub use auth::{AuthLevel, AuthTrailer, AuthType};
pub use auth3::Auth3;
pub use bind::Bind;
pub use bind_ack::BindAck;
pub use bind_nak::{BindNak, BindNakReason};
pub use context::{ContextElement, ContextList, SyntaxList};
pub use deframer::{Frame, next_frame};
pub use fault::Fault;
pub use header::{DataRep, Header, PduType, PfcFlags};
pub use packet::{Body, Packet};
pub use reassembler::Reassembler;
pub use request::Request;
pub use response::Response;
pub use result::{ContextReason, ContextResult, ResultElement, ResultList};
pub use status::Status;
pub use syntax::{BindTimeFeatures, SyntaxId};
