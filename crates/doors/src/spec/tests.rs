use super::*;

fn refused(text: &str) -> String {
    let spec: Spec = match text.parse() {
        Ok(spec) => spec,
        Err(why) => return SpecError::to_string(&why),
    };
    let checks = [
        spec.only(&["listen", "name", "beat", "n"], &["contact"]).err(),
        spec.listen(None).err(),
        spec.hosts("contact").err(),
        spec.time("beat", Duration::ZERO, Duration::from_millis(1)..=Duration::from_secs(9)).err(),
        spec.number("n", 1, 1..=9).err(),
    ];
    checks.into_iter().flatten().next().expect("an error").to_string()
}

#[test]
fn a_door_is_asked_for_in_one_line() {
    let spec: Spec =
        "peer-line,listen=127.0.0.1:8080,name=team,contact=127.0.0.1:1,contact=127.0.0.1:2".parse().unwrap();
    assert_eq!((spec.kind.as_str(), spec.text("name")), ("peer-line", Some("team")));
    assert_eq!(spec.listen(None).unwrap().port(), 8_080);
    assert_eq!(spec.hosts("contact").unwrap().len(), 2);
    spec.only(&["listen", "name"], &["contact"]).unwrap();
    let none: Spec = "push-pull".parse().unwrap();
    assert_eq!(none.listen(Some(([127, 0, 0, 1], 60_085).into())).unwrap().port(), 60_085);
}

#[test]
fn errors_name_the_door_the_key_and_what_is_allowed() {
    let at = "peer-line,listen=127.0.0.1:1";
    for (text, words) in [
        ("peer-line".to_owned(), "listen is needed"),
        ("peer-line,listen".into(), "`listen` is no key=value"),
        ("peer-line,listen=x".into(), "listen: `x`"),
        (format!("{at},colour=red"), "unknown key `colour`; it has listen, name"),
        (format!("{at},name=a,name=b"), "name is given 2 times"),
        (format!("{at},contact=localhost"), "contact: `localhost`"),
        (format!("{at},contact=127.0.0.1:0"), "contact: `127.0.0.1:0`"),
        (format!("{at},contact=[::]:7"), "contact: `[::]:7`"),
        (format!("{at},beat=10"), "beat: `10` is not allowed; give 1ms to 9s"),
        (format!("{at},n=10"), "n: `10` is not allowed; give 1 to 9"),
    ] {
        let found = refused(&text);
        assert!(found.contains(words), "{text}: {found}");
    }
}

#[test]
fn beyond_loopback_only_if_told_so_in_so_many_words() {
    let spec: Spec = "udp-mesh,listen=0.0.0.0:3000".parse().unwrap();
    let refused = spec.listen(None).unwrap_err().to_string();
    assert!(refused.contains("--insecure-bind") && refused.contains("neither encrypted"), "{refused}");
    assert!(spec.insecure_bind(true).listen(None).is_ok());
    let mapped: Spec = "udp-mesh,listen=[::ffff:127.0.0.1]:3000".parse().unwrap();
    assert!(mapped.listen(None).is_ok());
}
