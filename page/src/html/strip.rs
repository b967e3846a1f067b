//! Steps one after another: a path, a sequence of stages.

use maud::{Markup, Render, html};

use super::Tone;

/// Steps in order, each with a verdict; on a narrow screen below each other.
#[derive(Clone, Debug, Default)]
pub struct Strip {
    steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    label: String,
    value: String,
    note: String,
    tone: Tone,
}

impl Strip {
    /// These steps in this order. There are as many as the caller makes: a handful is meant.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }
}

impl Step {
    /// A step: its name, and how it ended.
    #[must_use]
    pub fn new(label: impl Into<String>, value: impl Into<String>, tone: Tone) -> Self {
        Self { label: label.into(), value: value.into(), note: String::new(), tone }
    }

    /// A few words below, such as the time it took.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl Render for Strip {
    fn render(&self) -> Markup {
        html! {
            ol.strip {
                @for step in &self.steps {
                    li.(step.tone.class()) {
                        span.label { (step.label) }
                        span.value { (step.value) }
                        @if !step.note.is_empty() { span.note { (step.note) } }
                    }
                }
            }
        }
    }
}
