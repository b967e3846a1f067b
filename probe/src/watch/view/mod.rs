//! What a person sees on a terminal: a row for each target and address, and the chosen one in detail.
//!
//! `model` is what there is to see and `follow` takes it from the engine, [`draw`] puts it on the screen, `cursor` is what the keys do:
//! all three are pure. `terminal` is the screen and the keyboard.

mod cursor;
mod draw;
mod follow;
mod model;
mod terminal;

pub use self::cursor::{Cursor, Key};
pub use self::draw::draw;
pub use self::model::{Change, Check, Look, Model, NOTES_MAX, Row};
pub use self::terminal::View;
