//! The unit of docs/operations.md, as an unprivileged user with a read-only root: what the page says is what is run.
//!
//! And the socket of another user, to which nothing is sent; and another user at ours, who is not answered.
//!
//! Needs root to make namespaces of its own and to be another user, so it is ignored in a plain run: `cargo test --test operations -- --ignored`, as
//! `.ci/run` does.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use rumormill_testkit::wait::until;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

const RUMORMILL: &str = env!("CARGO_BIN_EXE_rumormill");
/// The user that the page calls by name; nobody else's number.
const UID: u32 = 61_234;

/// What the unit asks of the system, done by hand: a root of its own in which only the state directory can be written, the
/// user, no new privileges, the address of the page. Says what comes of it.
const SCRIPT: &str = r#"
set -eu
root=$1 etc=$2 program=$3 uid=$4 state=$5 command=$6 address=$7
ip link set lo up
ip addr add "$address/32" dev lo
mount -t tmpfs tmpfs "$root"
mkdir -p "$root/usr" "$root/proc" "$root/dev" "$root/etc" "$root/tmp" "$root$state"
for dir in bin sbin lib lib64; do
    if [ -L "/$dir" ]; then cp -d "/$dir" "$root/$dir"; elif [ -d "/$dir" ]; then mkdir "$root/$dir"; mount --bind "/$dir" "$root/$dir"; fi
done
mount --bind /usr "$root/usr"
mount -t tmpfs tmpfs "$root/usr/local"
mkdir -p "$root$(dirname "$program")"
cp "$RUMORMILL" "$root$program"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
cp -a "$etc" "$root/etc/rumormill"
[ -e /etc/ld.so.cache ] && cp /etc/ld.so.cache "$root/etc"
mount -t tmpfs tmpfs "$root$state"
chown "$uid:$uid" "$root$state"
chmod 0755 "$root$state"
for dir in "$root/usr/local" "$root/usr" "$root"; do mount -o remount,ro,bind "$dir"; done
# Not a function: the signal at the end goes to the node itself.
as="chroot $root setpriv --reuid $uid --regid $uid --clear-groups --no-new-privs"
if $as touch /etc/rumormill/written 2>/dev/null; then echo "the root can be written"; fi
$as $command &
node=$!
trap 'kill -KILL "$node" 2>/dev/null || true' EXIT
for n in $(seq 600); do [ -S "$root$state/node.sock" ] && break; kill -0 "$node" || break; sleep 0.1; done
$as "$program" send --state "$state" 'from the unit'
$as "$program" log --state "$state"
$as "$program" peers --state "$state"
kill -TERM "$node"
code=0
wait "$node" || code=$?
echo "ended with $code"
find "$root$state" -mindepth 1 | sed "s|$root||" | sort
"#;

fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let open = format!("```{language}\n");
    let begin = page.find(&open).unwrap_or_else(|| panic!("the page has no block of {language}"));
    let rest = page.get(begin + open.len()..).unwrap();
    rest.get(..rest.find("```").unwrap()).unwrap()
}

fn setting<'a>(block: &'a str, key: &str) -> &'a str {
    let value = block.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='));
    value.unwrap_or_else(|| panic!("the page says no {key}")).trim().trim_matches('"')
}

fn done(command: &mut Command) -> Output {
    command.env("RUMORMILL", RUMORMILL).stdin(Stdio::null()).output().unwrap()
}

#[test]
#[ignore = "needs root and the ip command (Debian: iproute2)"]
fn the_unit_of_the_page_runs_as_its_user_with_a_read_only_root() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md")).unwrap();
    let (unit, toml) = (block(&page, "ini"), block(&page, "toml"));
    assert_eq!(setting(unit, "ProtectSystem"), "strict", "the root is read-only");
    assert_eq!(setting(unit, "User"), "rumormill");
    assert!(!unit.contains("ReadWritePaths"), "nothing but the state directory is written");
    let command = setting(unit, "ExecStart");
    let state = format!("/var/lib/{}", setting(unit, "StateDirectory"));
    assert_eq!(setting(toml, "state"), state);
    let (name, address) = (setting(toml, "name"), setting(toml, "listen").rsplit_once(':').unwrap().0);

    // Steps 1 to 3 of the page.
    let dir = tempfile::tempdir().unwrap();
    let (home, etc, root) = (dir.path().join("ca"), dir.path().join("etc"), dir.path().join("root"));
    for words in [&["certs", "init"][..], &["certs", "issue", name, "--out", &etc.display().to_string()]] {
        let made = done(Command::new(RUMORMILL).args(words).arg("--home").arg(&home));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    fs::write(etc.join("node.toml"), toml).unwrap();
    fs::create_dir(&root).unwrap();
    let owner = Command::new("chown").arg("-R").arg(format!("{UID}:{UID}")).arg(&etc).status().unwrap();
    assert!(owner.success());

    let program = command.split_whitespace().next().unwrap();
    let mut words = Command::new("unshare");
    words.args(["--mount", "--net", "--propagation", "private", "sh", "-c", SCRIPT, "unit"]);
    words.arg(&root).arg(&etc).args([program, &UID.to_string(), &state, command, address]);
    let run = done(&mut words);
    let (told, log) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let all = format!("{told}\n{log}");
    assert!(run.status.success(), "{all}");
    assert!(!told.contains("the root can be written"), "{all}");
    assert!(told.contains("from the unit") && told.contains("ended with 0"), "{all}");
    assert!(told.contains(&format!("{state}/log.db")) && told.contains(".incarnation"), "{all}");
}

