//! `rumormill udp-peer`, `menu` and `peer`: programs of the legacy protocols, each useful alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::ArgMatches;
use rumormill_doors::DoorError;
use rumormill_doors::peer_line::menu;
use rumormill_doors::protobuf_peer::console as peer;
use rumormill_doors::udp_mesh::console as udp_peer;
use rumormill_node::config::LogFormat;
use tokio::io::{BufReader, stdin};

use crate::console::Console;
use crate::mesh_menu::MeshMenu;
use crate::output::{Failure, Out};
use crate::talk;

/// Runs one of them on standard input and output. A line that is being read when it ends is not waited for.
fn run(out: &mut Out, program: impl AsyncFnOnce(&mut Console) -> Result<(), DoorError>) -> Result<ExitCode, Failure> {
    let runtime = crate::runtime::runtime(2)?;
    let ended = runtime.block_on(async {
        let mut console = Console::new();
        let ended = program(&mut console).await;
        // It ended because nobody looks any more, or nothing can be shown: that is told as what it is.
        let unseen = console.has_failed();
        console.end(out).await;
        if unseen { Ok(()) } else { ended }
    });
    runtime.shutdown_background();
    let failure = |why: DoorError| match why {
        DoorError::Spec(_) => Failure::usage(&why, "`--help` says what it takes"),
        _ => Failure::failed(&why, why.next()),
    };
    ended.map_err(failure).map(|()| ExitCode::SUCCESS)
}

pub(crate) fn udp_peer(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let ip = matches.get_one::<IpAddr>("listen").copied().unwrap_or(Ipv4Addr::LOCALHOST.into());
    let mut options = udp_peer::MeshConsoleOptions::default();
    if let Some(directory) = matches.get_one::<SocketAddr>("directory") {
        options.directory = *directory;
    }
    if let Some(name) = matches.get_one::<String>("name") {
        options.name.clone_from(name);
    }
    let port = matches.get_one::<u16>("port").copied().unwrap_or(options.listen.port());
    options.listen = SocketAddr::new(ip, port);
    guard(ip, matches)?;
    options.broadcast = matches.get_one::<String>("broadcast").is_some_and(|word| word == "on");
    run(out, async |console| udp_peer::console(options, BufReader::new(stdin()), console).await)
}

pub(crate) fn menu(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    if matches.contains_id("socket") || matches.contains_id("state") {
        let (socket, ip) = (talk::socket(matches)?, matches.get_one::<IpAddr>("listen").copied());
        if let Some(ip) = ip.filter(|ip| !MeshMenu::may_have(*ip)) {
            return Err(Failure::usage(format!("no menu can have the address {ip}"), crate::mesh_menu::NEXT_ADDRESS));
        }
        return run(out, async |console| {
            let menu = MeshMenu::find(socket, ip).await?;
            menu::menu_over(menu, BufReader::new(stdin()), console).await
        });
    }
    let mut options = menu::Plain { insecure_bind: matches.get_flag("insecure-bind"), ..menu::Plain::default() };
    if let Some(ip) = matches.get_one::<IpAddr>("listen") {
        guard(*ip, matches)?;
        options.listen = *ip;
    }
    run(out, async |console| menu::menu(options, BufReader::new(stdin()), console).await)
}

pub(crate) fn peer(matches: &ArgMatches, out: &mut Out) -> Result<ExitCode, Failure> {
    let level = matches.get_one::<peer::LogLevel>("log-level").map(|level| level.filter().to_string());
    let usual = peer::LogLevel::default().filter().to_string();
    rumormill_node::logging::init(LogFormat::Human, level.as_deref(), &usual);
    let local = matches.get_one::<SocketAddr>("local").copied();
    let local = local.ok_or_else(|| Failure::usage("LOCAL is needed", "`rumormill peer --help` says what it takes"))?;
    let options = peer::PeerConsoleOptions {
        local,
        peer: matches.get_one::<SocketAddr>("peer").copied(),
        desired_id: matches.get_one::<i64>("desired-id").copied(),
        insecure_bind: matches.get_flag("insecure-bind"),
    };
    run(out, async |console| peer::console(options, BufReader::new(stdin()), console).await)
}

/// None of these formats is encrypted or authenticated: other machines are let in only if that is asked for.
fn guard(ip: IpAddr, matches: &ArgMatches) -> Result<(), Failure> {
    if ip.to_canonical().is_loopback() || matches.get_flag("insecure-bind") {
        return Ok(());
    }
    let why = format!("--listen {ip} can be reached from other machines, and this protocol is not encrypted");
    Err(Failure::usage(why, "listen on 127.0.0.1, or say --insecure-bind if that is what you want"))
}
