use super::*;
use proptest::prelude::*;

#[test]
fn every_line_of_the_interface_reads() {
    let msg = ProcessLine::Msg { id: "-7", text: "two  spaces, a comma" };
    let cases: &[(&str, ProxyLine<'_>)] = &[
        ("0 start 4 10004", ProxyLine::Start { id: 0, place: Some(StartPlace { n: 4, port: 10_004 }) }),
        ("12 start", ProxyLine::Start { id: 12, place: None }),
        ("3 msg -7 two  spaces, a comma", ProxyLine::To { id: 3, line: msg }),
        ("1 get chatLog", ProxyLine::To { id: 1, line: ProcessLine::GetChatLog }),
        ("1 crash", ProxyLine::To { id: 1, line: ProcessLine::Crash { suffix: "" } }),
        ("1 crashAfterVote", ProxyLine::To { id: 1, line: ProcessLine::Crash { suffix: "AfterVote" } }),
        ("exit", ProxyLine::Exit),
    ];
    for (line, expected) in cases {
        assert_eq!(ProxyLine::parse(line.as_bytes()).as_ref(), Ok(expected), "{line}");
        let mut out = Vec::new();
        expected.encode(&mut out).unwrap();
        assert_eq!(out, format!("{line}\n").as_bytes());
    }
}

#[test]
fn faults_name_the_place_and_the_reason() {
    use ClassroomFault as F;
    let cases: &[(&[u8], usize, F)] = &[
        (b"", 0, F::Command),
        (b"hello", 0, F::Command),
        (b"01 start", 0, F::Number),
        (b"0 start 4", 9, F::Truncated),
        (b" 0 start 4 ", 10, F::Truncated),
        (b"0 start 4 99999", 10, F::Port),
        (b"0 start 4 0", 10, F::Port),
        (b"0 start 4 09", 10, F::Port),
        (b"4 start 4 10000", 8, F::IdRange),
        (b"0 msg x hi", 6, F::MessageId),
        (b"0 msg", 5, F::Truncated),
        (b"0 msg 1", 7, F::NoMessage),
        (b"0 msg 1 ", 7, F::NoMessage),
        (b"0 msg 1\r", 7, F::NoMessage),
        (b"0 msg 1x hi", 6, F::MessageId),
        (b"0 msg 1 a\rb", 9, F::LineEnd),
        (b"0x msg 1 a", 1, F::Trailing),
        (b"0 msgs 1 a", 2, F::Command),
        (b"0 msg 1 \xff", 8, F::Utf8),
        (b"0 gets", 2, F::Command),
        (b"exit now", 4, F::Trailing),
        (b"0 get\nchatLog", 5, F::LineEnd),
    ];
    for (line, offset, reason) in cases {
        let found = ProxyLine::parse(line);
        assert_eq!(found, Err(ClassroomError { offset: *offset, reason: *reason }), "{:?}", line.escape_ascii());
    }
}

#[test]
fn blanks_are_taken_as_the_programs_in_use_take_them() {
    let start = ProxyLine::Start { id: 1, place: Some(StartPlace { n: 2, port: 10_001 }) };
    let msg = |text| ProxyLine::To { id: 1, line: ProcessLine::Msg { id: "3", text } };
    let get = ProxyLine::To { id: 1, line: ProcessLine::GetChatLog };
    let crash = |suffix| ProxyLine::To { id: 1, line: ProcessLine::Crash { suffix } };
    let cases: &[(&str, ProxyLine<'_>)] = &[
        ("1   start  2  10001", start),
        ("\t1\tstart 2 10001 \t", start),
        ("\u{feff}1 start 2 10001\r", start),
        ("1 start\r", ProxyLine::Start { id: 1, place: None }),
        ("1 msg  3 x", msg("x")),
        ("1 msg 3\t x", msg("x")),
        (" 1 msg 3   two  spaces,\ta tab \r", msg("two  spaces,\ta tab")),
        ("1 get  chatLog", get),
        ("1 get chatLog  \r", get),
        ("1 get", get),
        ("1 get chatlog", get),
        ("1\tget\tthe log, please", get),
        ("1 crash \r", crash("")),
        ("1  crash now", crash(" now")),
        ("\u{feff} exit \r", ProxyLine::Exit),
    ];
    for (line, expected) in cases {
        assert_eq!(ProxyLine::parse(line.as_bytes()).as_ref(), Ok(expected), "{line:?}");
        if let ProxyLine::To { line: expected, .. } = expected {
            let at = line.find('1').unwrap() + 1;
            assert_eq!(ProcessLine::parse(line.split_at(at).1.as_bytes()).as_ref(), Ok(expected), "{line:?}");
        }
    }
    assert_eq!(ProcessLine::parse(b"get \xff"), Ok(ProcessLine::GetChatLog), "whoever asks is answered");
}

#[test]
fn a_text_with_blanks_around_it_has_no_line() {
    let mut out = b"before".to_vec();
    for text in [" x", "x ", "x\r", "\tx", "", "\r", "a\rb", "a\nb"] {
        let line = ProcessLine::Msg { id: "1", text };
        assert!(line.encode(&mut out).is_err(), "{text:?}");
        assert!(ProxyLine::To { id: 1, line }.encode(&mut out).is_err(), "{text:?}");
    }
    assert_eq!(out, b"before");
}

#[test]
fn an_empty_log_is_the_word_and_a_space() {
    let mut out = Vec::new();
    ReplyLine::encode_log([], &mut out);
    ReplyLine::encode_log(["a b", "c\r\nd,\te\x1b"], &mut out);
    assert_eq!(out, b"chatLog \nchatLog a b,c  d,\te \n");
}

#[test]
fn a_line_without_an_end_is_refused_at_the_bound() {
    assert_eq!(line_len(&vec![b'x'; MAX_LINE_LEN - 1]), Ok(None));
    assert!(line_len(&vec![b'x'; MAX_LINE_LEN]).is_err());
    assert_eq!(line_len(b"ab\ncd\n"), Ok(Some(3)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_log_of_any_texts_is_one_line(texts in prop::collection::vec("\\PC{0,12}|[\n\r\t\u{1b},a ]{0,6}", 0..6)) {
        let mut out = b"before".to_vec();
        ReplyLine::encode_log(texts.iter().map(String::as_str), &mut out);
        let line = out.strip_prefix(b"before").unwrap().strip_suffix(b"\n").unwrap();
        let read = ReplyLine::parse(line).unwrap();
        prop_assert_eq!(read.payload.chars().count(), texts.join(",").chars().count());
        prop_assert!(read.payload.chars().all(|c| c == '\t' || !c.is_control()));
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut(text in "[ab\n]{0,40}", at in 0_usize..41) {
        let bytes = text.as_bytes();
        let (start, _) = bytes.split_at(at.min(bytes.len()));
        match line_len(start) {
            Ok(Some(length)) => prop_assert_eq!(line_len(bytes), Ok(Some(length)), "more bytes change nothing"),
            early => prop_assert!(early == Ok(None) && !start.contains(&b'\n')),
        }
    }

    #[test]
    fn what_parses_has_one_form_and_blanks_around_it_change_nothing(
        line in "([0-9]{1,3} )?(msg|get|crash|start|exit|chatLog)?[ a-zA-Z0-9,é\t-]{0,20}",
        around in "[ \t\r]{0,3}",
    ) {
        let blank = format!("{around}{line}{around}");
        let mut out = Vec::new();
        if let Ok(read) = ProxyLine::parse(line.as_bytes()) {
            prop_assert_eq!(&ProxyLine::parse(blank.as_bytes()), &Ok(read));
            read.encode(&mut out).unwrap();
            prop_assert_eq!(ProxyLine::parse(out.strip_suffix(b"\n").unwrap()), Ok(read));
        }
        out.clear();
        if let Ok(read) = ProcessLine::parse(line.as_bytes()) {
            prop_assert_eq!(&ProcessLine::parse(blank.as_bytes()), &Ok(read));
            read.encode(&mut out).unwrap();
            prop_assert_eq!(ProcessLine::parse(out.strip_suffix(b"\n").unwrap()), Ok(read));
        }
        out.clear();
        if let Ok(read) = ReplyLine::parse(line.as_bytes()) {
            read.encode(&mut out).unwrap();
            let expected = format!("{line}\n");
            prop_assert_eq!(&out, expected.as_bytes());
        }
    }
}
