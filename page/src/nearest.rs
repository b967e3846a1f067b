//! What was probably meant by a name that nothing has.

/// The nearest of `known` to `name`, whatever the case of letters, if one is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

const LIKENESS_MIN: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_is_named_only_when_it_is_near() {
        assert_eq!(nearest("timout", ["timeout", "format"]), Some("timeout"));
        assert_eq!(nearest("TIMOUT", ["timeout", "format"]), Some("timeout"));
        assert_eq!(nearest("colour", ["timeout", "format"]), None);
        assert_eq!(nearest("", ["timeout"]), None);
    }
}
