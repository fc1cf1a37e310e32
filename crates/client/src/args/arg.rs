//! Arguments that several commands have.

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction};

pub(super) fn value(name: &'static str, text: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("VALUE").help(text)
}

/// A path. An empty one would be the working directory by accident.
pub(super) fn path(name: &'static str, text: &'static str) -> Arg {
    value(name, text).value_parser(NonEmptyStringValueParser::new())
}

pub(super) fn flag(name: &'static str, text: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(text)
}

pub(super) fn socket() -> [Arg; 2] {
    [
        path("socket", "Socket of the running node [default: STATE/node.sock]").value_name("PATH"),
        path("state", "State directory of the running node [default: the working directory]").value_name("DIR"),
    ]
}
