//! The beginning of a link: HELLO both ways (P-F6).

use std::time::Duration;

use bytes::Bytes;
use rumormill_transport::{LinkReader, LinkWriter};
use rumormill_wire::native::{Bye, ByeCode, Frame, Hello, VERSION};
use rumormill_wire::{Foreign, NetworkId};

use crate::link::GreetError;

const AGENT: &str = concat!("rumormill/", env!("CARGO_PKG_VERSION"));

/// What we say of ourselves.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    pub(crate) network: NetworkId,
    pub(crate) features: u32,
    pub(crate) name: String,
    /// How long a peer may take to say HELLO.
    pub(crate) deadline: Duration,
}

/// Says HELLO and takes the peer's.
pub(crate) async fn exchange(
    greeting: &Greeting,
    reader: &mut LinkReader,
    writer: &mut LinkWriter,
) -> Result<(), GreetError> {
    let hello = Hello {
        min: VERSION,
        max: VERSION,
        network: greeting.network,
        features: greeting.features,
        name: Foreign::new(&greeting.name),
        agent: Foreign::new(AGENT),
    };
    let mut bytes = Vec::new();
    let _ = Frame::Hello(hello).encode(&mut bytes);
    let both = async {
        writer.send([bytes.as_slice()]).await?;
        reader.next_frame().await?.ok_or(GreetError::Ended)
    };
    let first = tokio::time::timeout(greeting.deadline, both).await;
    judge(&first.map_err(|_| GreetError::Deadline(greeting.deadline))??, greeting)
}

fn judge(first: &Bytes, ours: &Greeting) -> Result<(), GreetError> {
    match Frame::decode(first) {
        Ok(Frame::Hello(hello)) if hello.network != ours.network => Err(GreetError::Network),
        Ok(Frame::Hello(Hello { min, max, .. })) if min > VERSION || max < VERSION => {
            Err(GreetError::Version { min, max })
        }
        Ok(Frame::Hello(_)) => Ok(()),
        Ok(Frame::Bye(bye)) => Err(GreetError::Bye(bye.into())),
        Ok(_) => Err(GreetError::NotHello),
        Err(_) => Err(GreetError::Broken),
    }
}

/// Says BYE on a link that will not be one.
pub(crate) async fn refuse(writer: LinkWriter, code: ByeCode, reason: &'static str, retry_after_s: u16) {
    let mut writer = writer;
    let mut bytes = Vec::new();
    if Frame::Bye(Bye { code, retry_after_s, reason: reason.into() }).encode(&mut bytes).is_ok() {
        let _ = writer.send([bytes.as_slice()]).await;
    }
    writer.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_judged_by_network_and_version() {
        let network = NetworkId([7; 32]);
        let deadline = Duration::ZERO;
        let ours = Greeting { network, features: 0, name: "a".into(), deadline };
        let hello = |min, max, network| {
            let hello = Hello { min, max, network, features: 0xffff_fffe, name: "b".into(), agent: "".into() };
            let mut out = Vec::new();
            Frame::Hello(hello).encode(&mut out).unwrap();
            Bytes::from(out.split_off(4))
        };
        assert!(judge(&hello(1, 9, network), &ours).is_ok(), "the highest common version is ours");
        assert!(matches!(judge(&hello(2, 9, network), &ours), Err(GreetError::Version { min: 2, max: 9 })));
        assert!(matches!(judge(&hello(1, 1, NetworkId([8; 32])), &ours), Err(GreetError::Network)));
        assert!(matches!(judge(&Bytes::from_static(&[2, 0, 0, 0, 0, 0, 0, 0, 0]), &ours), Err(GreetError::NotHello)));
        assert!(matches!(judge(&Bytes::from_static(b"\x01junk"), &ours), Err(GreetError::Broken)));
    }
}
