//! Text of others in JSON, which is for programs: its raw value. Whoever writes the JSON escapes what a terminal would obey
//! ([`rumormill_wire::foreign::json`]).

use rumormill_wire::ForeignText;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(text: &ForeignText, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text.as_raw())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ForeignText, D::Error> {
    String::deserialize(from).map(ForeignText::from)
}

/// The same of what may be absent.
pub(crate) mod option {
    use rumormill_wire::ForeignText;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(text: &Option<ForeignText>, to: S) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => to.serialize_some(text.as_raw()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ForeignText>, D::Error> {
        Option::<String>::deserialize(from).map(|text| text.map(ForeignText::from))
    }
}
