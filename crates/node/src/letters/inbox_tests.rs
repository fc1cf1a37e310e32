use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use rumormill_wire::{Clock, Incarnation, NodeId};

use super::super::keys::MAX_KEYS;
use super::super::shares::{MAX_BY_SENDER, MAX_BYTES_BY_SENDER};
use super::*;

fn origin(node: u8) -> Origin {
    Origin { node: NodeId([node; 32]), incarnation: Incarnation(7) }
}

fn letter(seq: u64, contents: &str) -> FoundInLog {
    FoundInLog::Letter(Seq(seq), contents.to_owned())
}

fn key(node: u8, seq: u64, clock: u64) -> MemberKey {
    MemberKey { clock: Clock(clock), origin: origin(node), seq: Seq(seq), key: vec![u8::try_from(seq).unwrap(); 32] }
}

fn texts(inbox: &Inbox) -> Vec<&str> {
    inbox.waiting.values().map(|letter| letter.contents.as_str()).collect()
}

#[test]
fn what_was_taken_outlives_a_crash_and_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letters.jsonl");
    let mut inbox = Inbox::open(&path, Wall::default()).unwrap();
    assert!(inbox.take(origin(1), vec![letter(3, "one"), letter(5, "t\nwo")], Seq(9)).unwrap());
    assert!(inbox.take(origin(2), vec![letter(1, "three"), FoundInLog::Key(key(2, 2, 50))], Seq(3)).unwrap());
    inbox.take_from("127.0.0.9".parse().unwrap(), "four".into()).unwrap();
    inbox.relay("127.0.0.8".parse().unwrap(), "out".into()).unwrap();
    inbox.gone(vec![0, 77]).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for cut in ["", "{\"letter\":{\"id\":9,\"at\":nu"] {
        // A crash: nothing was said to the file, and its last line may be half there.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(cut.as_bytes()).unwrap();
        inbox = Inbox::open(&path, Wall::default()).unwrap();
        assert_eq!(texts(&inbox), ["t\nwo", "three", "four"]);
        assert_eq!(inbox.waiting[&1].came, Came::Log(origin(1), Seq(5)));
        assert_eq!(inbox.waiting[&3].came, Came::Address("127.0.0.9".parse().unwrap()));
        assert_eq!(inbox.relayed.len(), 1);
        assert_eq!(inbox.keys.of(&NodeId([2; 32])), Some(&key(2, 2, 50)));
        // The log is read again from the last letter on.
        assert_eq!(inbox.next_of(&origin(1)), Some(Seq(6)));
        assert!(inbox.take(origin(1), vec![letter(3, "one"), letter(5, "t\nwo")], Seq(6)).unwrap());
        assert_eq!(inbox.waiting.len(), 3);
    }
    assert!(!path.with_extension("jsonl.bad").exists());
    inbox.take(origin(1), Vec::new(), Seq(1_000)).unwrap();
    inbox.save().unwrap();
    inbox.gone((0..10).collect()).unwrap();
    inbox = Inbox::open(&path, Wall::default()).unwrap();
    assert!(inbox.waiting.is_empty() && inbox.relayed.is_empty() && inbox.in_turn(9, |_| true).count() == 0);
    assert_eq!(inbox.next_of(&origin(1)), Some(Seq(1_000)));
    assert!(inbox.take(origin(1), vec![letter(5, "t\nwo"), letter(1_000, "new")], Seq(1_001)).unwrap());
    assert_eq!(inbox.waiting.iter().map(|(id, l)| (*id, l.contents.as_str())).collect::<Vec<_>>(), [(5, "new")]);
}

#[test]
fn what_was_handed_over_is_gone_on_the_disk_and_what_is_brought_back_waits_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letters.jsonl");
    let mut inbox = Inbox::open(&path, Wall::default()).unwrap();
    assert!(inbox.take(origin(1), vec![letter(3, "one"), letter(5, "two")], Seq(9)).unwrap());
    inbox.take_from("127.0.0.9".parse().unwrap(), "three".into()).unwrap();
    let before = inbox.waiting.clone();
    let taken = inbox.hand_over(vec![0, 2, 77]).unwrap();
    assert_eq!(taken.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 2]);
    let on_disk = |path: &Path| {
        let copy = path.with_extension("copy");
        fs::copy(path, &copy).unwrap();
        Inbox::open(&copy, Wall::default()).unwrap()
    };
    assert_eq!((texts(&inbox), texts(&on_disk(&path))), (vec!["two"], vec!["two"]));
    inbox.bring_back(taken).unwrap();
    for inbox in [&inbox, &on_disk(&path)] {
        assert_eq!(inbox.waiting, before);
        assert_eq!(inbox.in_turn(9, |_| true).count(), 3);
        assert!(inbox.next_of(&origin(1)) >= Some(Seq(6)) && inbox.next_id == 3);
    }
    assert!(inbox.take(origin(1), vec![letter(3, "one")], Seq(9)).unwrap() && inbox.waiting.len() == 3, "taken once");
}

