//! Lines for people on standard error, of every command.

use std::io::{self, Write as _};

use rumormill_wire::Foreign;

use crate::{fold, logging};

/// Characters of one line on standard error.
const MAX_TOLD: usize = 4_096;

/// Says a line on standard error, `lead` as it is. `text` may quote what a file, a node or anybody else has chosen: so it is shown
/// as all text of others is, on a terminal folded. What is to be a line of its own is told by itself.
pub fn tell(lead: &str, text: &str) {
    let line = format!("{lead}{}", Foreign::new(text).first(MAX_TOLD));
    // Where the log has a thread that writes, nobody else takes standard error, which may stand still.
    if logging::put(&format!("{line}\n")) {
        return logging::flush();
    }
    let mut err = io::stderr().lock();
    // A failed write of an error has nobody to be told to.
    let _ = match fold::width(&err) {
        Some(width) => writeln!(err, "{}", fold::fold(&line, width)),
        None => writeln!(err, "{line}"),
    };
}
