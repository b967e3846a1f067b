//! Names with wildcards.

use std::fmt;
use std::str::FromStr;

/// A pattern of whole names in which `*` stands for any characters and `?` for one. Letters match
/// in either case, as host names do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<char>);

/// A pattern that is empty or longer than [`GLOB_CHARS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadGlob;

impl Glob {
    /// Whether the whole of `name` fits. Takes at most the product of both lengths in steps.
    #[must_use]
    pub fn matches(&self, name: impl Iterator<Item = char>) -> bool {
        // reached[i]: the first i characters of the pattern fit what has been read.
        let mut reached: Vec<bool> = vec![false; self.0.len() + 1];
        reached[..1].fill(true);
        self.skip_stars(&mut reached);
        for character in name {
            let mut next = vec![false; reached.len()];
            for (at, pattern) in self.0.iter().enumerate() {
                if reached.get(at) != Some(&true) {
                    continue;
                }
                let to = match pattern {
                    '*' => at,
                    '?' => at + 1,
                    literal if same(*literal, character) => at + 1,
                    _ => continue,
                };
                next.get_mut(to).into_iter().for_each(|reached| *reached = true);
            }
            self.skip_stars(&mut next);
            reached = next;
        }
        reached.last() == Some(&true)
    }

    /// A `*` may stand for nothing.
    fn skip_stars(&self, reached: &mut [bool]) {
        for (at, pattern) in self.0.iter().enumerate() {
            if *pattern == '*' && reached.get(at) == Some(&true) {
                reached.get_mut(at + 1).into_iter().for_each(|reached| *reached = true);
            }
        }
    }
}

fn same(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase())
}

impl FromStr for Glob {
    type Err = BadGlob;

    fn from_str(text: &str) -> Result<Self, BadGlob> {
        let chars: Vec<char> = text.chars().collect();
        match (1..=GLOB_CHARS_MAX).contains(&chars.len()) {
            true => Ok(Self(chars)),
            false => Err(BadGlob),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|c| fmt::Write::write_char(f, *c))
    }
}

impl fmt::Display for BadGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a name with `*` and `?` as wildcards, of 1 to {GLOB_CHARS_MAX} characters")
    }
}

impl std::error::Error for BadGlob {}

/// Longest pattern: as long as the longest DNS name.
pub const GLOB_CHARS_MAX: usize = 255;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, fits, fits_not) in [
            ("PC-*", "pc-0017", "XPC-1"),
            ("*", "", "-"),
            ("ws??", "WS12", "ws1"),
            ("*-lab-*", "a-lab-b", "a-lab"),
            ("straße", "STRAßE", "strasse"),
        ] {
            let glob: Glob = pattern.parse().unwrap();
            assert!(glob.matches(fits.chars()), "{pattern} {fits}");
            assert!(pattern == "*" || !glob.matches(fits_not.chars()), "{pattern} {fits_not}");
        }
        assert_eq!("".parse::<Glob>(), Err(BadGlob));
        assert_eq!("x".repeat(256).parse::<Glob>(), Err(BadGlob));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_itself_with_parts_made_wild(name in "[a-zA-Z0-9.-]{1,40}", from in 0usize..40, len in 0usize..40) {
            let glob: Glob = name.parse().unwrap();
            prop_assert!(glob.matches(name.chars()));
            let from = from.min(name.len());
            let to = (from + len).min(name.len());
            let wild = format!("{}*{}", &name[..from], &name[to..]);
            prop_assert!(wild.parse::<Glob>().unwrap().matches(name.to_uppercase().chars()));
        }
    }
}
