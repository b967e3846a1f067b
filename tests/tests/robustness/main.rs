//! `serve` before peers that are slow, cut off, greedy or mad, over real sockets. Whatever one
//! peer does, the next is served.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod garbage;
mod limits;
mod segments;
mod time;
