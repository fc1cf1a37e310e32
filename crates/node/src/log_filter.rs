//! What is logged: by a setting of ours, else by `RUST_LOG` as far as that is meant for us, else by the usual level.

use std::env::VarError;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Every crate of ours is called so, and so are the targets that are named by hand.
const OURS: &str = "rumormill";

/// A filter, and what is wrong with `RUST_LOG`, if that is used and cannot be.
pub(crate) fn filter(setting: Option<&str>, usual: &str) -> (Targets, Option<String>) {
    choose(setting, usual, std::env::var("RUST_LOG"))
}

fn choose(setting: Option<&str>, usual: &str, env: Result<String, VarError>) -> (Targets, Option<String>) {
    let plain = |level: &str| level.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    if let Some(level) = setting {
        return (plain(level), None);
    }
    let env = match env {
        Ok(env) if !env.trim().is_empty() => env,
        Ok(_) | Err(VarError::NotPresent) => return (plain(usual), None),
        Err(VarError::NotUnicode(_)) => return (plain(usual), Some("it is not UTF-8".to_owned())),
    };
    // What is meant for other programs must not silence this one.
    let directives = if env.split(',').any(is_ours) { env } else { format!("{usual},{env}") };
    if let Some(why) = directives.split(',').find_map(fault) {
        return (plain(usual), Some(why.to_owned()));
    }
    match directives.parse::<Targets>() {
        Ok(filter) => (filter, None),
        Err(why) => (plain(usual), Some(why.to_string())),
    }
}

/// What is wrong with a directive that reads as something else.
fn fault(directive: &str) -> Option<&'static str> {
    let empty =
        directive.split_once('=').is_some_and(|(target, level)| target.trim().is_empty() || level.trim().is_empty());
    if directive.contains(['[', '{']) {
        Some("a directive is a level or TARGET=LEVEL: spans and fields are not known here")
    } else {
        empty.then_some("a directive has nothing on one side of `=`")
    }
}

/// Whether a directive is a bare level or names a target of ours.
fn is_ours(directive: &str) -> bool {
    let directive = directive.trim();
    directive.parse::<LevelFilter>().is_ok() && !directive.is_empty() || directive.starts_with(OURS)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn chosen(setting: Option<&str>, env: &str) -> (String, bool) {
        let (filter, wrong) = choose(setting, "info", Ok(env.to_owned()));
        (filter.to_string(), wrong.is_some())
    }

    #[test]
    fn what_is_meant_for_others_or_empty_silences_nothing() {
        for env in ["", "  ", "hyper=debug", "hyper=debug,tower=off", "some_program"] {
            let (filter, wrong) = chosen(None, env);
            assert!(filter.split(',').any(|one| one == "info") && !wrong, "{env:?}: {filter}");
        }
        assert_eq!(choose(None, "warn", Err(VarError::NotPresent)).0.to_string(), "warn");
    }

    #[test]
    fn what_is_meant_for_us_counts_and_a_setting_wins() {
        for (env, expected) in [("debug", "debug"), ("off", "off"), ("rumormill_node=trace", "rumormill_node=trace")] {
            assert_eq!(chosen(None, env), (expected.to_owned(), false), "{env}");
            assert_eq!(chosen(Some("warn"), env), ("warn".to_owned(), false), "{env}");
        }
        let (filter, _) = chosen(None, "hyper=debug,rumormill=warn");
        assert!(filter.contains("hyper=debug") && filter.contains("rumormill=warn") && !filter.contains("info"));
    }

    #[test]
    fn what_is_no_filter_is_said_and_the_usual_level_holds() {
        for env in ["rumormill=loud", "debug,=", "debug,rumormill=", "hyper[=debug", "rumormill[link]=trace"] {
            let (filter, wrong) = chosen(None, env);
            assert!(filter == "info" && wrong, "{env}: {filter}");
        }
        let bytes = OsString::from_vec(vec![0xff]);
        let (filter, wrong) = choose(None, "info", Err(VarError::NotUnicode(bytes)));
        assert!(filter.to_string() == "info" && wrong.is_some());
    }
}
