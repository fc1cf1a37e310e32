//! `process`, `rumormill-proxy` and `stopall`.

use clap::{Arg, Command, value_parser};

use super::arg::value;

pub(super) fn process() -> Command {
    Command::new("process")
        .about("Run a classroom process: listens on the control port and links with its neighbours id-1 and id+1")
        .arg(Arg::new("id").required(true).value_name("ID").value_parser(value_parser!(u16)))
        .arg(Arg::new("n").required(true).value_name("N").value_parser(value_parser!(u16)))
        .arg(Arg::new("port").required(true).value_name("PORT").value_parser(value_parser!(u16).range(1..)))
        .arg(
            value("root", "Port of process 0 for its neighbours, 20000 to 29999")
                .value_parser(value_parser!(u16).range(20_000..=29_999))
                .default_value("20000"),
        )
        .after_help("Example: process 0 4 10004")
}

pub(super) fn proxy() -> Command {
    Command::new("proxy")
        .about("Run the classroom proxy: reads commands, starts processes, prints what they answer")
        .arg(
            Arg::new("n")
                .short('n')
                .value_name("N")
                .value_parser(value_parser!(u32))
                .help("Processes that the short start assumes"),
        )
        .arg(value("process", "Program that `start` runs [default: ./process, else this one]").value_name("PATH"))
        .arg(value("stopall", "Program that `exit` runs [default: ./stopall, else this one]").value_name("PATH"))
        .after_help("Example:\n  printf '0 start 1 10004\\n0 msg 1 hello\\n0 get chatLog\\nexit\\n' | rumormill-proxy")
}

pub(super) fn stopall() -> Command {
    Command::new("stopall")
        .about("End the processes that were started in this directory")
        .after_help("Example: stopall, where `process` was run")
}
