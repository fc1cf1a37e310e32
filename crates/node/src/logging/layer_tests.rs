use std::io;

use tracing_subscriber::layer::SubscriberExt;

use super::*;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Page {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What `act` logs.
fn logged(format: LogFormat, colour: bool, act: impl FnOnce(&Log<Page>)) -> String {
    let page = Page::default();
    let log = Arc::new(Log::new(format, colour, page.clone()));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(LogLayer(Arc::clone(&log))), || act(&log));
    String::from_utf8(lock(&page.0).clone()).unwrap()
}

const HOSTILE: &str = "bye\n2026-11-25T00:00:00.000000Z  INFO link up peer=alice\r\u{1b}[2J\u{9b}\u{202e}\u{2066}\u{200b}\u{2028} reason=fine";

#[test]
fn whatever_stands_in_a_record_it_is_one_line_and_moves_nothing() {
    for colour in [false, true] {
        let out = logged(LogFormat::Human, colour, |_| {
            tracing::info!(peer = HOSTILE, why = %HOSTILE, list = ?[HOSTILE], n = 7, "link down");
            tracing::warn!("a message with {HOSTILE}");
            tracing::error!(error = &io::Error::other(HOSTILE) as &dyn std::error::Error, "failed");
        });
        assert_eq!(out.lines().count(), 3, "{out}");
        let bare = ["\x1b[2m", "\x1b[0m", "\x1b[31m", "\x1b[32m", "\x1b[33m"];
        let bare = bare.iter().fold(out.clone(), |text, own| text.replace(own, ""));
        assert!(!bare.chars().any(|c| c != '\n' && rumormill_wire::foreign::is_hidden(c)), "{bare:?}");
        let first = bare.lines().next().unwrap();
        assert!(first.contains(" INFO link down peer=\"bye\\n2026") && first.ends_with(" n=7"), "{first}");
        assert!(
            first.contains("\\u{202e}\\u{2066}\\u{200b}\\u{2028} reason=fine\" why="),
            "in quotation marks: {first}"
        );
    }
}

#[test]
fn json_records_are_one_object_with_the_raw_value_and_nothing_hidden() {
    let out = logged(LogFormat::Json, false, |_| {
        tracing::info!(peer = HOSTILE, n = 7, up = true, "link \u{202e}down");
    });
    assert_eq!(out.lines().count(), 1);
    assert!(!out.chars().any(|c| c != '\n' && rumormill_wire::foreign::is_hidden(c)), "{out:?}");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&value["peer"], &value["n"], &value["up"]), (&HOSTILE.into(), &7.into(), &true.into()));
    assert_eq!((&value["level"], &value["message"]), (&"INFO".into(), &"link \u{202e}down".into()));
    assert!(value["timestamp"].as_str().unwrap().ends_with('Z') && value["target"].is_string());
}

#[test]
fn lines_and_fields_are_bounded_in_bytes() {
    let long = "\u{202e}x".repeat(20_000);
    for format in [LogFormat::Human, LogFormat::Json] {
        let out = logged(format, false, |_| tracing::info!(peer = long, why = %long, "{long}"));
        assert!(out.len() < 8_192, "{}", out.len());
        assert!(out.contains("(+"), "it says how much is missing: {out}");
    }
}

#[test]
fn a_flood_of_lines_is_bounded_counted_and_told() {
    let out = logged(LogFormat::Human, false, |log| {
        for n in 0..5_000 {
            tracing::info!(peer = "mallory", reason = "does not hold", n, "a list");
            tracing::info!(peer = %format!("198.51.{}.{}:{}", n % 250, n % 7, 1_000 + n), reason = "not TLS", "refused");
        }
        tracing::info!(peer = "bob", "draining");
        assert!(log.left_out() > 9_800, "{}", log.left_out());
        log.tell_left_out(true);
    });
    let of = |word: &str| out.lines().filter(|line| line.contains(word)).count();
    assert!(of(" a list ") <= 9 && of(" refused ") <= 60, "{out}");
    assert_eq!(of("draining"), 1);
    let told: u64 = out
        .lines()
        .filter(|line| line.contains("lines were left out"))
        .map(|line| line.split("lines=").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(told + u64::try_from(of(" a list ") + of(" refused ")).unwrap(), 10_000, "{out}");
    assert_eq!(of("lines were left out"), 2, "one for each callsite and reason: {out}");
    assert!(out.contains("of=refused reason=\"not TLS\" subjects=250 most=\"198.51.100.0/24 (20), "), "{out}");
    assert!(out.contains("of=\"a list\" reason=\"does not hold\" subject=mallory in_s=0"), "{out}");
}

#[test]
fn strangers_count_by_their_prefix() {
    let subject = |addr: &str| LogRecord::say("", vec![("peer", addr.to_owned())]).subject();
    assert_eq!(subject("198.51.100.7:4000"), "198.51.100.0/24");
    assert_eq!(subject("[2001:db8:1:2::7]:4000"), "2001:db8:1::/48");
    assert_eq!(subject("127.0.0.9:1"), "127.0.0.9");
    assert_eq!(subject("alice"), "alice");
}
