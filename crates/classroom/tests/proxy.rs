//! Whole sessions of a proxy with processes that are this test program itself, started again.
//!
//! The working directory of a session holds two scripts, `process` and `stopall`; what they leave there shows what was run.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rumormill_classroom::process::SESSION_STORE;
use rumormill_classroom::proxy::{Config, Launch, QUIET, run};
use rumormill_testkit::executable;
use rumormill_testkit::ports::ports;

/// How long a log is waited for that lacks something.
const SHORT: Duration = Duration::from_millis(1_500);
use tempfile::TempDir;

/// How this program is told to be a process, and how to behave.
const FAKE: &str = "RUMORMILL_FAKE_PROCESS";

struct Place(TempDir);

impl Place {
    /// `behaviour` is for [`fake_process`]; `stopall` is a shell line.
    fn new(behaviour: &str, stopall: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let (me, dir) = (std::env::current_exe().unwrap(), place.0.path());
        let start = format!(
            "cd {}; echo $* >> started; echo $$ >> pids\n\
             {FAKE}=\"{behaviour} $*\" exec {} --exact fake_process --ignored --nocapture",
            dir.display(),
            me.display()
        );
        place.script("process", &start);
        place.script("stopall", stopall);
        place
    }

    fn script(&self, name: &str, text: &str) {
        executable::script(&self.path(name), text);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Exit code, standard output, standard error.
    fn session(&self, n: Option<u32>, input: &str) -> (u8, String, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let config = Config {
            n,
            process: Launch::Program(self.path("process")),
            stopall: Launch::Program(self.path("stopall")),
            shown: SHORT,
            on_terminal: false,
        };
        let code = runtime.block_on(run(config, input.as_bytes(), &mut out, &mut err));
        self.assert_nobody_left();
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// Neither alive nor a zombie.
    fn assert_nobody_left(&self) {
        for pid in self.read("pids").lines() {
            assert!(!Path::new("/proc").join(pid).exists(), "process {pid} is left");
        }
    }
}

fn append(file: &str, line: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Not a test: what the script `process` becomes. All of one place share a log, in a file. Behaviours: `plain`; `late` listens
/// only after 1.2 s; `ends` instead; `slow` has what was said in its log half a second later; `deaf` never has;
/// `own` shares its log with nobody.
#[test]
#[ignore = "run by the other tests as a process"]
fn fake_process() {
    let Ok(told) = std::env::var(FAKE) else { return };
    let words: Vec<_> = told.split(' ').collect();
    let [behaviour, id, _n, port] = words[..] else { panic!("{told}") };
    match behaviour {
        "late" => std::thread::sleep(Duration::from_millis(1_200)),
        "ends" => std::process::exit(7),
        _ => {}
    }
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).unwrap();
    assert_eq!(input, b"", "standard input is empty");
    let store = std::env::var_os(SESSION_STORE).map(PathBuf::from).filter(|dir| dir.is_dir());
    let mut log = vec![if store.is_some() { "stored" } else { "lost" }.to_owned()];
    let file = if behaviour == "own" { format!("log{id}") } else { "log".to_owned() };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = BufReader::new(stream.unwrap());
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap_or(0) > 0 {
            match line.trim_end_matches('\n') {
                "get chatLog" => {
                    log.truncate(1);
                    log.extend(fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned));
                    stream.get_mut().write_all(format!("chatLog {}\n", log.join(",")).as_bytes()).unwrap();
                }
                "crash" => std::process::exit(1),
                other => {
                    let text = other.strip_prefix("msg ").and_then(|rest| rest.split_once(' ')).unwrap().1.to_owned();
                    let file = file.clone();
                    match behaviour {
                        "slow" => drop(std::thread::spawn(move || {
                            std::thread::sleep(QUIET + SHORT / 3);
                            append(&file, &text);
                        })),
                        "deaf" => {}
                        _ => append(&file, &text),
                    }
                }
            }
            line.clear();
        }
    }
}

