//! A connection that is to become a link.

use std::sync::Arc;

use rumormill_gossip::{Evidence, LinkId};
use rumormill_peering::{Direction, NeighbourId, Peer};
use rumormill_transport::endpoint::Opened;
use tokio::sync::watch;

use crate::check::evidence_of;
use crate::driver::Driver;
use crate::link::{Fate, GreetError};

/// Its place, until it is up or this is dropped.
pub(crate) struct Entry {
    pub(crate) driver: Arc<Driver>,
    pub(crate) id: LinkId,
    pub(crate) direction: Direction,
    /// The certificate that its peer showed.
    pub(crate) evidence: Evidence,
    fate: watch::Receiver<Fate>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.driver.abandon(self.id);
    }
}

impl Entry {
    /// Of one whose handshake has ended. We dialled it if it is that of a `neighbour`.
    pub(crate) fn new(driver: &Arc<Driver>, opened: &Opened, neighbour: Option<NeighbourId>) -> Self {
        let evidence = evidence_of(opened.peer.certificate());
        let direction = if neighbour.is_some() { Direction::Outbound } else { Direction::Inbound };
        let peer = Peer { node: opened.peer.node(), name: opened.peer.name().to_owned(), direction };
        let (id, fate) = driver.open(peer, evidence.clone(), neighbour);
        Self { driver: Arc::clone(driver), id, direction, evidence, fate }
    }

    /// Waits until HELLOs are to be exchanged.
    pub(crate) async fn greets(&mut self) -> Result<(), GreetError> {
        self.until(|fate| *fate != Fate::Waits).await
    }

    /// Waits until the link is up.
    pub(crate) async fn is_up(&mut self) -> Result<(), GreetError> {
        self.until(|fate| matches!(fate, Fate::Up | Fate::Refused(_))).await
    }

    async fn until(&mut self, decided: impl FnMut(&Fate) -> bool) -> Result<(), GreetError> {
        match self.fate.wait_for(decided).await.as_deref() {
            Ok(Fate::Refused(why)) => Err(why.clone().into()),
            Ok(_) => Ok(()),
            // Only the end of the node takes that away.
            Err(_) => Err(GreetError::Ended),
        }
    }

    /// Resolves when it is refused.
    pub(crate) fn refused(&self) -> impl Future<Output = GreetError> + use<> {
        let mut fate = self.fate.clone();
        async move {
            let why = match fate.wait_for(|fate| matches!(fate, Fate::Refused(_))).await.as_deref() {
                Ok(Fate::Refused(why)) => Some(why.clone()),
                _ => None,
            };
            match why {
                Some(why) => why.into(),
                // It is up.
                None => std::future::pending().await,
            }
        }
    }

    /// Resolves when it has to make room.
    pub(crate) fn dropped(&self) -> impl Future<Output = ()> + use<> {
        let mut fate = self.fate.clone();
        async move {
            if fate.wait_for(|fate| *fate == Fate::Dropped).await.is_err() {
                // It is up.
                std::future::pending::<()>().await;
            }
        }
    }
}
