//! The list of kinds, as a node sees it.

use std::sync::Arc;

use rumormill_testkit::offered::offered;

use super::*;

/// A node without letters and without a chat.
#[derive(Debug, Clone)]
pub(crate) struct Nothing;

impl Services for Nothing {
    type Letters = Self;
    type Chat = Self;
    fn letters(&self) -> Option<Self> {
        None
    }
    fn chat(&self, _: &Arc<Counters>) -> Self {
        Self
    }
}

impl Letters for Nothing {
    type Taken = ();
    async fn push(&self, _: &str, _: &str) -> Result<(), ServiceError> {
        Err(ServiceError::Failed("nobody carries letters".to_owned()))
    }
    async fn waiting(&self, _: usize) -> Result<Vec<Letter>, ServiceError> {
        Ok(Vec::new())
    }
    async fn handed_over(&self, _: Vec<u64>) -> Result<(), ServiceError> {
        Ok(())
    }
    async fn bring_back(&self, (): ()) -> Result<(), ServiceError> {
        Ok(())
    }
}

impl Chat for Nothing {
    type Cursor = ();
    async fn say(&self, _: String) -> Result<Durable, ServiceError> {
        Err(ServiceError::Failed("nobody listens".to_owned()))
    }
    async fn chat_part(&self, (): ()) -> Result<LogPart<()>, ServiceError> {
        Ok(LogPart { texts: Arc::default(), next: None })
    }
    async fn crash(&self, _: &mut Vec<Durable>) {}
}

#[test]
fn each_kind_has_a_name_of_its_own_and_a_chapter_for_people() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut names: Vec<_> = kinds::<Nothing>().iter().map(|kind| kind.about.kind).collect();
    for name in &names {
        assert!(page.contains(&format!("\n## {name}\n")), "docs/doors.md has no chapter on {name}");
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn a_kind_that_is_none_is_refused_with_all_there_are() {
    let refused = find::<Nothing>(&"gate".parse().unwrap()).unwrap_err().to_string();
    assert!(refused.starts_with("door `gate`: there is no such door; give one of udp-mesh, "), "{refused}");
    let long = find::<Nothing>(&Spec::new(&"x".repeat(10_000))).unwrap_err();
    assert!(long.door.len() < 100, "what was given is quoted in part");
}

#[tokio::test]
async fn every_kind_checks_its_settings_binds_and_ends_when_it_is_told_to() {
    for kind in kinds::<Nothing>() {
        let spec = Spec::new(kind.about.kind).insecure_bind(false);
        let mut wrong = spec.clone();
        wrong.set("colour", "red").unwrap();
        assert!(kind.check(&wrong).unwrap_err().to_string().contains("colour"), "{}", kind.about.kind);
        let mut free = spec;
        free.set("listen", "127.0.0.1:0").unwrap();
        kind.check(&free).unwrap();
        let door = kind.bind(&free, Files::default()).await.unwrap();
        assert!(door.local_addr.ip().is_loopback() && door.local_addr.port() != 0);
        assert_eq!(door.about, kind.about);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (port, _room) = port("alice", stopped);
        let running = tokio::spawn(door.run(port, Nothing));
        stop.send(true).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(60), running).await.expect(kind.about.kind).unwrap();
    }
}

#[test]
fn a_door_that_speaks_as_its_node_listens_on_this_machine_alone_whatever_leave_is_given() {
    for kind in kinds::<Nothing>() {
        let at = |listen: &str| {
            let mut spec = Spec::new(kind.about.kind).insecure_bind(true);
            spec.set("listen", listen).unwrap();
            kind.check(&spec)
        };
        for here in ["127.0.0.1:1", "127.0.0.9:1", "[::1]:1"] {
            at(here).unwrap();
        }
        for beyond in ["0.0.0.0:1", "[::]:1", "192.0.2.2:1", "[::ffff:192.0.2.2]:1"] {
            assert_eq!(at(beyond).is_err(), kind.about.speaks_as_node, "{} {beyond}", kind.about.kind);
        }
    }
}

#[test]
fn a_doors_files_bear_its_name() {
    let files = Files { dir: Some("alice.d".into()), door: "udp-mesh#2".to_owned() };
    assert_eq!(files.file("members"), Some("alice.d/udp-mesh-2.members".into()));
    assert_eq!(Files::default().file("members"), None);
}

#[test]
fn what_an_error_offers_is_taken_by_the_setting() {
    let mut ranges = 0;
    for kind in kinds::<Nothing>() {
        let at = format!("{},listen=127.0.0.1:4000", kind.about.kind);
        let check = |spec: &str| kind.check(&spec.parse().unwrap()).map_err(|why| why.to_string());
        // What else a key needs to stand there.
        for base in [at.clone(), format!("{at},join=127.0.0.1:4001"), format!("{at},join=127.0.0.1:4001,name=a")] {
            let unknown = check(&format!("{base},colour=red")).unwrap_err();
            let Some((_, keys)) = unknown.split_once("; it has ") else { continue };
            for key in keys.split(", ").filter(|key| !base.contains(&format!(",{key}="))) {
                let refused = check(&format!("{base},{key}=?")).err().unwrap_or_default();
                if !refused.contains(&format!("{key}: `?`")) {
                    continue;
                }
                let offered = offered(&refused);
                ranges += usize::from(refused.contains(" to ") && !offered.is_empty());
                for value in offered {
                    // Another key may be missing for it.
                    let answer = check(&format!("{base},{key}={value}")).err().unwrap_or_default();
                    assert!(!answer.contains("is not allowed"), "{answer}, but this offers it: {refused}");
                }
            }
        }
    }
    assert!(ranges >= 12, "every time and number of every door: {ranges}");
}
