//! Domain names as a person types them: checked label by label, so that a bad one is named.

use std::fmt;

use hickory_proto::rr::Name;

/// Parse a domain name: dot-separated labels of letters, digits, hyphens and underscores, with or
/// without the final dot. The result is always fully qualified, its case as typed.
///
/// # Errors
///
/// The first label that breaks a rule of RFC 1035 section 2.3.1 (hosts) or RFC 1123 section 2.1
/// (sizes, leading digits), and which rule; underscores are let through, since SRV owner names and
/// many Windows domains have them.
pub fn parse(text: &str) -> Result<Name, NameError> {
    let refuse = |problem| NameError { name: text.to_owned(), problem };
    let relative = text.strip_suffix('.').unwrap_or(text);
    if relative.is_empty() {
        return Err(refuse(if text.is_empty() { Problem::Empty } else { Problem::Root }));
    }
    let labels: Vec<&str> = relative.split('.').collect();
    for (index, label) in labels.iter().enumerate() {
        check_label(label, index + 1).map_err(refuse)?;
    }
    // An address typed in place of a name would otherwise pass as four labels.
    if let Some(last) = labels.last()
        && last.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(refuse(Problem::NumericLastLabel { label: (*last).to_owned() }));
    }
    if relative.len() > MAX_NAME_CHARS {
        return Err(refuse(Problem::NameTooLong { chars: relative.len() }));
    }
    Name::from_labels(labels.iter().map(|label| label.as_bytes()))
        .map_err(|_| refuse(Problem::NameTooLong { chars: relative.len() }))
}

/// Why a text is not a domain name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// The text as given.
    pub name: String,
    /// The rule that it breaks.
    pub problem: Problem,
}

/// A rule for domain names, broken. Positions count labels from 1, left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing at all.
    Empty,
    /// Only the final dot, which is the root.
    Root,
    /// Two dots in a row, or one at the start.
    EmptyLabel {
        /// Which label.
        position: usize,
    },
    /// A label above 63 characters.
    LabelTooLong {
        /// The label.
        label: String,
    },
    /// A character other than ASCII letters, digits, hyphen and underscore.
    Character {
        /// The label.
        label: String,
        /// The character.
        character: char,
    },
    /// A hyphen at the start or the end of a label.
    Hyphen {
        /// The label.
        label: String,
    },
    /// The last label has digits only: most likely an address.
    NumericLastLabel {
        /// The label.
        label: String,
    },
    /// Above 253 characters without the final dot.
    NameTooLong {
        /// Its length.
        chars: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Shown(&self.name);
        match &self.problem {
            Problem::Empty => f.write_str("the domain name is empty"),
            Problem::Root => write!(f, "domain name `{name}` is the root: name a domain below it"),
            Problem::EmptyLabel { position } => {
                write!(f, "domain name `{name}`: label {position} is empty (a dot too many)")
            }
            Problem::LabelTooLong { label } => write!(
                f,
                "domain name `{name}`: label `{}` has {} characters, the limit is {MAX_LABEL_CHARS}",
                Shown(label),
                label.len(),
            ),
            Problem::Character { label, character } => {
                write!(
                    f,
                    "domain name `{name}`: label `{}` contains `{}`; letters, digits, hyphen and \
                     underscore are allowed",
                    Shown(label),
                    character.escape_debug(),
                )?;
                if character.is_ascii() {
                    return Ok(());
                }
                f.write_str(" (write an international name in its `xn--` form)")
            }
            Problem::Hyphen { label } => {
                write!(f, "domain name `{name}`: label `{label}` starts or ends with a hyphen")
            }
            Problem::NumericLastLabel { label } => write!(
                f,
                "domain name `{name}`: the last label `{label}` is a number; is it an address?"
            ),
            Problem::NameTooLong { chars } => write!(
                f,
                "domain name `{name}` has {chars} characters, the limit is {MAX_NAME_CHARS}"
            ),
        }
    }
}

impl std::error::Error for NameError {}

/// Untrusted text made fit for a terminal: control characters escaped, the length bounded.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for character in chars.by_ref().take(MAX_SHOWN_CHARS) {
            write!(f, "{}", character.escape_debug())?;
        }
        if chars.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// RFC 1035 section 2.3.4.
const MAX_LABEL_CHARS: usize = 63;
/// 255 octets on the wire, less the first length octet and the root.
const MAX_NAME_CHARS: usize = 253;
const MAX_SHOWN_CHARS: usize = 80;

fn check_label(label: &str, position: usize) -> Result<(), Problem> {
    if label.is_empty() {
        return Err(Problem::EmptyLabel { position });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if let Some(character) = label.chars().find(|c| !allowed(*c)) {
        return Err(Problem::Character { label: label.to_owned(), character });
    }
    if label.len() > MAX_LABEL_CHARS {
        return Err(Problem::LabelTooLong { label: label.to_owned() });
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(Problem::Hyphen { label: label.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_name_is_fully_qualified_with_and_without_the_final_dot() {
        assert_eq!(parse("Corp.Example.com").unwrap().to_ascii(), "Corp.Example.com.");
        assert_eq!(parse("corp.example.com.").unwrap(), parse("CORP.example.com").unwrap());
        assert_eq!(parse("_vlmcs._tcp.lab.test").unwrap().num_labels(), 4);
        assert!(parse("lab").is_ok(), "a single-label domain is legal");
        assert!(parse("7.lab.test").is_ok(), "RFC 1123 lets a label start with a digit");
    }

    #[test]
    fn an_error_names_the_label_and_the_rule() {
        assert_eq!(message(""), "the domain name is empty");
        assert_eq!(message("."), "domain name `.` is the root: name a domain below it");
        assert_eq!(
            message("lab..test"),
            "domain name `lab..test`: label 2 is empty (a dot too many)"
        );
        assert_eq!(
            message(".lab.test"),
            "domain name `.lab.test`: label 1 is empty (a dot too many)"
        );
        assert_eq!(
            message("lab.test.."),
            "domain name `lab.test..`: label 3 is empty (a dot too many)"
        );
        assert_eq!(
            message("lab.-x.test"),
            "domain name `lab.-x.test`: label `-x` starts or ends with a hyphen"
        );
        assert_eq!(
            message("10.1.2.3"),
            "domain name `10.1.2.3`: the last label `3` is a number; is it an address?"
        );
        assert!(message("la b.test").contains("label `la b` contains ` `"));
        assert!(message("bücher.test").contains("xn--"));
    }

    #[test]
    fn lengths_are_refused_one_past_their_limit() {
        let label = "a".repeat(63);
        assert!(parse(&format!("{label}.test")).is_ok());
        assert!(message(&format!("{label}a.test")).contains("has 64 characters, the limit is 63"));

        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(parse(&longest).is_ok());
        assert!(message(&format!("{longest}b")).contains("has 254 characters, the limit is 253"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let message = message("lab\u{1b}[31m.test");
        assert!(!message.contains('\u{1b}'), "{message}");
        assert!(message.contains("\\u{1b}"));
    }
}
