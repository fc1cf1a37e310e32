//! The beginning of a link: HELLO both ways (P-F6).

use bytes::Bytes;
use rumormill_peering::Farewell;
use rumormill_transport::{LinkReader, LinkWriter};
use rumormill_wire::native::{Bye, Frame, Hello, VERSION};
use rumormill_wire::{Foreign, NetworkId};

use crate::link::GreetError;

const AGENT: &str = concat!("rumormill/", env!("CARGO_PKG_VERSION"));

/// What we say of ourselves.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    pub(crate) network: NetworkId,
    pub(crate) name: String,
}

/// Says HELLO; gives the first frame of the peer.
pub(crate) async fn exchange(
    greeting: &Greeting,
    reader: &mut LinkReader,
    writer: &mut LinkWriter,
) -> Result<Bytes, GreetError> {
    let hello = Hello {
        min: VERSION,
        max: VERSION,
        network: greeting.network,
        features: 0,
        name: Foreign::new(&greeting.name),
        agent: Foreign::new(AGENT),
    };
    let mut bytes = Vec::new();
    let _ = Frame::Hello(hello).encode(&mut bytes);
    writer.send([bytes.as_slice()]).await?;
    reader.next_frame().await?.ok_or(GreetError::Ended)
}

/// Says BYE on a link that will not be one.
pub(crate) async fn refuse(writer: LinkWriter, told: Farewell) {
    let (mut writer, Farewell { code, reason, retry_after_s }) = (writer, told);
    let mut bytes = Vec::new();
    if Frame::Bye(Bye { code, retry_after_s, reason: reason.into() }).encode(&mut bytes).is_ok() {
        let _ = writer.send([bytes.as_slice()]).await;
    }
    writer.close().await;
}
