//! The elements of a page.

mod details;
mod matrix;
mod page;
mod strip;
mod table;
mod tone;

pub use self::details::Details;
pub use self::matrix::Matrix;
pub use self::page::{Footer, KeyFigure, Page, Section};
pub use self::strip::{Step, Strip};
pub(crate) use self::table::left_out;
pub use self::table::{Cell, Column, Table};
pub use self::tone::Tone;
