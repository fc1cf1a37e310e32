//! The command line and the screens of the users. One program contains all sub-commands, and is only one of them when it is called
//! by that name.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod args;
mod certs;
mod console;
mod demo;
mod legacy;
mod mesh_menu;
mod node;
mod output;
mod proxy;
mod runtime;
mod shown;
mod talk;

use std::ffi::{CString, OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_api::Foreign;
use rumormill_node::descriptors::{LEAST, LEAST_OF_A_NODE, too_few};

use crate::output::{Failure, Out, colour};

/// The other programs that this one is when it is called by their name (docs/decisions/0002-one-program-five-names.md), and
/// the sub-command that each is.
const NAMES: [(&str, &str); 4] =
    [("rumormill-node", "node"), ("rumormill-proxy", "proxy"), ("process", "process"), ("stopall", "stopall")];

/// Runs the program: by its first word it is one sub-command alone, or else the one with all.
///
/// Exit codes: 0 done, 1 failed, 2 asked for wrongly.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(limit) = too_few() {
        let why = Failure::failed(
            format!("the limit of descriptors is {limit}"),
            format!(
                "raise it (`ulimit -Hn`, LimitNOFILE) to {LEAST} or more; a node needs {LEAST_OF_A_NODE}, and some for each door"
            ),
        );
        return output::printing(|_| Err(why));
    }
    rumormill_node::signals::fail_where_a_file_may_not_grow();
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let chosen = words.first().and_then(|word| named(word));
    if let Some((name, command)) = chosen {
        // Lists of processes show this name, whatever the file is called.
        if let Ok(name) = CString::new(name) {
            let _ = rustix::thread::set_name(&name);
        }
        words.insert(1, command.into());
    }
    let parse = |words: &[OsString]| args::command(chosen.map(|(_, command)| command)).try_get_matches_from(words);
    let code = output::printing(|out| match parse(&words) {
        Ok(matches) => run(&matches, out),
        // It quotes words, and a script may have them from anybody: they are judged again as they can be shown.
        Err(why) => match visible(&words) {
            Some(shown) => match parse(&shown) {
                Err(why) => Ok(told(&why, out)),
                Ok(_) => Err(Failure::usage("a word holds what cannot be shown", "run `rumormill --help`")),
            },
            None => Ok(told(&why, out)),
        },
    });
    rumormill_node::logging::flush();
    code
}

/// Words as text of others is shown; `None` if they are so already.
fn visible(words: &[OsString]) -> Option<Vec<OsString>> {
    let shown = |word: &OsString| Foreign::new(&word.to_string_lossy()).whole().to_string().into();
    let shown: Vec<OsString> = words.iter().map(shown).collect();
    (shown != words).then_some(shown)
}

fn named(word: &OsStr) -> Option<(&'static str, &'static str)> {
    let file = Path::new(word).file_name()?;
    NAMES.into_iter().find(|(name, _)| file == *name)
}

/// Help and version go to standard output, what is wrong with the words to standard error.
fn told(why: &clap::Error, out: &mut Out) -> ExitCode {
    let text = |colours: bool| if colours { why.render().ansi().to_string() } else { why.render().to_string() };
    if why.use_stderr() {
        let mut err = std::io::stderr().lock();
        // A failed write of an error has nobody to be told to.
        let _ = write!(err, "{}", text(colour(&err)));
    } else {
        // What fails here is noted there.
        let _ = write!(out, "{}", text(colour(&std::io::stdout())));
    }
    ExitCode::from(u8::try_from(why.exit_code()).unwrap_or(2))
}

fn run(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("node", m)) => node::run(m),
        Some(("process", m)) => node::process(m),
        Some(("stopall", _)) => node::stopall(),
        Some(("proxy", m)) => proxy::run(m, out),
        Some(("demo", m)) => demo::run(m, out),
        Some(("certs", m)) => certs::run(m, out),
        Some(("send", m)) => talk::send(m, out),
        Some(("log", m)) => talk::log(m, out),
        Some(("peers", m)) => talk::peers(m, out),
        Some(("doors", m)) => talk::doors(m, out),
        Some(("udp-peer", m)) => legacy::udp_peer(m, out),
        Some(("menu", m)) => legacy::menu(m, out),
        Some(("peer", m)) => legacy::peer(m, out),
        Some(("metrics", m)) => talk::metrics(m, out),
        _ => Err(Failure::usage("no such command", "run `rumormill --help`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_says_which_program_this_is() {
        for (word, command) in [
            ("process", Some("process")),
            ("./stopall", Some("stopall")),
            ("/usr/bin/rumormill-node", Some("node")),
            ("rumormill-proxy", Some("proxy")),
            ("rumormill", None),
            ("rumormill-0.1.0", None),
            ("process.old", None),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(named(OsStr::new(word)).map(|(_, command)| command), command, "{word}");
        }
    }
}
