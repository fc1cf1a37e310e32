//! Colour: one rule for the node's log and for every command.

use std::ffi::OsStr;
use std::io::IsTerminal;

/// Whether colour is wanted there: on a terminal that is not `dumb`, unless `NO_COLOR` is set and not empty.
#[must_use]
pub fn colour(stream: &impl IsTerminal) -> bool {
    let get = |name: &str| std::env::var_os(name);
    wanted(stream.is_terminal(), get("NO_COLOR").as_deref(), get("TERM").as_deref())
}

fn wanted(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    let asked_not = no_color.is_some_and(|value| !value.is_empty());
    // A terminal of which nothing is known may show the codes as they are.
    let able = term.is_some_and(|name| !name.is_empty() && name != "dumb");
    terminal && !asked_not && able
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_can_and_people_who_want_it() {
        let case = |terminal, no_color: Option<&str>, term: Option<&str>| {
            wanted(terminal, no_color.map(OsStr::new), term.map(OsStr::new))
        };
        assert!(case(true, None, Some("xterm")));
        assert!(case(true, Some(""), Some("xterm")), "NO_COLOR counts when it is not empty");
        assert!(!case(true, Some("1"), Some("xterm")));
        assert!(!case(true, Some("0"), Some("xterm")));
        assert!(!case(true, None, Some("dumb")));
        assert!(!case(true, None, None));
        assert!(!case(false, None, Some("xterm")));
    }
}
