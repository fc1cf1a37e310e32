//! `rumormill-node`: from flags and a file to a running daemon, until a signal.

use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;

use rumormill_doors::listen::{PortSharing, listen};

use crate::config::{NodeConfig, NodeOptions};
use crate::logging;
use crate::signals::Signals;
use crate::socket::Server;
use crate::standard_error::tell;
use crate::start::{check, start};
use crate::start_error::StartError;
use crate::terminal::colour;
use crate::{ConfigError, NodeHandle, control};

/// Reads the file, if one is named, puts the flags over it and checks the whole.
///
/// # Errors
/// Names the setting, the value and what is allowed.
pub fn configure(flags: NodeOptions, file: Option<&Path>) -> Result<NodeConfig, ConfigError> {
    let below = file.map(NodeOptions::read).transpose()?.unwrap_or_default();
    NodeConfig::build(&flags.over(below))
}

/// Runs a node until SIGTERM, SIGINT, a limit of its processor time, the end of standard input if that is to be one, or a request at
/// its socket; then it drains and leaves. A second signal ends it at once. What goes wrong is said on standard error.
#[must_use]
pub fn run_node(config: NodeConfig, end_with_input: bool) -> ExitCode {
    logging::init(config.log_format, config.log_level.as_deref(), "info");
    in_threads(async {
        match serve(config, end_with_input).await {
            Ok(code) => code,
            Err(error) => not_started(&error),
        }
    })
}

/// Runs a program to its end in threads as a node needs them.
#[must_use]
pub fn in_threads(program: impl Future<Output = ExitCode>) -> ExitCode {
    // Two at least: one may be blocked in the file system while the other hears signals.
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get).max(2);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let threads = builder.worker_threads(workers).enable_all().thread_name("rumormill").build();
    let threads = match threads {
        Ok(threads) => threads,
        Err(error) => return fail(&format!("cannot start threads: {error}"), NO_THREADS),
    };
    let code = threads.block_on(program);
    // What is still blocked in the file system is not waited for.
    threads.shutdown_background();
    code
}

/// What to do where threads cannot be started.
const NO_THREADS: &str = "look at the limits of this user, such as `ulimit -u`";

/// Says why and what next on standard error, in the form of all commands; the exit code is 1.
#[must_use]
pub fn fail(why: &str, next: &str) -> ExitCode {
    let (red, plain) = if colour(&std::io::stderr()) { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    tell(&format!("{red}error:{plain} "), why);
    tell("  next: ", next);
    ExitCode::FAILURE
}

/// Says why a node did not start: 2 if it was asked for wrongly, else 1.
#[must_use]
pub fn not_started(error: &StartError) -> ExitCode {
    let code = fail(&error.to_string(), error.next());
    if error.is_asked_wrongly() { ExitCode::from(2) } else { code }
}

async fn serve(config: NodeConfig, end_with_input: bool) -> Result<ExitCode, StartError> {
    check(&config)?;
    config.socket_path().map_or(Ok(()), |path| Server::check(&path)).map_err(StartError::Socket)?;
    crate::descriptors::enough_for(&config)?;
    let mut signals = Signals::hear();
    if end_with_input {
        signals = signals.or_end_of_input();
    }
    let control = match config.control {
        Some(control) => {
            let addr = control.listen();
            let bound = listen(addr, PortSharing::Exclusive);
            Some(bound.map_err(StartError::io("listen for control on", addr))?)
        }
        None => None,
    };
    if let Some(state) = &config.state {
        // Before anything is made there.
        crate::files::state_dir(state).map_err(StartError::io("use the directory", state.display()))?;
    }
    let socket = config.socket_path().map(|path| Server::bind(&path)).transpose().map_err(StartError::Socket)?;
    // In a task of its own: whatever it waits for in the file system holds up no signal.
    let starting = tokio::spawn(start(config));
    let node = tokio::select! {
        node = starting => node.map_err(|why| StartError::io("run", "a task")(std::io::Error::other(why)))??,
        () = signals.waited_for_in_vain() => return Ok(fail("the node did not start within 5 s of the signal", START_NEXT)),
    };
    if let Some(socket) = socket {
        tokio::spawn(socket.serve(node.clone()));
    }
    if let Some(listener) = control {
        control::open(&node, listener)?;
    }
    Ok(until_left(node, signals).await)
}

/// What to do where a start hangs.
const START_NEXT: &str = "see whether the disk of --state answers, then start again";

/// Waits for a signal, or for the node to stop by itself; then it drains and leaves. A second signal ends the program at once. Says
/// on standard error what went wrong; the exit code is then 1.
#[must_use]
#[inline(never)]
pub fn until_left(node: NodeHandle, signals: Signals) -> Pin<Box<dyn Future<Output = ExitCode> + Send>> {
    Box::pin(async move {
        let asked = wait(&node, signals).await;
        leave(node, asked).await
    })
}

/// Until a signal or until the node stops by itself; whether it was not the limit of its processor time.
async fn wait(node: &NodeHandle, mut signals: Signals) -> bool {
    if !signals.came() {
        tokio::select! {
            () = signals.next() => {}
            () = node.stopped() => {}
        }
    }
    let asked = !signals.used_up();
    if !asked {
        tracing::error!(
            "the limit of this process's processor time is used up (`ulimit -t`, LimitCPU=): this node stops"
        );
    }
    tracing::info!("draining; a second signal ends at once");
    tokio::spawn(async move {
        signals.next().await;
        // Waits a moment at most: nobody may read what is said.
        logging::tell_left_out(true);
        std::process::exit(1);
    });
    asked
}

/// What to do after the store has failed.
const STORE_NEXT: &str = "see that its disk has room and that its files are as they were, then start again";

/// What to do after the processor time was used up.
const TIME_NEXT: &str = "raise its limit (`ulimit -t`, LimitCPU=) and start the node again";

async fn leave(node: NodeHandle, asked: bool) -> ExitCode {
    let ended = node.shutdown().await;
    logging::tell_left_out(true);
    match ended {
        Ok(()) if !node.has_failed() && asked => ExitCode::SUCCESS,
        Ok(()) if !node.has_failed() => fail("the processor time that this node may take is used up", TIME_NEXT),
        Ok(()) => fail("the store failed; see the log", STORE_NEXT),
        Err(error) => fail(&error.to_string(), STORE_NEXT),
    }
}
