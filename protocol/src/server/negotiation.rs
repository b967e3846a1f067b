//! Presentation contexts: which are accepted, which are refused and why.
//!
//! A server accepts at most one new context per bind or alter_context. It first looks for its
//! preferred transfer syntax in every element, then for NDR32.

use alloc::vec::Vec;

use super::Config;
use crate::limits::CONTEXTS_MAX;
use crate::rpc::{
    BindTimeFeatures, ContextElement, ContextList, ContextReason, ContextResult, ResultElement,
    SyntaxId,
};
use crate::wire::{Expected, Violation};

/// Presentation contexts that the connection has accepted.
#[derive(Debug, Default)]
pub(super) struct Contexts(Vec<Context>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Context {
    id: u16,
    ndr64: bool,
}

/// What a bind or alter_context comes to.
#[derive(Debug)]
pub(super) struct Negotiated {
    pub(super) results: Vec<ResultElement>,
    /// Whether a context was added: only then may multiplexing be granted.
    pub(super) added: bool,
}

impl Contexts {
    /// Transfer syntax of an accepted context.
    pub(super) fn transfer_syntax(&self, id: u16) -> Option<SyntaxId> {
        self.find(id).map(|context| syntax(context.ndr64))
    }

    fn find(&self, id: u16) -> Option<&Context> {
        self.0.iter().find(|context| context.id == id)
    }

    /// Negotiates the elements of one bind (`features` wanted) or alter_context (none looked for).
    ///
    /// # Errors
    /// [`Violation`] where the peer must be refused as a whole.
    pub(super) fn negotiate(
        &mut self,
        config: &Config,
        offered: &ContextList<'_>,
        features: Option<BindTimeFeatures>,
    ) -> Result<Negotiated, Violation> {
        let mut results = initial_results(offered, features)?;
        let mut added = false;
        let mut accepted = false;
        for ndr64 in [true, false] {
            let offered_here = if ndr64 { config.ndr64 } else { config.ndr32 };
            for (element, result) in offered.iter().zip(&mut results) {
                if is_settled(*result) {
                    continue;
                }
                let outcome = self.consider(config, &element, ndr64, accepted || !offered_here)?;
                added |= outcome == Outcome::Added;
                *result = outcome.result(ndr64);
                accepted |= result.result == ContextResult::ACCEPTANCE;
            }
        }
        Ok(Negotiated { results, added })
    }

    fn consider(
        &mut self,
        config: &Config,
        element: &ContextElement<'_>,
        ndr64: bool,
        validate_only: bool,
    ) -> Result<Outcome, Violation> {
        if element.abstract_syntax != config.interface {
            return Ok(Outcome::UnknownInterface);
        }
        if validate_only {
            return Ok(Outcome::NoSyntax);
        }
        let offers_it = element.transfer_syntaxes.iter().any(|offer| offer == syntax(ndr64));
        match (self.find(element.id).copied(), offers_it) {
            (Some(context), true) if context.ndr64 == ndr64 => Ok(Outcome::Existing),
            (Some(_), true) => Err(Violation::new(
                28,
                "p_cont_id",
                u64::from(element.id),
                Expected::Text("the transfer syntax that this context already has"),
            )),
            (_, false) => Ok(Outcome::NoSyntax),
            (None, true) if self.0.len() >= CONTEXTS_MAX => Ok(Outcome::Full),
            (None, true) => {
                self.0.push(Context { id: element.id, ndr64 });
                Ok(Outcome::Added)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Added,
    Existing,
    UnknownInterface,
    NoSyntax,
    Full,
}

impl Outcome {
    const fn result(self, ndr64: bool) -> ResultElement {
        match self {
            Self::Added | Self::Existing => ResultElement::accepted(syntax(ndr64)),
            Self::UnknownInterface => {
                ResultElement::rejected(ContextReason::ABSTRACT_SYNTAX_NOT_SUPPORTED)
            }
            Self::NoSyntax => {
                ResultElement::rejected(ContextReason::TRANSFER_SYNTAXES_NOT_SUPPORTED)
            }
            Self::Full => ResultElement {
                result: ContextResult::USER_REJECTION,
                reason: ContextReason::LOCAL_LIMIT_EXCEEDED,
                transfer_syntax: SyntaxId::ZERO,
            },
        }
    }
}

/// Answers the feature element and refuses what no server accepts: an element without transfer
/// syntax, and a second feature element. Only the first syntax of an element can ask for features.
fn initial_results(
    offered: &ContextList<'_>,
    supported: Option<BindTimeFeatures>,
) -> Result<Vec<ResultElement>, Violation> {
    let mut results = Vec::with_capacity(offered.len());
    let mut feature_elements = 0u64;
    for element in offered.iter() {
        let Some(first) = element.transfer_syntaxes.iter().next() else {
            let expected = Expected::AtLeast(1);
            return Err(Violation::new(28, "n_transfer_syn", 0, expected));
        };
        results.push(match (first.as_bind_time_features(), supported) {
            (Some(requested), Some(supported)) => {
                feature_elements += 1;
                ResultElement::features(requested.intersection(supported))
            }
            _ => ResultElement::rejected(ContextReason::ABSTRACT_SYNTAX_NOT_SUPPORTED),
        });
    }
    if feature_elements > 1 {
        let expected = Expected::AtMost(1);
        return Err(Violation::new(28, "feature elements", feature_elements, expected));
    }
    Ok(results)
}

fn is_settled(result: ResultElement) -> bool {
    matches!(result.result, ContextResult::ACCEPTANCE | ContextResult::NEGOTIATE_ACK)
}

const fn syntax(ndr64: bool) -> SyntaxId {
    if ndr64 { SyntaxId::NDR64 } else { SyntaxId::NDR32 }
}
