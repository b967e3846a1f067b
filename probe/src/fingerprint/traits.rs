//! What each known server is known to do: the table that observations are held against.
//!
//! A candidate without a row for a question says nothing of it. Where a row rests on source code
//! or on what others report, it says so: no genuine Windows host was at hand.

use serde::Serialize;

use super::observation::Question;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// The RPC runtime of Windows, under a genuine KMS host or another service.
    Windows,
    /// The simulator of this project.
    KmsSim,
    /// An emulator in C with an RPC runtime of its own.
    Vlmcsd,
    /// An emulator in Python.
    PyKms,
    /// Samba's RPC server.
    Samba,
    /// A server made of impacket's DCERPCServer.
    Impacket,
}

/// What a candidate does.
#[derive(Clone, Copy, Debug)]
pub struct Trait {
    /// Who.
    pub candidate: Candidate,
    /// In answer to what.
    pub question: Question,
    /// Any of these is like it.
    pub values: &'static [&'static str],
    /// How much that tells.
    pub weight: Weight,
    /// How it is known.
    pub basis: Basis,
}

/// How much a trait tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Configuration, a proxy or another version may change it.
    Weak,
    /// Usual.
    Fair,
    /// A server of this kind cannot do otherwise: another answer contradicts it.
    Strong,
}

/// How a trait is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A server of this kind answers so in this project's tests.
    Tested,
    /// Tests of Samba that were run against Windows Server 2012 R2 and 2022 say so.
    SambaTests,
    /// Its source code says so.
    Source,
    /// Reported by others.
    Reported,
}

impl Candidate {
    /// Every candidate.
    pub const ALL: [Self; 6] =
        [Self::Windows, Self::KmsSim, Self::Vlmcsd, Self::PyKms, Self::Samba, Self::Impacket];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows => "Windows RPC runtime",
            Self::KmsSim => "kms-sim",
            Self::Vlmcsd => "vlmcsd with its own RPC",
            Self::PyKms => "py-kms",
            Self::Samba => "Samba RPC server",
            Self::Impacket => "impacket RPC server",
        }
    }
}

impl Weight {
    /// In points.
    #[must_use]
    pub const fn points(self) -> u32 {
        match self {
            Self::Weak => 1,
            Self::Fair => 2,
            Self::Strong => 4,
        }
    }

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Fair => "fair",
            Self::Strong => "strong",
        }
    }
}

