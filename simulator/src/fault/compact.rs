//! The form of a rule on a command line: `KIND key=value key=value,value …`.

use super::pairs::{Pairs, RuleError};
use super::rule::{Rule, RuleId};

/// Reads one rule. The first word is the kind; the others are keys with values, as in a file. A
/// value with commas is a list; quotation marks keep blanks and commas together.
///
/// # Errors
/// [`RuleError`] with the key.
pub fn parse(text: &str, fallback_id: &RuleId) -> Result<Rule, RuleError> {
    let mut pairs = Pairs::default();
    let mut words = words(text)?.into_iter();
    let Some(kind) = words.next() else {
        return Err(RuleError::required("kind", "the first word, such as `delay`"));
    };
    pairs.add("kind", vec![kind.iter().map(|(c, _)| *c).collect()])?;
    for word in words {
        let Some(at) = word.iter().position(|c| *c == ('=', false)) else {
            let shown: String = word.iter().map(|(c, _)| *c).take(40).collect();
            let reason = format!("`{}` is not `key=value`", shown.escape_debug());
            return Err(RuleError { key: None, reason });
        };
        let (key, value) = word.split_at(at);
        let key: String = key.iter().map(|(c, _)| *c).collect();
        let values = value.get(1..).unwrap_or_default().split(|c| *c == (',', false));
        pairs.add(&key, values.map(|value| value.iter().map(|(c, _)| *c).collect()).collect())?;
    }
    Rule::read(pairs, fallback_id)
}

/// Whether `text` begins with the name of a kind: a rule, then, and not the name of a file.
#[must_use]
pub fn looks_like_a_rule(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|word| super::Kind::by_name(word).is_some())
}

/// Characters, and whether each stood in quotation marks.
type Word = Vec<(char, bool)>;

fn words(text: &str) -> Result<Vec<Word>, RuleError> {
    if text.len() > TEXT_BYTES_MAX {
        let reason = format!("longer than {TEXT_BYTES_MAX} bytes: put the rule into a file");
        return Err(RuleError { key: None, reason });
    }
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push((c, quoted)),
        }
    }
    if quoted {
        return Err(RuleError { key: None, reason: "a quotation mark is not closed".to_owned() });
    }
    words.extend(word);
    Ok(words)
}

/// Longest rule on a command line.
const TEXT_BYTES_MAX: usize = 16 * 1024;