/// A node on a disk with so much room, and once more when there is enough: each says how it goes and ends, in a file of its own.
const FULL_DISK: &str = r#"
set -eu
state=$1 home=$2 room=$3 out=$4
start() {
    "$RUMORMILL" node --name "n$room" --home "$home" --listen 127.0.0.1:0 --state "$state" 2> "$out/$1" &
    node=$!
    for n in $(seq 600); do grep -q 'listening\|error:' "$out/$1" && break; sleep 0.1; done
    kill -TERM "$node" 2>/dev/null || true
    wait "$node" || true
}
mount -t tmpfs -o "size=$room,mode=700" tmpfs "$state"
start first
mount -o remount,size=64m "$state"
start second
ls "$state" >> "$out/second"
"#;

/// Wherever the room ends: the reason is said, and what is left is no damage.
#[test]
#[ignore = "needs root to mount a small disk"]
fn a_start_on_a_full_disk_says_so_and_leaves_nothing_that_the_next_one_calls_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let [home, state, out] = ["ca", "state", "out"].map(|name| dir.path().join(name));
    assert!(done(Command::new(RUMORMILL).args(["certs", "init", "--home"]).arg(&home)).status.success());
    fs::create_dir(&state).unwrap();
    fs::create_dir(&out).unwrap();
    let mut failed = 0;
    for pages in 1..16 {
        let room = format!("{}k", 4 * pages);
        let mut words = Command::new("unshare");
        words.args(["--mount", "--propagation", "private", "sh", "-c", FULL_DISK, "full"]);
        let run = done(words.arg(&state).arg(&home).arg(&room).arg(&out));
        assert!(run.status.success(), "{room}: {}", String::from_utf8_lossy(&run.stderr));
        let [first, second] = ["first", "second"].map(|name| fs::read_to_string(out.join(name)).unwrap());
        if !first.contains("listening") {
            failed += 1;
            assert!(first.contains("disk is full") || first.contains("No space left"), "{room}: {first}");
        }
        assert!(!first.contains("ulimit") && second.contains("listening"), "{room}: {first}{second}");
        assert!(!second.contains("damaged"), "{room}: {second}");
    }
    assert!(failed > 3, "there was room enough {failed} times");
}

/// Where temporary files go and none can be made, the demo names the place, the reason and the way out.
#[test]
#[ignore = "needs root to mount a small disk"]
fn a_demo_in_a_place_that_takes_no_files_says_which_and_why() {
    const MOUNTED: &str = r#"mount -t tmpfs -o "$2" tmpfs "$1" && TMPDIR=$1 exec "$RUMORMILL" demo"#;
    let dir = tempfile::tempdir().unwrap();
    for (how, words) in [("ro", "cannot be written: read-only"), ("nr_inodes=1", "is full: no storage space")] {
        let mut demo = Command::new("unshare");
        demo.args(["--mount", "--propagation", "private", "sh", "-c", MOUNTED, "mounted"]).arg(dir.path()).arg(how);
        let run = done(demo.env("RUMORMILL", RUMORMILL));
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{how}: {said}");
        let place = dir.path().display().to_string();
        assert!(said.contains(words) && said.contains(&place) && said.contains("TMPDIR"), "{how}: {said}");
    }
}

/// Listens as another user, by a thread that has become that user: what each of so many clients sent.
fn listen_as(uid: u32, path: &Path, clients: usize) -> thread::JoinHandle<Vec<String>> {
    let (path, (ready, listening)) = (path.to_owned(), std::sync::mpsc::channel());
    let listener = thread::spawn(move || {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
        let listener = UnixListener::bind(path).unwrap();
        ready.send(()).unwrap();
        let sent = |()| {
            let mut sent = String::new();
            listener.accept().unwrap().0.read_to_string(&mut sent).unwrap();
            sent
        };
        std::iter::repeat_n((), clients).map(sent).collect()
    });
    listening.recv().unwrap();
    listener
}

