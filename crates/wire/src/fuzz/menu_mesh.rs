//! The menu chat over the mesh under test (docs/protocol.md, M).

use super::{Codec, Finding, canonical, claim, refused};
use crate::peer_line::mesh::{MAX_TEAM_LEN, MAX_TEXT_LEN, MeshLine, To, is_menu};

/// Bodies of its messages.
#[derive(Debug)]
pub struct MeshLines;

impl Codec for MeshLines {
    type Value<'a> = MeshLine<'a>;

    fn parse<'a>(&self, bytes: &'a [u8]) -> Result<MeshLine<'a>, usize> {
        MeshLine::parse(bytes).map_err(|e| e.offset)
    }

    fn encode(&self, line: &MeshLine<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        line.encode(out).map_err(|e| e.to_string())
    }
}

/// Target `menu_mesh`.
///
/// # Errors
/// What does not hold.
pub fn menu_mesh(data: &[u8]) -> Result<(), Finding> {
    mesh_with(&MeshLines, data)
}

/// One form; what is shown is one short line that moves no cursor; only who speaks to everybody begins or ends.
///
/// # Errors
/// What does not hold.
pub fn mesh_with<C: for<'a> Codec<Value<'a> = MeshLine<'a>>>(codec: &C, data: &[u8]) -> Result<(), Finding> {
    canonical(codec, data)?;
    let Ok(line) = codec.parse(data) else { return Ok(()) };
    let MeshLine { to, from, team, text } = line;
    let fits = (1..=MAX_TEAM_LEN).contains(&team.len()) && (1..=MAX_TEXT_LEN).contains(&text.len());
    claim(fits && !team.contains(' '), || format!("{line:?}"))?;
    claim(!team.chars().chain(text.chars()).any(char::is_control), || format!("{line:?} moves the cursor"))?;
    let all = to == To::All;
    claim(is_menu(from) && (all || matches!(to, To::One(to) if is_menu(to))), || format!("{line:?}: no address"))?;
    claim(line.is_online() == (all && text == "online"), || format!("{line:?}: begins"))?;
    claim(line.is_farewell() == (all && text == "exit"), || format!("{line:?}: ends"))?;
    let (spaced, broken) = (format!("{team} "), format!("{text}\n"));
    refused(codec, &MeshLine { team: &spaced, ..line })?;
    refused(codec, &MeshLine { text: &broken, ..line })
}
