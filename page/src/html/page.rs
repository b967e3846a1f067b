//! The page around everything: title, key figures, sections, footer.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::Tone;
use crate::text;

/// A whole page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The heading, and the title of the window.
    pub title: String,
    /// What the page is about, below the heading; may be empty.
    pub subtitle: String,
    /// The few numbers that a reader wants first.
    pub figures: Vec<KeyFigure>,
    /// The rest, in order.
    pub sections: Vec<Section>,
    /// Who made it and when.
    pub footer: Footer,
}

/// One number that matters, with its name.
#[derive(Clone, Debug)]
pub struct KeyFigure {
    label: String,
    value: String,
    note: String,
    tone: Tone,
}

/// A part of the page under its own heading.
#[derive(Clone, Debug)]
pub struct Section {
    heading: String,
    tone: Tone,
    parts: Vec<Markup>,
}

/// The end of the page.
#[derive(Clone, Debug, Default)]
pub struct Footer {
    /// The program and its version.
    pub tool: String,
    /// When the report was made, as the reader should see it (UTC, RFC 3339).
    pub made: String,
    /// How to read the page: rules of percentiles, command, seed.
    pub notes: Vec<String>,
}

impl Page {
    /// The page as an HTML file.
    #[must_use]
    pub fn render(&self) -> String {
        text::escape_page(&self.markup().into_string()).into_owned()
    }

    fn markup(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) @if !self.subtitle.is_empty() { ": " (self.subtitle) } }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        @if !self.subtitle.is_empty() { p.subtitle { (self.subtitle) } }
                    }
                    main {
                        @if !self.figures.is_empty() {
                            dl.figures { @for figure in &self.figures { (figure) } }
                        }
                        @for section in &self.sections { (section) }
                    }
                    (self.footer)
                }
            }
        }
    }
}

impl KeyFigure {
    /// `value` is ready to read, with its unit.
    #[must_use]
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), note: String::new(), tone: Tone::Neutral }
    }

    /// A few words below the value.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The colour of the value.
    #[must_use]
    pub const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

impl Section {
    /// An empty section.
    #[must_use]
    pub fn new(heading: impl Into<String>) -> Self {
        Self { heading: heading.into(), tone: Tone::Neutral, parts: Vec::new() }
    }

    /// The colour beside the heading.
    #[must_use]
    pub const fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// With one more part: a table, a plot, or markup of the caller's own.
    #[must_use]
    pub fn with(mut self, part: impl Render) -> Self {
        self.push(part);
        self
    }

    /// One more part.
    pub fn push(&mut self, part: impl Render) {
        self.parts.push(part.render());
    }

    /// With a paragraph of text.
    #[must_use]
    pub fn paragraph(self, text: impl AsRef<str>) -> Self {
        self.with(html! { p { (text.as_ref()) } })
    }
}

impl Render for KeyFigure {
    fn render(&self) -> Markup {
        html! {
            div.figure.(self.tone.class()) {
                dt { (self.label) }
                dd { (self.value) }
                @if !self.note.is_empty() { dd.note { (self.note) } }
            }
        }
    }
}

impl Render for Section {
    fn render(&self) -> Markup {
        html! {
            section.(self.tone.class()) {
                @if !self.heading.is_empty() { h2 { (self.heading) } }
                @for part in &self.parts { (part) }
            }
        }
    }
}

impl Render for Footer {
    fn render(&self) -> Markup {
        html! {
            footer {
                @for note in &self.notes { p { (note) } }
                p {
                    (self.tool)
                    @if !self.made.is_empty() { ", " time datetime=(self.made) { (self.made) } }
                }
            }
        }
    }
}

const STYLE: &str = include_str!("page.css");

/// Nothing is loaded and no script runs, whatever a page contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