#[test]
#[ignore = "needs root to be another user for a while"]
fn nothing_is_sent_to_the_socket_of_another_user() {
    let dir = tempfile::tempdir().unwrap();
    let (public, home) = (dir.path().join("public"), dir.path().join("ca"));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&public).unwrap();
    chown(&public, Some(UID), Some(UID)).unwrap();
    let socket = public.join("node.sock");
    for words in [&["certs", "init"][..], &["certs", "issue", "alice"]] {
        assert!(done(Command::new(RUMORMILL).args(words).arg("--home").arg(&home)).status.success());
    }
    let home = home.display().to_string();
    let commands: &[&[&str]] = &[
        &["send", "a secret"],
        &["log"],
        &["log", "--follow"],
        &["peers"],
        &["doors"],
        &["metrics"],
        &["certs", "revoke", "alice", "--home", &home],
        &["menu", "--listen", "127.0.0.1"],
    ];
    let listener = listen_as(UID, &socket, commands.len());
    for words in commands {
        let run = done(Command::new("timeout").arg("60").arg(RUMORMILL).args(*words).arg("--socket").arg(&socket));
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "{words:?}: {said}");
        assert!(
            said.contains(&format!("another user listens at {} (uid {UID}", socket.display())),
            "{words:?}: {said}"
        );
    }
    assert_eq!(listener.join().unwrap(), vec![String::new(); commands.len()]);
}

/// A CA of root's, and a node that runs as another user.
#[test]
#[ignore = "needs root to be another user for a while"]
fn root_asks_the_node_of_another_user_where_it_says_so_and_nobody_else_makes_files_there() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let home = dir.path().join("ca").display().to_string();
    for words in [&["certs", "init"][..], &["certs", "issue", "alice"]] {
        assert!(done(Command::new(RUMORMILL).args(words).args(["--home", &home])).status.success());
    }
    let revoke = |n: u32, mode: u32, flag: Option<&str>| {
        let state = dir.path().join(n.to_string());
        fs::create_dir(&state).unwrap();
        chown(&state, Some(UID), Some(UID)).unwrap();
        fs::set_permissions(&state, Permissions::from_mode(mode)).unwrap();
        let mut revoke = Command::new("timeout");
        revoke.args(["60", RUMORMILL, "certs", "revoke", "alice", "--home", &home, "--state"]).arg(&state).args(flag);
        (state, revoke)
    };
    for (n, flag) in [(0, None), (1, Some("--node-of-owner"))] {
        let (state, mut revoke) = revoke(n, 0o755, flag);
        let listener = listen_as(UID, &state.join("node.sock"), 1);
        let run = done(&mut revoke);
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1), "this one answers nothing: {said}");
        assert_eq!(said.contains("say --node-of-owner"), flag.is_none(), "{said}");
        assert_eq!(listener.join().unwrap().concat().is_empty(), flag.is_none(), "{said}");
    }
    // Nobody is asked where others can put a listener.
    let run = done(&mut revoke(2, 0o775, Some("--node-of-owner")).1);
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("can be written by others") && said.contains("nothing was changed"), "{said}");
}

/// Ends it whichever way the test does.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs root to be another user for a while"]
fn another_user_is_answered_nothing_whatever_the_mode_of_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let (public, program) = (dir.path().join("public"), dir.path().join("rumormill"));
    fs::create_dir(&public).unwrap();
    fs::copy(RUMORMILL, &program).unwrap();
    let socket = public.join("node.sock");
    let mut node = Command::new(RUMORMILL);
    node.args(["node", "--name", "alice", "--listen", "127.61.23.4:0", "--socket"]).arg(&socket);
    node.arg("--home").arg(dir.path().join("home")).arg("--state").arg(dir.path().join("state"));
    let _node = Ended(node.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let ask = |uid: u32, words: &[&str]| {
        let mut ask = Command::new("timeout");
        ask.arg("60").arg(&program).args(words).arg("--socket").arg(&socket).current_dir("/");
        if uid != 0 {
            ask.uid(uid).gid(uid);
        }
        ask.output().unwrap()
    };
    until("the node answers", || ask(0, &["send", "a secret"]).status.success());
    fs::set_permissions(&public, Permissions::from_mode(0o755)).unwrap();
    for (mode, words) in
        [(0o600, "may not be opened by this user"), (0o777, "answers its own user (uid 0) and root, and you are uid")]
    {
        fs::set_permissions(&socket, Permissions::from_mode(mode)).unwrap();
        for asked in [&["log"][..], &["send", "of another"], &["peers"]] {
            let done = ask(UID, asked);
            let (told, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            assert_eq!(done.status.code(), Some(1), "{asked:?}: {said}");
            assert!(
                said.contains(words) && !said.contains("is it running") && told.is_empty(),
                "{asked:?}: {told} {said}"
            );
        }
    }
    let log = String::from_utf8(ask(0, &["log"]).stdout).unwrap();
    assert!(log.contains("a secret") && !log.contains("of another"), "{log}");
    let metrics: serde_json::Value = serde_json::from_slice(&ask(0, &["metrics"]).stdout).unwrap();
    assert_eq!(metrics["node_socket_strangers"], 3, "{metrics}");
}
