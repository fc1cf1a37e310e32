use super::*;

/// Every command that does something, with those above it.
fn leaves(command: &Command) -> Vec<Command> {
    if command.get_subcommands().next().is_none() {
        return vec![command.clone()];
    }
    command.get_subcommands().flat_map(leaves).collect()
}

#[test]
fn the_command_line_is_sound() {
    for chosen in [None, Some("node"), Some("proxy"), Some("process"), Some("stopall")] {
        command(chosen).debug_assert();
    }
}

#[test]
fn every_help_has_an_example_that_parses() {
    let all = leaves(&command(None));
    assert!(all.len() > 12, "{}", all.len());
    for one in &all {
        let help = one.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "{}", one.get_name());
    }
    let mut tried = 0;
    for one in all {
        let help = one.get_after_help().unwrap().to_string();
        for line in
            help.lines().filter_map(|line| line.split_once("rumormill ").filter(|(_, rest)| !rest.contains('|')))
        {
            let words = line.1.replace('\'', "\"");
            let words: Vec<_> = words.split('"').enumerate().flat_map(quoted).collect();
            let parsed = command(None).try_get_matches_from([vec!["rumormill".to_owned()], words.clone()].concat());
            assert!(parsed.is_ok(), "{words:?}: {parsed:?}");
            tried += 1;
        }
    }
    assert!(tried > 12, "{tried}");
}

/// A piece of a line between quotation marks is one word, one outside as many as it has.
fn quoted((n, piece): (usize, &str)) -> Vec<String> {
    if n % 2 == 1 { vec![piece.to_owned()] } else { piece.split_whitespace().map(str::to_owned).collect() }
}

#[test]
fn every_setting_of_a_node_has_a_help() {
    for key in NodeOptions::KEYS {
        assert!(!help(key).is_empty(), "{key}");
    }
}

#[test]
fn what_is_asked_for_wrongly_is_refused() {
    for words in
        ["process 1 2", "process 1 2 3 --root 30000", "process x 2 3", "send", "certs", "certs issue a --days 0"]
    {
        let all = std::iter::once("rumormill").chain(words.split(' '));
        assert!(command(None).try_get_matches_from(all).is_err(), "{words}");
    }
}

#[test]
fn both_ends_of_a_range_that_an_error_names_are_taken() {
    let mut ranges = 0;
    for one in leaves(&command(None)) {
        for arg in one.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let alone = || Command::new("x").arg(arg.clone().required(false));
            let with = |value: &str| {
                let word = arg.get_long().map_or(value.to_owned(), |long| format!("--{long}={value}"));
                alone().try_get_matches_from(["x".to_owned(), word]).map(drop).map_err(|why| why.to_string())
            };
            let refused = with("99999999999999999999").err().unwrap_or_default() + &with("0").err().unwrap_or_default();
            for (_, range) in refused.lines().filter_map(|line| line.split_once(" is not in ")) {
                let (from, to) = range.split_once("..").unwrap_or_else(|| panic!("{range}"));
                ranges += 1;
                for end in [from, to.trim_start_matches('=')] {
                    assert_eq!(with(end), Ok(()), "{}: {end}, which this names: {refused}", arg.get_id());
                }
            }
        }
    }
    assert!(ranges >= 3, "{ranges}");
}

/// Settings without a value of their own, or whose default is said in other words.
const NO_VALUE: [&str; 15] = [
    "name",
    "control",
    "neighbour",
    "door",
    "insecure-bind",
    "state",
    "restored",
    "socket",
    "home",
    "cert",
    "key",
    "ca",
    "pins",
    "log-format",
    "log-level",
];

#[test]
fn the_defaults_that_are_said_are_the_defaults() {
    let node = |set: Option<(&str, &str)>| {
        let mut options = NodeOptions::default();
        for (key, value) in [("name", "alice"), ("state", "s")].into_iter().chain(set) {
            options.set(key, value.to_owned());
        }
        format!("{:?}", rumormill_node::run::configure(options, None).unwrap())
    };
    for key in NodeOptions::KEYS.iter().filter(|key| !NO_VALUE.contains(key)) {
        let said = help(key).split_once("[default: ").and_then(|(_, rest)| rest.strip_suffix(']'));
        let said = said.unwrap_or_else(|| panic!("{key} says no default"));
        assert_eq!(node(Some((key, said))), node(None), "{key}");
    }
}

#[test]
fn no_help_says_a_default_twice() {
    for mut one in leaves(&command(None)) {
        // A column for each argument: what belongs to one stands on one line.
        one = one.term_width(0);
        let help = one.render_help().to_string();
        for line in help.lines() {
            assert!(!line.contains("] [default:"), "{}: {line}", one.get_name());
        }
    }
}