#[test]
fn a_file_that_others_remove_or_put_an_old_copy_in_place_of_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("letters.jsonl"), dir.path().join("copy"));
    let mut inbox = Inbox::open(&path, Wall::default()).unwrap();
    let harm: [&dyn Fn(); 3] = [&|| fs::remove_file(&path).unwrap(), &|| fs::rename(&copy, &path).unwrap(), &|| {
        assert!(fs::copy(&copy, &path).is_ok())
    }];
    for (harm, seq) in harm.into_iter().zip([1, 11, 21]) {
        assert!(inbox.take(origin(1), vec![letter(seq, "one"), letter(seq + 1, "two")], Seq(seq + 2)).unwrap());
        fs::copy(&path, &copy).unwrap();
        let ids: Vec<_> = inbox.waiting.keys().copied().take(1).collect();
        inbox.hand_over(ids).unwrap();
        harm();
        // What comes next is kept beside what was there, and so it is where nothing comes.
        inbox.take_from("127.0.0.9".parse().unwrap(), "three".into()).unwrap();
        let again = Inbox::open(&path, Wall::default()).unwrap();
        assert_eq!(texts(&again), ["two", "three"]);
        inbox = again;
        inbox.hand_over(inbox.waiting.keys().copied().collect()).unwrap();
        fs::copy(&path, &copy).unwrap();
        harm();
        inbox.look().unwrap();
        inbox = Inbox::open(&path, Wall::default()).unwrap();
        assert!(inbox.waiting.is_empty() && inbox.next_of(&origin(1)) == Some(Seq(seq + 2)));
    }
}

#[test]
fn a_file_of_something_else_without_a_line_end_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letters.jsonl");
    fs::write(&path, "my notes").unwrap();
    assert!(texts(&Inbox::open(&path, Wall::default()).unwrap()).is_empty());
    assert_eq!(fs::read_to_string(path.with_extension("jsonl.bad")).unwrap(), "my notes\n");
}

#[test]
fn lines_that_cannot_be_read_are_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letters.jsonl");
    let mut inbox = Inbox::open(&path, Wall::default()).unwrap();
    inbox.take(origin(1), vec![letter(1, "one")], Seq(2)).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("not json\n{good}{{\"later\":1}}\n")).unwrap();
    assert_eq!(texts(&Inbox::open(&path, Wall::default()).unwrap()), ["one"]);
    assert_eq!(fs::read_to_string(path.with_extension("jsonl.bad")).unwrap(), "not json\n{\"later\":1}\n");
}

#[test]
fn what_is_too_much_of_one_waits_in_the_log_and_others_letters_do_not() {
    let mut inbox = Inbox::default();
    let many = u64::try_from(MAX_BY_SENDER).unwrap();
    assert!(!inbox.take(origin(1), (1..=12_000).map(|seq| letter(seq, "x")).collect(), Seq(12_001)).unwrap());
    assert_eq!((inbox.waiting.len(), inbox.next_of(&origin(1))), (MAX_BY_SENDER, Some(Seq(many + 1))));
    assert!(inbox.is_held_back(&origin(1)) && inbox.held_back() == 1 && inbox.has_room_again().is_empty());
    assert!(inbox.take(origin(2), vec![letter(1, "honest 1"), letter(2, "honest 2")], Seq(3)).unwrap());
    assert!(!inbox.is_held_back(&origin(2)));
    let first: Vec<_> = inbox.in_turn(4, |_| true).map(|(_, letter)| letter.contents.as_str()).collect();
    assert_eq!(first, ["x", "honest 1", "x", "honest 2"]);
    // As letters are pulled the rest comes, each once and in its order.
    let (mut seqs, mut pulled) = (many + 1, 0);
    while !inbox.waiting.is_empty() {
        let ids: Vec<_> = inbox.in_turn(300, |_| true).map(|(id, _)| id).collect();
        pulled += ids.len();
        inbox.gone(ids).unwrap();
        if seqs <= 12_000 {
            assert_eq!(inbox.has_room_again(), [origin(1)]);
            inbox.take(origin(1), (seqs..=12_000).map(|seq| letter(seq, "x")).collect(), Seq(12_001)).unwrap();
            seqs = inbox.next_of(&origin(1)).unwrap().0;
        }
    }
    assert_eq!((pulled, seqs), (12_002, 12_001));
    inbox.has_caught_up(&origin(1));
    assert_eq!(inbox.held_back(), 0);
}

