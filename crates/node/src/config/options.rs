//! What was asked for, as text: the flags' names are the keys of the TOML file, and flags win over the file.

use std::path::Path;

use rumormill_wire::Foreign;

use super::ConfigError;

/// A configuration file may have so many bytes: one with all neighbours and doors has some KiB, and what is longer is another file.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Neighbours that may be configured: as many as there are links by default, and each of them needs a place.
pub const MAX_NEIGHBOURS: usize = 64;
/// Doors that may be configured: some of each kind. Each has its port, its task and its queues, and hears all that the others bring.
pub const MAX_DOORS: usize = 32;

macro_rules! options {
    ($($(#[$doc:meta])* $field:ident = $key:literal,)*) => {
        /// Settings as text, unchecked; `None` is not set. [`super::NodeConfig::build`] checks them.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct NodeOptions {
            $($(#[$doc])* pub $field: Option<String>,)*
            /// `name@address:port`, or `address:port` for whoever is there; repeats.
            pub neighbour: Vec<String>,
            /// `KIND,key=value,...`; repeats. In the file: tables `[[doors]]` with the key `kind` and the others.
            pub door: Vec<String>,
        }

        impl NodeOptions {
            /// All keys of the TOML file, which are the flags' names.
            pub const KEYS: &[&str] = &[$($key,)* "neighbour", "door"];

            fn slot(&mut self, key: &str) -> Option<&mut Option<String>> {
                match key {
                    $($key => Some(&mut self.$field),)*
                    _ => None,
                }
            }

            /// These settings, and what is not set here from `below`.
            #[must_use]
            pub fn over(self, below: Self) -> Self {
                Self {
                    $($field: self.$field.or(below.$field),)*
                    neighbour: if self.neighbour.is_empty() { below.neighbour } else { self.neighbour },
                    door: if self.door.is_empty() { below.door } else { self.door },
                }
            }
        }
    };
}

options! {
    /// Name in the network.
    name = "name",
    /// Address for neighbours, with its port; `127.0.0.1:20000` if not set.
    listen = "listen",
    /// Address of the classroom control port; none if not set.
    control = "control",
    /// `true` lets doors listen beyond loopback.
    insecure_bind = "insecure-bind",
    /// Directory of the store and the local socket.
    state = "state",
    /// Path of the local socket, if not `node.sock` in the state directory.
    socket = "socket",
    /// `true`: the state was put back from a copy, or its store removed, on purpose. For one start.
    restored = "restored",
    /// `sqlite` or `memory`.
    store = "store",
    /// `full` or `normal`.
    durability = "durability",
    /// `tree` or `mongering`.
    dissemination = "dissemination",
    /// Directory of the local CA and its identities.
    home = "home",
    /// Certificate in PEM.
    cert = "cert",
    /// Its key in PEM.
    key = "key",
    /// The network's CA certificate in PEM.
    ca = "ca",
    /// Pin file: trust by node id instead of a CA.
    pins = "pins",
    /// Longest message taken from people, 1 to 32,768 bytes.
    max_message = "max-message",
    /// Most bytes in the store, 1 MiB to 1 PiB.
    store_max = "store-max",
    /// Bytes that one node id may add in a day, up to 1 PiB; 0 is without limit.
    greedy_bytes = "greedy-bytes-per-day",
    /// Incarnations that one node id may add in a day, up to a million; 0 is without limit.
    greedy_incarnations = "greedy-incarnations-per-day",
    /// Bytes that one node id may add in a second, beyond a burst, up to 1 TiB; 0 is without limit.
    pace = "author-bytes-per-second",
    /// Mean time between comparisons with a neighbour, 100 ms to 1 h.
    anti_entropy = "anti-entropy",
    /// A neighbour not heard for so long is pinged, 100 ms to 5 min.
    ping = "ping",
    /// Frames a second taken from one node id, 100 to ten million.
    frames_per_s = "frames-per-second",
    /// Bytes a second taken from one node id, 128 KiB to 4 GB.
    bytes_per_s = "bytes-per-second",
    /// Links that are up at once, 1 to 4,096.
    links = "max-links",
    /// Handshakes in flight, 8 to 65,536.
    handshakes = "max-handshakes",
    /// Handshakes in flight from one address prefix (/24, /48), 4 to 65,536.
    handshakes_per_prefix = "max-handshakes-per-prefix",
    /// Time for one handshake, 100 ms to 60 s.
    handshake_deadline = "handshake-deadline",
    /// `prefer` or `require`.
    post_quantum = "post-quantum",
    /// `human` or `json`.
    log_format = "log-format",
    /// `error`, `warn`, `info`, `debug` or `trace`.
    log_level = "log-level",
}

impl NodeOptions {
    /// Sets a key by its name; `neighbour` and `door` add one. Says whether there is such a key.
    pub fn set(&mut self, key: &str, value: String) -> bool {
        match key {
            "neighbour" => self.neighbour.push(value),
            "door" => self.door.push(value),
            _ => return self.slot(key).map(|slot| *slot = Some(value)).is_some(),
        }
        true
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML, or has a key or value that means nothing here.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let fail = |reason: String| ConfigError::File { path: path.to_owned(), reason };
        let bytes = rumormill_limits::file::read_regular(path, MAX_FILE_BYTES).map_err(|e| fail(e.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8".to_owned()))?;
        Self::parse(&text).map_err(|e| match e {
            ConfigError::Toml { reason } => fail(reason),
            other => other,
        })
    }

    /// Reads the text of a TOML file.
    ///
    /// # Errors
    /// It is no TOML, or has a key or value that means nothing here.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table =
            text.parse().map_err(|why: toml::de::Error| ConfigError::Toml { reason: not_toml(text, &why) })?;
        let mut options = Self::default();
        for (key, value) in table {
            if key == "neighbour" {
                options.neighbour = list(&key, value)?;
            } else if key == "door" {
                options.door.extend(list(&key, value)?);
            } else if key == "doors" {
                options.door.extend(doors(value)?);
            } else if key == "restored" {
                return Err(ConfigError::value(&key, "in a file", "it as the flag --restored, for one start"));
            } else if let ("insecure-bind", toml::Value::Boolean(yes)) = (key.as_str(), &value) {
                options.insecure_bind = Some(yes.to_string());
            } else if let Some(slot) = options.slot(&key) {
                *slot = Some(scalar(&key, value)?);
            } else {
                return Err(ConfigError::UnknownKey { suggestion: nearest(&key), key });
            }
        }
        Ok(options)
    }
}

/// Where a text is no TOML, and why, on one line: the library's own words show the line as it is.
fn not_toml(text: &str, why: &toml::de::Error) -> String {
    let before = why.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let (line, column) = (before.matches('\n').count(), before.chars().rev().take_while(|c| *c != '\n').count());
    let message = Foreign::new(why.message()).to_string();
    format!("line {}, column {}: {message}", line.saturating_add(1), column.saturating_add(1))
}

fn scalar(key: &str, value: toml::Value) -> Result<String, ConfigError> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        other => Err(ConfigError::value(key, other.type_str(), "a text or a whole number")),
    }
}

fn list(key: &str, value: toml::Value) -> Result<Vec<String>, ConfigError> {
    match value {
        toml::Value::Array(items) => items.into_iter().map(|item| scalar(key, item)).collect(),
        one => Ok(vec![scalar(key, one)?]),
    }
}

/// Each table as the flag would have it.
fn doors(value: toml::Value) -> Result<Vec<String>, ConfigError> {
    let toml::Value::Array(tables) = value else {
        return Err(ConfigError::value("doors", value.type_str(), "tables: [[doors]], each with its kind"));
    };
    tables.into_iter().map(door).collect()
}

fn door(value: toml::Value) -> Result<String, ConfigError> {
    let toml::Value::Table(mut table) = value else {
        return Err(ConfigError::value("doors", value.type_str(), "tables: [[doors]], each with its kind"));
    };
    let kind = table.remove("kind").ok_or(ConfigError::Missing { field: "kind", why: " in each of [[doors]]" })?;
    let mut text = scalar("doors.kind", kind)?;
    for (key, value) in table {
        for one in list(&format!("doors.{key}"), value)? {
            if one.contains(',') {
                return Err(ConfigError::value(&format!("doors.{key}"), &one, "a text without commas"));
            }
            text.push_str(&format!(",{key}={one}"));
        }
    }
    Ok(text)
}

/// The key that was probably meant.
fn nearest(key: &str) -> Option<&'static str> {
    // One as long as a page is like none.
    let key: String = key.chars().take(64).collect();
    let best = NodeOptions::KEYS.iter().map(|known| (strsim::levenshtein(&key, known), *known)).min()?;
    (best.0 <= 3 && best.0.saturating_mul(2) < key.len()).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_flags_win() {
        let file = NodeOptions::parse("name = \"alice\"\nmax-links = 7\nneighbour = [\"bob@127.0.0.1:1\"]").unwrap();
        assert_eq!(file.name.as_deref(), Some("alice"));
        assert_eq!(file.links.as_deref(), Some("7"));
        let flags = NodeOptions { name: Some("carol".into()), ..NodeOptions::default() };
        let merged = flags.over(file);
        assert_eq!(merged.name.as_deref(), Some("carol"));
        assert_eq!(merged.neighbour, ["bob@127.0.0.1:1"]);
    }

    #[test]
    fn doors_are_tables_with_the_keys_of_the_flag() {
        let file = "insecure-bind = true\n[[doors]]\nkind = \"udp-mesh\"\nlisten = \"127.0.0.1:3000\"\n\
            [[doors]]\nkind = \"peer-line\"\ncontact = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\nname = \"x\"";
        let options = NodeOptions::parse(file).unwrap();
        assert_eq!(options.insecure_bind.as_deref(), Some("true"));
        let doors = ["udp-mesh,listen=127.0.0.1:3000", "peer-line,contact=127.0.0.1:1,contact=127.0.0.1:2,name=x"];
        assert_eq!(options.door, doors);
        for (bad, word) in [
            ("doors = 1", "[[doors]]"),
            ("doors = [1]", "[[doors]]"),
            ("[[doors]]\nlisten = \"127.0.0.1:1\"", "kind is needed"),
            ("[[doors]]\nkind = \"udp-mesh\"\nname = \"a,b\"", "without commas"),
        ] {
            let refused = NodeOptions::parse(bad).unwrap_err().to_string();
            assert!(refused.contains(word), "{bad}: {refused}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_what_was_probably_meant() {
        let refused = NodeOptions::parse("neigbour = []").unwrap_err().to_string();
        assert!(refused.contains("neigbour") && refused.contains("did you mean `neighbour`"), "{refused}");
        let refused = NodeOptions::parse("colour = \"red\"").unwrap_err().to_string();
        assert!(refused.contains("colour") && !refused.contains("did you mean"), "{refused}");
    }

    #[test]
    fn values_of_other_types_and_broken_files_are_refused() {
        assert!(NodeOptions::parse("name = true").unwrap_err().to_string().contains("name"));
        assert!(NodeOptions::parse("name = ").is_err());
        assert!(
            NodeOptions::read(Path::new("/nowhere/at/all.toml"))
                .unwrap_err()
                .to_string()
                .contains("/nowhere/at/all.toml")
        );
    }
}