#[test]
fn payloads_come_in_the_order_of_the_requests_and_all_else_on_standard_error() {
    let place = Place::new("plain", "touch $(dirname $0)/stopped");
    let [a, b] = ports();
    let input = format!(
        "0 start 2 {a}\n1 start 2 {b}\n\n0 msg 1 one,  two\n1 msg -2 three\n0 msg x no\n1 get chatLog\n0 get chatLog\n\
         2 get chatLog\n0 start 2 {a}\nhello\nexit\n1 get chatLog\n"
    );
    let (code, out, err) = place.session(None, &input);
    // Two processes are told at once: which is first is theirs, but both show one log.
    let either = ["one,  two,three", "three,one,  two"].map(|log| format!("stored,{log}\nstored,{log}\n"));
    assert!(either.contains(&out), "{out}");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 4, "{err}");
    assert!(lines[0].starts_with("error: line 6: at byte 6: expected an integer"), "{err}");
    assert!(lines[1].starts_with("error: line 9: process 2 is not running; start it with"), "{err}");
    assert!(lines[2].starts_with("error: line 10: process 0 runs already"), "{err}");
    assert!(lines[3].starts_with("error: line 11: at byte 0: "), "{err}");
    assert_eq!(code, 1, "lines failed");
    assert!(place.path("stopped").exists(), "stopall was run");
}

#[test]
fn a_crash_is_gone_over_and_the_process_started_again_on_another_port() {
    let place = Place::new("plain", "true");
    let [a, b] = ports();
    let input = format!(
        "1 start 3 {a}\n1 msg 1 one\n1 crash\n1 get chatLog\n1 msg 2 two\n1 start 4 {b}\n1 msg 3 three\n1 get chatLog"
    );
    let (code, out, err) = place.session(None, &input);
    assert_eq!(out, "stored,one,three\n");
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines[0].starts_with("error: line 4: process 1 is not running"), "{err}");
    assert!(lines[1].starts_with("error: line 5: process 1 is not running"), "{err}");
    assert_eq!(code, 1);
    assert_eq!(place.read("started"), format!("1 3 {a}\n1 4 {b}\n"));
}

