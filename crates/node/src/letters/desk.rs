//! What PUSH and PULL ask for.

use std::sync::Arc;

use rumormill_doors::{Letter, Letters, ReceiverError, ServiceError};
use rumormill_wire::NodeId;
use rumormill_wire::native::MessageKind;

use super::address::{Destination, resolve};
use super::counting::Counting;
use super::inbox::{Inbox, WaitingLetter};
use super::post::LettersDesk;
use super::shares::Sender;
use crate::door_share::Share;
use crate::handle::NodeHandle;

/// Where one door leaves letters and takes them: what it leaves goes through the share of all that it brings.
#[derive(Clone)]
pub(crate) struct DoorLetters {
    desk: LettersDesk,
    share: Arc<Share>,
}

impl DoorLetters {
    /// Of a door with this share.
    pub(crate) const fn new(desk: LettersDesk, share: Arc<Share>) -> Self {
        Self { desk, share }
    }
}

impl Letters for DoorLetters {
    type Taken = Vec<(u64, WaitingLetter)>;

    async fn push(&self, destination: &str, contents: &str) -> Result<(), ServiceError> {
        self.share.turn().await;
        let (desk, post) = (&self.desk, &self.desk.0);
        let (len, max) = (contents.len(), post.node.0.max_message);
        if len > max {
            return Err(ServiceError::Invalid(format!("the letter has {len} bytes; max-message allows {max}")));
        }
        let nodes = match resolve(&post.node, post.relay.is_some(), destination)? {
            Destination::Relay(to) => {
                super::relay::reach(&post.relay, to).await?;
                let contents = contents.to_owned();
                desk.with_inbox(move |inbox| inbox.relay(to, contents)).await?;
                desk.is_there(to);
                return Ok(());
            }
            Destination::Nodes(nodes) => nodes,
        };
        let (to, key) = desk.key_of(nodes, destination).await?;
        let body = post.seal.seal(&to, &key, contents)?;
        self.share.charge(body.len())?;
        // Past the bound on what people say: a sealed letter is longer than what it says.
        let pending = post.node.0.driver.submit(MessageKind::SEALED, "", body.into()).await;
        Ok(pending?.await.map(drop)?)
    }

    async fn waiting(&self, max: usize) -> Result<Vec<Letter>, ServiceError> {
        let post = Arc::clone(&self.desk.0);
        let in_turn = move |inbox: &mut Inbox| {
            // Asked each time: what was brought back was not there when something was withdrawn.
            post.let_go(inbox);
            let holds = &post.holds;
            let shown = inbox.in_turn(max, |id| holds.is_free(id)).filter_map(|(id, letter)| {
                let hold = holds.take(id)?;
                let source = source(&post.node, &letter.came.sender());
                Some(Letter { id, source, contents: letter.contents.clone(), hold })
            });
            Ok(shown.collect())
        };
        self.desk.with_inbox(in_turn).await
    }

    async fn handed_over(&self, ids: Vec<u64>) -> Result<Vec<(u64, WaitingLetter)>, ServiceError> {
        let post = Arc::clone(&self.desk.0);
        let handed = move |inbox: &mut Inbox| {
            let taken = inbox.hand_over(ids);
            post.room.notify_one();
            taken
        };
        self.desk.with_inbox(handed).await
    }

    async fn bring_back(&self, taken: Vec<(u64, WaitingLetter)>) -> Result<(), ServiceError> {
        self.desk.with_inbox(move |inbox| inbox.bring_back(taken)).await
    }
}

impl LettersDesk {
    /// The one of these nodes that takes letters, and its key.
    async fn key_of(&self, nodes: Vec<NodeId>, destination: &str) -> Result<(NodeId, Vec<u8>), ServiceError> {
        let me = self.0.node.node_id();
        if nodes.contains(&me) && nodes.len() == 1 {
            return Ok((me, self.0.seal.public().to_vec()));
        }
        let counting = Counting::now(&self.0.node);
        let known = move |inbox: &mut Inbox| {
            let mut of = |node: &NodeId| {
                let key = inbox.keys.of(node)?;
                counting.counts(&key.origin, key.seq).then(|| key.key.clone())
            };
            let keys = nodes.into_iter().filter_map(|node| Some((node, of(&node)?)));
            Ok(keys.collect::<Vec<_>>())
        };
        let mut known = self.with_inbox(known).await?;
        let name = destination.to_owned();
        match (known.pop(), known.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), more) => Err(ReceiverError::AmbiguousName { nodes: more.saturating_add(1), name }.into()),
            (None, _) => Err(ReceiverError::TakesNoLetters(name).into()),
        }
    }
}

/// A letter's sender, as it is shown.
fn source(node: &NodeHandle, sender: &Sender) -> String {
    match sender {
        Sender::Node(id) => node.name_of(id).unwrap_or_else(|| id.to_string()),
        Sender::Address(ip) => ip.to_string(),
    }
}
