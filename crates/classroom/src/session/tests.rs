use std::process::Command;

use super::*;

fn child(dir: &Path, script: &str) -> std::process::Child {
    let child = Command::new("sh").args(["-c", script]).arg(dir.join("deaf")).spawn().unwrap();
    let pid = child.id();
    create_dir(&dir.join(PROCESSES)).unwrap();
    let record = format!("{pid} {} 0 0 0\n", start_time(pid).unwrap());
    fs::write(dir.join(PROCESSES).join(pid.to_string()), record).unwrap();
    child
}

#[test]
fn recorded_processes_end_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut mine = child(dir.path(), "exec sleep 60");
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    // A record whose process id went to somebody else since.
    let record = format!("{} 1 5 0 0\n", other.id());
    fs::write(dir.path().join(PROCESSES).join("reused"), record).unwrap();
    let stopped = stop_all(dir.path()).unwrap();
    assert_eq!(stopped, Stopped { left: 1, killed: 0, gone: 1 });
    assert!(!mine.wait().unwrap().success());
    assert!(other.try_wait().unwrap().is_none(), "the other one lives");
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(stop_all(dir.path()).unwrap(), Stopped::default(), "the records are gone");
}

#[test]
fn one_that_does_not_leave_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut deaf = child(dir.path(), "trap '' TERM; echo deaf > $0; while :; do sleep 0.1; done");
    let deadline = Instant::now() + LEAVE_DEADLINE;
    while !dir.path().join("deaf").exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(stop_all(dir.path()).unwrap(), Stopped { left: 0, killed: 1, gone: 0 });
    assert!(!deaf.wait().unwrap().success());
}

#[test]
fn those_whose_starter_died_are_waited_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let mut left = child(dir.path(), "exec sleep 60");
    record(dir.path(), 1).unwrap();
    let path = dir.path().join(PROCESSES).join(left.id().to_string());
    let (pid, start) = (left.id(), start_time(left.id()).unwrap());
    let waits = |starter: u32, since: u64| {
        fs::write(&path, format!("{pid} {start} 0 {starter} {since}\n")).unwrap();
        let begun = Instant::now();
        outlast_deserted(dir.path());
        begun.elapsed() >= DESERTED_DEADLINE
    };
    let me = std::process::id();
    assert!(!waits(me, start_time(me).unwrap()), "its starter lives");
    assert!(!waits(0, 0), "nobody knows its starter");
    assert!(waits(me, 1), "its starter's process id is another's now");
    left.kill().unwrap();
    assert!(!waits(me, 1), "it has gone, though nobody waited for it");
    left.wait().unwrap();
}

#[test]
fn records_of_processes_that_have_gone_do_not_gather() {
    let dir = tempfile::tempdir().unwrap();
    let records = dir.path().join(PROCESSES);
    create_dir(&records).unwrap();
    for n in 0..MANY_RECORDS {
        fs::write(records.join(format!("old-{n}")), format!("{} 1 5 0 0\n", std::process::id())).unwrap();
    }
    record(dir.path(), 3).unwrap();
    let left: Vec<_> = fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [std::process::id().to_string().as_str()]);
    let process = Running::read(&records.join(&left[0])).unwrap();
    assert!(process.is_alive(), "this one");
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
    assert!(check_ours(&path).unwrap_err().contains("written by others"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(check_ours(&path).is_ok());
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(check_ours(&link).unwrap_err().contains("not a directory"));
}

#[test]
fn processes_are_found_where_they_are_whatever_became_of_the_directory_since() {
    let (here, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let places = Places::of(here.path(), Some(home.path()));
    let fallback = places.fallback.clone().unwrap();
    // While the directory took nothing, the first one went to the other place.
    create_dir(&fallback).unwrap();
    let mut first = child(&fallback, "exec sleep 60");
    assert_eq!(places.session().unwrap(), fallback, "the second goes where the first is");
    assert_eq!(places.stop().unwrap(), Stopped { left: 1, killed: 0, gone: 0 });
    assert!(!first.wait().unwrap().success());
    assert_eq!(places.session().unwrap(), places.local);

    let mut first = child(&places.local, "exec sleep 60");
    fs::remove_dir_all(&fallback).unwrap();
    // Nothing can be made in it now.
    let probe = places.local.join(format!(".probe-{}", std::process::id()));
    fs::create_dir(&probe).unwrap();
    assert_eq!(places.session().unwrap(), places.local, "not to another place, with other certificates");
    assert_eq!(places.stop().unwrap(), Stopped { left: 1, killed: 0, gone: 0 });
    assert!(!first.wait().unwrap().success());
    assert_eq!(places.session().unwrap(), fallback, "a new session goes where there is room");
}