#[test]
fn the_short_start_takes_n_or_one_more_than_the_highest_id() {
    let started = |n, input: &str| {
        let place = Place::new("plain", "true");
        let (code, _, err) = place.session(n, input);
        assert_eq!((code, err.as_str()), (0, ""));
        let lines = place.read("started");
        lines.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(started(None, "0 start\n2 start\n1 start\n"), ["0 1", "2 3", "1 3"]);
    assert_eq!(started(Some(4), "0 start\n5 start\n"), ["0 4", "5 6"]);
}

#[test]
fn a_process_may_be_late_but_not_end() {
    let [a, b] = ports();
    let (code, out, err) = Place::new("late", "true").session(None, &format!("0 start 1 {a}\n0 get chatLog\n"));
    assert_eq!((code, out.as_str(), err.as_str()), (0, "stored\n", ""));
    let (code, out, err) = Place::new("ends", "true").session(None, &format!("0 start 1 {b}\n0 get chatLog\n"));
    assert_eq!((code, out.as_str()), (1, ""));
    let lines: Vec<_> = err.lines().collect();
    assert!(lines[0].starts_with("error: line 1: process 0: ended with exit status: 7 before it listened"), "{err}");
    assert!(lines[1].starts_with("error: line 2: process 0 is not running"), "{err}");
}

#[test]
fn a_stopall_that_fails_is_said_and_leaves_nobody() {
    let place = Place::new("plain", "exit 5");
    let (code, _, err) = place.session(None, "0 start\nexit\n");
    assert_eq!(code, 1);
    assert!(err.starts_with("error: stopall ended with exit status: 5"), "{err}");
    fs::remove_file(place.path("stopall")).unwrap();
    let (code, _, err) = place.session(None, "0 start\nexit\n");
    assert_eq!(code, 1);
    assert!(err.starts_with("error: stopall cannot be run") && err.contains("--stopall"), "{err}");
}

#[test]
fn a_log_is_asked_for_only_when_all_is_quiet() {
    let place = Place::new("plain", "true");
    let begun = Instant::now();
    let (_, out, _) = place.session(None, "0 start\n0 msg 1 one\n0 get chatLog\n0 get chatLog\n");
    assert_eq!(out, "stored,one\nstored,one\n");
    assert!(begun.elapsed() >= QUIET, "{:?}", begun.elapsed());
}

#[test]
fn blanks_line_ends_and_forms_of_get_are_taken_as_they_come_and_what_is_no_text_is_said() {
    let place = Place::new("plain", "true");
    let [a] = ports();
    let input = format!(
        "\u{feff}0   start  1\t{a} \r\n0 msg  3   one  two \r\n\t0 get  chatLog\r\n0 get\n0 get the log\n0 msg 4 three"
    );
    let place_input = |input: &[u8]| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let config = Config {
            n: None,
            process: Launch::Program(place.path("process")),
            stopall: Launch::Program(place.path("stopall")),
            shown: SHORT,
            on_terminal: false,
        };
        let code = runtime.block_on(run(config, input, &mut out, &mut err));
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    assert_eq!(place_input(input.as_bytes()), (0, "stored,one  two\n".repeat(3), String::new()));
    assert_eq!(place.read("log"), "one  two\nthree\n");
    let [b] = ports();
    let input = [format!("0 start 1 {b}\n").as_bytes(), b"0 msg 5 \xff\n0 get chatLog\nexit"].concat();
    let (code, out, err) = place_input(&input);
    assert_eq!((code, out.as_str()), (1, "stored,one  two,three\n"));
    assert_eq!(err, "error: line 2: at byte 8: the line is not UTF-8; nothing was sent\n");
}

#[test]
fn a_log_is_printed_when_it_shows_what_was_said_before_or_it_is_said_what_it_lacks() {
    let place = Place::new("slow", "true");
    let (code, out, err) = place.session(None, "0 start\n1 start\n0 msg 1 one\n1 get chatLog\nexit\n");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "stored,one\n", ""));
    let place = Place::new("deaf", "true");
    let input = "0 start\n1 start\n0 msg 1 one\n1 get chatLog\n1 get chatLog\n0 crash\n";
    let begun = Instant::now();
    let (code, out, err) = place.session(None, input);
    assert!(begun.elapsed() < 10 * SHORT, "what is missing was waited for once by a get: {:?}", begun.elapsed());
    assert_eq!((code, out.as_str()), (1, "stored\nstored\n"));
    let lines: Vec<_> = err.lines().collect();
    let lacks = "process 1 does not show 1 of the messages said before, after 1.5s: what line 3 said is the first";
    assert_eq!(lines.len(), 3, "{err}");
    assert!(lines[0].starts_with(&format!("error: line 4: {lacks}")), "{err}");
    assert!(lines[1].starts_with(&format!("error: line 5: {lacks}")), "{err}");
    assert!(
        lines[2].starts_with("error: line 6: process 0 has crashed; 1 of the messages said to it did not"),
        "{err}"
    );
}

#[test]
fn what_cannot_have_come_is_said_and_is_no_failure() {
    let place = Place::new("own", "true");
    let (code, out, err) = place.session(None, "0 start\n2 start\n0 msg 1 one\n2 get chatLog\n0 get chatLog\nexit\n");
    assert_eq!((code, out.as_str()), (0, "stored\nstored,one\n"));
    assert!(err.starts_with("note: line 4: process 2 cannot show 1 of the messages said before"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn the_store_of_a_session_goes_with_it() {
    let place = Place::new("plain", "true");
    place.script("process", &format!("echo ${SESSION_STORE} >> {}; exit 1", place.path("stores").display()));
    for _ in 0..2 {
        place.session(None, "0 start\n");
    }
    let stores = place.read("stores");
    let stores: Vec<_> = stores.lines().map(Path::new).collect();
    assert_eq!(stores.len(), 2);
    assert_ne!(stores[0], stores[1]);
    assert!(stores.iter().all(|store| store.is_absolute() && !store.exists()), "{stores:?}");
}