/// The table.
pub const TRAITS: &[Trait] = &[
    // A runtime that takes one new context per bind, prefers NDR64 where it has it, and answers
    // feature negotiation; without a KMS service the interface is unknown.
    row(
        Candidate::Windows,
        Question::Contexts,
        &["(2,2) (0,0) (3,3)", "(0,0) (2,2) (3,3)", NO_KMS],
        Weight::Weak,
        Basis::Reported,
    ),
    row(Candidate::Windows, Question::AckFlags, &["0x03"], Weight::Strong, Basis::SambaTests),
    row(
        Candidate::Windows,
        Question::UnknownOperation,
        &[RANGE_ERROR],
        Weight::Strong,
        Basis::SambaTests,
    ),
    row(Candidate::Windows, Question::FaultHint, &["32"], Weight::Weak, Basis::Reported),
    row(Candidate::Windows, Question::MaybeFlag, &["0x03"], Weight::Strong, Basis::SambaTests),
    row(
        Candidate::Windows,
        Question::OddFragment,
        &["3192/3192"],
        Weight::Strong,
        Basis::SambaTests,
    ),
    row(Candidate::Windows, Question::FeatureMask, &["(3,1)"], Weight::Weak, Basis::SambaTests),
    row(
        Candidate::Windows,
        Question::UnknownInterface,
        &["(2,1)"],
        Weight::Strong,
        Basis::SambaTests,
    ),
    row(Candidate::Windows, Question::UnboundCall, &[UNKNOWN], Weight::Strong, Basis::SambaTests),
    row(
        Candidate::Windows,
        Question::LargeFragment,
        &["5840/5840"],
        Weight::Strong,
        Basis::SambaTests,
    ),
    row(
        Candidate::Windows,
        Question::SecondBind,
        &["bind_nak 0"],
        Weight::Strong,
        Basis::SambaTests,
    ),
    row(
        Candidate::Windows,
        Question::AlterContext,
        &["(0,0)", "(2,1)"],
        Weight::Fair,
        Basis::SambaTests,
    ),
    row(Candidate::Windows, Question::Cancel, &["ignored"], Weight::Strong, Basis::SambaTests),
    row(
        Candidate::Windows,
        Question::Fragments,
        &["one answer each"],
        Weight::Strong,
        Basis::SambaTests,
    ),
    row(
        Candidate::Windows,
        Question::Groups,
        &["vary", "count up by one", "16 bits", "only one"],
        Weight::Strong,
        Basis::Reported,
    ),
    // The simulator follows the same rules, and marks every association group.
    row(Candidate::KmsSim, Question::Contexts, &["(2,2) (0,0) (3,3)"], Weight::Weak, Basis::Tested),
    row(Candidate::KmsSim, Question::AckFlags, &["0x03"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::UnknownOperation, &[RANGE_ERROR], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::FaultHint, &["32"], Weight::Weak, Basis::Tested),
    row(Candidate::KmsSim, Question::MaybeFlag, &["0x03"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::OddFragment, &["3192/3192"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::FeatureMask, &["(3,1)"], Weight::Weak, Basis::Tested),
    row(Candidate::KmsSim, Question::UnknownInterface, &["(2,1)"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::UnboundCall, &[UNKNOWN], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::LargeFragment, &["5840/5840"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::SecondBind, &["bind_nak 0"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::AlterContext, &["(0,0)"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::Cancel, &["ignored"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::Fragments, &["one answer each"], Weight::Fair, Basis::Tested),
    row(Candidate::KmsSim, Question::Groups, &["marked"], Weight::Strong, Basis::Tested),
    // Copies much of the request into its answer.
    row(
        Candidate::Vlmcsd,
        Question::Contexts,
        &["(2,2) (0,0) (3,3)", "(0,0) (2,2) (3,3)", "(0,0) (2,2) (2,2)", "(2,2) (0,0) (2,2)"],
        Weight::Weak,
        Basis::Source,
    ),
    row(Candidate::Vlmcsd, Question::AckFlags, &["0x03"], Weight::Weak, Basis::Source),
    row(
        Candidate::Vlmcsd,
        Question::UnknownOperation,
        &["answered with HRESULT 0x8007000D"],
        Weight::Strong,
        Basis::Source,
    ),
    row(Candidate::Vlmcsd, Question::MaybeFlag, &["0x43"], Weight::Strong, Basis::Source),
    row(Candidate::Vlmcsd, Question::OddFragment, &["3199/3199"], Weight::Strong, Basis::Source),
    row(Candidate::Vlmcsd, Question::FeatureMask, &["(3,1)", "(2,2)"], Weight::Weak, Basis::Source),
    row(Candidate::Vlmcsd, Question::UnknownInterface, &["(2,1)"], Weight::Weak, Basis::Source),
    row(
        Candidate::Vlmcsd,
        Question::UnboundCall,
        &["unk_if, call id 2", "unk_if, not executed, call id 2"],
        Weight::Strong,
        Basis::Source,
    ),
    row(
        Candidate::Vlmcsd,
        Question::LargeFragment,
        &["65535/65535"],
        Weight::Strong,
        Basis::Source,
    ),
    row(Candidate::Vlmcsd, Question::SecondBind, &["bind_ack"], Weight::Fair, Basis::Source),
    row(Candidate::Vlmcsd, Question::AlterContext, &["(0,0)"], Weight::Weak, Basis::Source),
    row(Candidate::Vlmcsd, Question::Cancel, &["closed"], Weight::Fair, Basis::Source),
    row(
        Candidate::Vlmcsd,
        Question::Fragments,
        &["answers the first fragment"],
        Weight::Fair,
        Basis::Source,
    ),
    row(
        Candidate::Vlmcsd,
        Question::Groups,
        &["count up by one", "vary", "only one"],
        Weight::Fair,
        Basis::Source,
    ),
    // Answers with constants.
    row(Candidate::PyKms, Question::Contexts, &["(0,0) (2,2) (3,3)"], Weight::Fair, Basis::Source),
    row(Candidate::PyKms, Question::AckFlags, &["0x13"], Weight::Strong, Basis::Source),
    row(Candidate::PyKms, Question::UnknownOperation, &["closed"], Weight::Strong, Basis::Source),
    row(Candidate::PyKms, Question::FeatureMask, &["closed"], Weight::Strong, Basis::Source),
    row(Candidate::PyKms, Question::UnknownInterface, &["(0,0)"], Weight::Strong, Basis::Source),
    row(Candidate::PyKms, Question::UnboundCall, &["closed"], Weight::Fair, Basis::Source),
    row(Candidate::PyKms, Question::LargeFragment, &["65535/65535"], Weight::Strong, Basis::Source),
    row(Candidate::PyKms, Question::SecondBind, &["bind_ack"], Weight::Fair, Basis::Source),
    row(Candidate::PyKms, Question::AlterContext, &["closed"], Weight::Strong, Basis::Source),
    row(Candidate::PyKms, Question::Cancel, &["closed"], Weight::Fair, Basis::Source),
    row(
        Candidate::PyKms,
        Question::Groups,
        &["constant 0x1063BF3F"],
        Weight::Strong,
        Basis::Source,
    ),
    // The same rules as Windows, whose tests it runs; it has no KMS service.
    row(Candidate::Samba, Question::Contexts, &[NO_KMS], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::AckFlags, &["0x03"], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::MaybeFlag, &["0x03"], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::OddFragment, &["3192/3192"], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::FeatureMask, &["(3,1)"], Weight::Fair, Basis::Tested),
    row(Candidate::Samba, Question::UnknownInterface, &["(2,1)"], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::UnboundCall, &[UNKNOWN], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::LargeFragment, &["5840/5840"], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::SecondBind, &["bind_nak 0"], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::AlterContext, &["(2,1)"], Weight::Fair, Basis::Tested),
    row(Candidate::Samba, Question::Cancel, &["ignored"], Weight::Strong, Basis::Tested),
    row(Candidate::Samba, Question::FaultHint, &["24"], Weight::Fair, Basis::Tested),
    row(Candidate::Samba, Question::Groups, &["16 bits", "only one"], Weight::Fair, Basis::Tested),
    // A minimal server.
    row(
        Candidate::Impacket,
        Question::Contexts,
        &["(0,0) (1,2) (1,2)", "(1,1) (1,2) (1,2)"],
        Weight::Strong,
        Basis::Tested,
    ),
    row(Candidate::Impacket, Question::AckFlags, &["0x03"], Weight::Weak, Basis::Tested),
    row(
        Candidate::Impacket,
        Question::UnknownOperation,
        &["short fault"],
        Weight::Strong,
        Basis::Tested,
    ),
    row(Candidate::Impacket, Question::MaybeFlag, &["0x43"], Weight::Strong, Basis::Tested),
    row(Candidate::Impacket, Question::OddFragment, &["3199/3199"], Weight::Strong, Basis::Tested),
    row(Candidate::Impacket, Question::FeatureMask, &["(1,2)"], Weight::Strong, Basis::Tested),
    row(Candidate::Impacket, Question::UnknownInterface, &["(1,1)"], Weight::Strong, Basis::Tested),
    row(
        Candidate::Impacket,
        Question::LargeFragment,
        &["65535/65535"],
        Weight::Strong,
        Basis::Tested,
    ),
    row(Candidate::Impacket, Question::UnboundCall, &["short fault"], Weight::Fair, Basis::Tested),
    row(Candidate::Impacket, Question::AlterContext, SHORT, Weight::Fair, Basis::Tested),
    // It closes behind its answer while the call is unread, and the reset may overtake the answer.
    row(
        Candidate::Impacket,
        Question::Cancel,
        &["answered", "closed"],
        Weight::Fair,
        Basis::Tested,
    ),
    row(Candidate::Impacket, Question::SecondBind, &["bind_ack"], Weight::Fair, Basis::Tested),
    row(
        Candidate::Impacket,
        Question::Groups,
        &["constant 0x00001234"],
        Weight::Strong,
        Basis::Tested,
    ),
];

const fn row(
    candidate: Candidate,
    question: Question,
    values: &'static [&'static str],
    weight: Weight,
    basis: Basis,
) -> Trait {
    Trait { candidate, question, values, weight, basis }
}

const SHORT: &[&str] = &["fault", "short fault"];
const RANGE_ERROR: &str = "op_rng_error, not executed";
const UNKNOWN: &str = "unk_if, not executed";
const NO_KMS: &str = "(2,1) (2,1) (3,3)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_has_at_most_one_row_for_a_question() {
        for (index, one) in TRAITS.iter().enumerate() {
            let again = TRAITS.iter().skip(index + 1);
            let same = |it: &&Trait| it.candidate == one.candidate && it.question == one.question;
            assert_eq!(again.filter(same).count(), 0, "{one:?}");
            assert!(!one.values.is_empty(), "{one:?}");
        }
    }

    #[test]
    fn every_candidate_can_be_contradicted_and_told_from_every_other() {
        for one in Candidate::ALL {
            let own: Vec<&Trait> = TRAITS.iter().filter(|it| it.candidate == one).collect();
            assert!(own.iter().any(|it| it.weight == Weight::Strong), "{one:?}");
            for other in Candidate::ALL.into_iter().filter(|other| *other != one) {
                let differs = own.iter().any(|mine| {
                    TRAITS
                        .iter()
                        .filter(|it| it.candidate == other && it.question == mine.question)
                        .any(|theirs| theirs.values != mine.values)
                });
                assert!(differs, "{one:?} and {other:?} have the same traits");
            }
        }
    }
}
