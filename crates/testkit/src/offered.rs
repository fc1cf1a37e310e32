//! What errors of settings offer, for the tests that try it.

/// What an error says that one may give: examples behind "like", and both ends of a range.
pub fn offered(error: &str) -> Vec<String> {
    let allowed = error.split_once("; give ").map_or("", |(_, allowed)| allowed);
    let (range, examples) = allowed.split_once(", like ").unwrap_or((allowed, ""));
    let ends = range.trim_end_matches(" bytes").split_once(" to ").map(|(from, to)| [from, to]);
    let ends =
        ends.filter(|ends| ends.iter().all(|end| end.starts_with(|c: char| c.is_ascii_digit()) && !end.contains(' ')));
    let examples =
        examples.split(", ").flat_map(|part| part.split(" or ")).filter(|word| !word.is_empty() && !word.contains(' '));
    ends.into_iter().flatten().chain(examples).map(ToOwned::to_owned).collect()
}
