//! What to do about what went wrong: for each error the way out that works. An editor or a failing disk can leave any small
//! file empty or damaged; none of them may be a dead end.

/// The CA certificate.
pub(crate) const CA_PEM: &str = "put a copy of it back: ca.pem from the CA's home or from the host of any node; where there is none, begin \
    a new network with another --home";
/// The key of the CA.
pub(crate) const CA_KEY: &str = "put a copy of it back; where there is none, nobody can be issued or revoked in this network any more: begin \
    a new one with another --home";
/// A node's key.
pub(crate) const KEY: &str = "put a copy of it back; where there is none, revoke the node (`rumormill certs revoke NAME`), move this file \
    away, and issue again: the node becomes another one";
/// A node's certificate.
pub(crate) const CERTIFICATE: &str = "`rumormill certs issue NAME` makes it anew, by the key that it was for; where it was issued with --out DIR, \
    move the damaged file away before, and give that again";
/// A certificate of which nothing here says for which key it was.
pub(crate) const NOBODYS: &str = "put a copy of it back from the node's host; where there is none, revoke the node by its id, which \
    `rumormill peers` of a neighbour shows, move this file away, and issue again";
/// Who left the list.
pub(crate) const RETIRED: &str = "put a copy of it back; where there is none, take out what is no node id (an empty file: remove it): keys that \
    left the list, and are not named there, could get certificates again";
/// The revocation list of a home.
pub(crate) const LIST: &str = "put revoked.bin back: from a copy of the CA's home, from beside ca.pem on the host of a node, or from the store of a \
    running node with `rumormill certs restore --state DIR`; only if no node has a list either, begin anew with \
    `rumormill certs revoke NAME --new-list`";
/// The file that says which number the last list had.
pub(crate) const NUMBER: &str = "`rumormill certs restore --state DIR` of a running node puts the list and its number back; only if no node has a list, \
    begin anew with `rumormill certs revoke NAME --new-list`";
pub(crate) const CLOCK: &str = "set the clock of this machine, and try again";
pub(crate) const PINS: &str = "mend that line; see \"Without a CA\" in certs/README.md";