#[test]
fn letters_of_addresses_and_to_them_have_shares_too() {
    let mut inbox = Inbox::default();
    let address = |last| -> IpAddr { [127, 0, 0, last].into() };
    let big = "x".repeat(1 << 15);
    while inbox.take_from(address(1), big.clone()).is_ok() {}
    while inbox.relay(address(1), big.clone()).is_ok() {}
    assert_eq!((inbox.waiting.len(), inbox.relayed.len()), (MAX_BYTES_BY_SENDER >> 15, MAX_BYTES_BY_SENDER >> 15));
    inbox.take_from(address(2), big.clone()).unwrap();
    inbox.relay(address(2), big).unwrap();
    assert!(inbox.take(origin(1), vec![letter(1, "a member's")], Seq(2)).unwrap());
}

#[test]
fn the_last_key_of_a_member_counts_and_there_are_not_too_many() {
    let mut inbox = Inbox::default();
    inbox.take(origin(1), vec![FoundInLog::Key(key(1, 1, 10)), FoundInLog::Key(key(1, 2, 20))], Seq(3)).unwrap();
    inbox.take(origin(1), vec![FoundInLog::Key(key(1, 3, 15))], Seq(4)).unwrap();
    assert_eq!(inbox.keys.of(&NodeId([1; 32])).unwrap().seq, Seq(3));
    for n in 0..u32::try_from(MAX_KEYS).unwrap() + 10 {
        let mut node = [9; 32];
        node[..4].copy_from_slice(&n.to_be_bytes());
        let mut key = key(1, 1, 1);
        key.origin.node = NodeId(node);
        inbox.take(origin(1), vec![FoundInLog::Key(key)], Seq(5)).unwrap();
    }
    assert_eq!(inbox.keys.records().count(), MAX_KEYS);
    assert_eq!(inbox.keys.of(&NodeId([1; 32])).unwrap().seq, Seq(3));
}

#[test]
fn what_was_withdrawn_waits_no_longer_here_or_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letters.jsonl");
    let open = || Inbox::open(&path, Wall::default()).unwrap();
    let mut inbox = open();
    assert!(inbox.take(origin(1), vec![letter(3, "counts"), letter(5, "does not")], Seq(9)).unwrap());
    assert!(inbox.take(origin(2), vec![letter(5, "another's")], Seq(9)).unwrap());
    inbox.take_from("127.0.0.9".parse().unwrap(), "by a door".into()).unwrap();
    inbox.take(origin(1), vec![FoundInLog::Key(key(1, 9, 10))], Seq(10)).unwrap();
    inbox.take(origin(2), vec![FoundInLog::Key(key(2, 9, 10))], Seq(10)).unwrap();
    assert_eq!(inbox.let_go(&Counting::default()), 0);
    // Where each stands outlives a restart, and a file that is written anew.
    inbox = open();
    let withdrawn = Counting::without(origin(1), Seq(5));
    assert_eq!((inbox.let_go(&withdrawn), inbox.let_go(&withdrawn)), (1, 0));
    for mut inbox in [inbox, open()] {
        assert_eq!(texts(&inbox), ["counts", "another's", "by a door"]);
        assert!(inbox.keys.of(&NodeId([1; 32])).is_none() && inbox.keys.of(&NodeId([2; 32])).is_some());
        assert!(inbox.next_of(&origin(1)) >= Some(Seq(6)), "it is not read again");
        assert!(inbox.keys.is_news(&key(1, 2, 1)), "an older key counts if it comes again");
    }
}

#[test]
fn a_letter_of_which_no_file_says_where_it_stood_counts_while_all_of_its_author_does() {
    let unknown = Origin { incarnation: Incarnation(0), ..origin(1) };
    assert!(Counting::default().counts(&unknown, Seq(0)));
    assert!(!Counting::without(origin(1), Seq(500)).counts(&unknown, Seq(0)));
    assert!(Counting::without(origin(2), Seq(1)).counts(&unknown, Seq(0)));
}
