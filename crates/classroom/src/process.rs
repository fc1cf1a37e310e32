//! `process`: a node for the classroom (docs/doors.md). It knows only its id, and its neighbours are the ids
//! beside its own.
//!
//! It listens on its control port before keys and links, never reads standard input, and goes on when standard output
//! and error cannot be written to.

mod args;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumormill_node::clock::wall_s;
use rumormill_node::config::{LogFormat, NodeConfig};
use rumormill_node::control::{self, BACKLOG, Counters};
use rumormill_node::logging;
use rumormill_node::run::{fail, in_threads, not_started, until_left};
use rumormill_node::signals::Signals;
use rumormill_node::start::start_on;
use tokio::sync::watch;

use crate::session;

pub use args::{DEFAULT_ROOT, ProcessArgs, ROOTS};

/// Names a directory for stores that live as long as a session; without it, logs are in memory.
pub const SESSION_STORE: &str = "RUMORMILL_SESSION_STORE";

/// How long a control port in use is tried for.
const BIND_PATIENCE: Duration = Duration::from_millis(900);

/// A process of the session before may be just about to end.
fn bind(port: u16) -> std::io::Result<TcpListener> {
    let began = Instant::now();
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(why) if why.kind() == ErrorKind::AddrInUse && began.elapsed() < BIND_PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(why) => return Err(why),
            Ok(listener) => return many_may_wait(listener),
        }
    }
}

/// More than the library asks for.
fn many_may_wait(listener: TcpListener) -> std::io::Result<TcpListener> {
    rustix::net::listen(&listener, i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    Ok(listener)
}

/// Runs a process until SIGTERM, `crash` or the end of the proxy that started it.
#[must_use]
pub fn run_process(args: ProcessArgs) -> ExitCode {
    let args = match args.check() {
        Ok(args) => args,
        Err(reason) => return fail(&reason, "`process --help` says what it takes"),
    };
    logging::init(LogFormat::Human, None, "warn");
    // Recorded before it listens: whoever could connect can be sure that `stopall` knows it.
    let session = match session::session_dir() {
        Ok(session) => session,
        Err(error) => return fail(&error.to_string(), "run it in another directory"),
    };
    if let Err(error) = session::record(&session, u32::from(args.id)) {
        return fail(
            &format!("cannot record this process in {}: {error}", session.display()),
            "see that it can be written",
        );
    }
    // Before the control port: whoever was told that we are there may have a neighbour dial us at once, and a `crash` on its
    // heels leaves no time for a second try. If it is taken, the start waits for it.
    let mesh = TcpListener::bind(args.addr(args.id)).and_then(many_may_wait).ok();
    // Before all that takes long: whoever started us gives us one second to listen.
    let control = match bind(args.port) {
        Ok(control) => control,
        Err(error) => {
            return fail(&format!("port: cannot listen on 127.0.0.1:{}: {error}", args.port), "give another port");
        }
    };
    let store = std::env::var_os(SESSION_STORE).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    in_threads(serve(args.config(session.clone(), store), session, control, mesh))
}

async fn serve(config: NodeConfig, session: PathBuf, control: TcpListener, mesh: Option<TcpListener>) -> ExitCode {
    let control = control.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(control));
    let control = match control {
        Ok(control) => control,
        Err(error) => return fail(&format!("port: {error}"), "give another port"),
    };
    let (started, node) = watch::channel(None);
    let counters = Arc::<Counters>::default();
    tokio::spawn(control::serve(control, node, Arc::clone(&counters), die));
    let _ = tokio::task::spawn_blocking(move || session::outlast_deserted(&session)).await;
    let signals = Signals::hear();
    match start_on(config, mesh).await {
        Ok(node) => {
            started.send_replace(Some(node.clone()));
            tracing::info!(at = wall_s(), "started");
            let code = until_left(node, signals).await;
            tell_counters(&counters);
            code
        }
        Err(error) => not_started(&error),
    }
}

/// What a process says last, since nobody can ask it for its counters: what its control port counted, at `warn` if something
/// was not taken or not given.
fn tell_counters(counters: &Counters) {
    let counted = counters.named().into_iter().filter(|(_, n)| *n > 0);
    let counted: Vec<_> = counted.map(|(name, n)| format!("{name} {n}")).collect();
    let counted = counted.join(", ");
    if counters.has_lost() {
        tracing::warn!(counted, "control port: not all was taken or given");
    } else {
        tracing::info!(counted, "control port");
    }
    logging::tell_left_out(true);
}

/// Ends the process here and now, and says first what was counted.
fn die(counters: &Counters) {
    tell_counters(counters);
    logging::flush();
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort();
}
