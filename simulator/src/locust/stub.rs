//! The locustfile that a master needs: a class per worker class, and a listener for full histograms.

/// A locustfile for a master whose workers run users of `class`. `class` is a Python identifier.
#[must_use]
pub fn locustfile(class: &str) -> String {
    TEMPLATE.replace("KmsUser", class)
}

/// Whether Python takes `name` as the name of a class.
#[must_use]
pub fn is_class_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

const TEMPLATE: &str = include_str!("locustfile.py");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_name_is_a_python_identifier() {
        for good in ["KmsUser", "_a1"] {
            assert!(is_class_name(good), "{good}");
        }
        for bad in ["", "1a", "a-b", "a b", "ä", "a\n", &"a".repeat(65)] {
            assert!(!is_class_name(bad), "{bad:?}");
        }
    }
}
