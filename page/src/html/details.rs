//! What can be folded away.

use maud::{Markup, Render, html};

/// Parts under a summary that a reader can open and close. On paper it is open.
#[derive(Clone, Debug)]
pub struct Details {
    summary: String,
    is_open: bool,
    parts: Vec<Markup>,
}

impl Details {
    /// Nothing yet, closed.
    #[must_use]
    pub fn new(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), is_open: false, parts: Vec::new() }
    }

    /// Whether it is open at first.
    #[must_use]
    pub const fn open(mut self, is_open: bool) -> Self {
        self.is_open = is_open;
        self
    }

    /// One more part.
    pub fn push(&mut self, part: impl Render) {
        self.parts.push(part.render());
    }

    /// One more heading, above the parts that follow.
    pub fn heading(&mut self, text: impl AsRef<str>) {
        self.push(html! { h3 { (text.as_ref()) } });
    }

    /// One more paragraph of text.
    pub fn paragraph(&mut self, text: impl AsRef<str>) {
        self.push(html! { p { (text.as_ref()) } });
    }
}

impl Render for Details {
    fn render(&self) -> Markup {
        html! {
            details open[self.is_open] {
                summary { (self.summary) }
                @for part in &self.parts { (part) }
            }
        }
    }
}
