//! How good or bad something is, as a colour. The word always stands beside it.

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing is said.
    #[default]
    Neutral,
    /// Healthy.
    Ok,
    /// Worth knowing.
    Info,
    /// Somebody should act.
    Warning,
    /// Somebody must act.
    Critical,
}

impl Tone {
    /// The class that the style sheet knows.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
