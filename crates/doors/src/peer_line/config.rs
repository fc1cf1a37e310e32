//! Settings of the door.

use std::net::SocketAddr;
use std::time::Duration;

pub use rumormill_wire::peer_line::mesh::MAX_TEAM_LEN;

use crate::spec::{Spec, SpecError};

/// How the door is named in settings, and in the log.
pub const KIND: &str = "peer-line";
/// Contacts in the settings: more than a class has in one room.
pub const MAX_CONTACTS: usize = 16;
/// The pause after the first try to reach a contact; it doubles, so that six tries take half a minute: as long as people take to
/// start the other program.
const RETRY: Duration = Duration::from_secs(1);

/// Settings of which each was checked by itself and with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen, for connections and datagrams; port 0 is the system's choice.
    pub listen: SocketAddr,
    /// What we are called; the name of the node if not given.
    pub team: Option<String>,
    /// The port that our connections come from, 1 to 65535; the system's choice if not given.
    pub source_port: Option<u16>,
    /// Those who get a message at launch.
    pub contacts: Vec<SocketAddr>,
    /// Those who are spoken to in brackets before they have spoken.
    pub bracketed: Vec<SocketAddr>,
    /// The pause after the first try to reach a contact.
    pub retry: Duration,
}

impl Config {
    /// Checks what was asked for: `peer-line,listen=127.0.0.1:8080,name=room`.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn from_spec(spec: &Spec) -> Result<Self, SpecError> {
        spec.only(&["listen", "name", "source-port"], &["contact", "bracketed"])?;
        let listen = spec.listen(None)?;
        let team = spec.text("name").map(ToOwned::to_owned);
        if team.as_ref().is_some_and(|team| team.is_empty() || team.len() > MAX_TEAM_LEN || one_word(team) != *team) {
            return Err(spec.error(format!("name: give one word of at most {MAX_TEAM_LEN} bytes")));
        }
        let source_port = match spec.number("source-port", 0, 1..=65_535)? {
            0 => None,
            port => u16::try_from(port).ok(),
        };
        let mut contacts = Vec::new();
        for contact in spec.hosts("contact")? {
            if contact.port() == 0 || contact.ip().is_unspecified() || contact == listen {
                return Err(spec.error(format!("contact: nobody can be reached at {contact}")));
            }
            if !contacts.contains(&contact) {
                contacts.push(contact);
            }
        }
        if contacts.len() > MAX_CONTACTS {
            return Err(spec.error(format!("contact: at most {MAX_CONTACTS}")));
        }
        let bracketed = spec.hosts("bracketed")?;
        if bracketed.len() > MAX_CONTACTS {
            return Err(spec.error(format!("bracketed: at most {MAX_CONTACTS}")));
        }
        Ok(Self { listen, team, source_port, contacts, bracketed, retry: RETRY })
    }
}

/// A name as one word without control characters: the programs of this chat split at spaces.
#[must_use]
pub fn one_word(name: &str) -> String {
    name.trim().chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        let spec: Spec = text.parse().map_err(|why: SpecError| why.to_string())?;
        Config::from_spec(&spec).map_err(|why| why.to_string())
    }

    #[test]
    fn settings() {
        let at = "peer-line,listen=127.0.0.1:8080";
        let full = config(&format!("{at},name=team,source-port=9000,contact=10.0.0.1:1,contact=10.0.0.1:1")).unwrap();
        assert_eq!((full.source_port, full.contacts.len()), (Some(9_000), 1));
        assert_eq!(config(at).unwrap().team, None);
        for (more, words) in [
            ("name=two words", "name: give one word"),
            ("name=", "name: give one word"),
            ("source-port=0", "source-port: `0`"),
            ("source-port=70000", "source-port: `70000`"),
            ("contact=127.0.0.1:8080", "nobody can be reached at 127.0.0.1:8080"),
            ("contact=0.0.0.0:1", "contact: `0.0.0.0:1`"),
            ("contact=x", "contact: `x`"),
            ("room=a", "unknown key `room`"),
        ] {
            let found = config(&format!("{at},{more}")).unwrap_err();
            assert!(found.contains(words), "{more}: {found}");
        }
        let many: String = (1..=17).map(|n| format!(",contact=10.0.0.1:{n}")).collect();
        assert!(config(&format!("{at}{many}")).unwrap_err().contains("at most 16"));
        assert!(config(&format!("{at}{}", many.replace("contact", "bracketed"))).unwrap_err().contains("at most 16"));
        assert_eq!(config(&format!("{at},bracketed=10.0.0.1:1")).unwrap().bracketed.len(), 1);
        assert!(config("peer-line,listen=0.0.0.0:1").unwrap_err().contains("--insecure-bind"));
        assert_eq!(one_word(" a b\t"), "a_b");
    }
}
