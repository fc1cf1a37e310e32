//! What a door is: made from its settings, bound before the node starts, served until it stops.
//!
//! A node knows no door by name. It takes a [`Kind`] from the list ([`crate::kinds`]), which gives it a [`BoundDoor`].

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;

use crate::error::DoorError;
use crate::port::Port;
use crate::services::Services;
use crate::spec::{Spec, SpecError};

/// A gateway between the room and one legacy protocol.
pub trait Door: Sized + Send + 'static {
    /// What a node and people have to know of it before it is opened.
    const ABOUT: About;
    /// Its settings once they are checked: nothing in them has to be looked at again.
    type Config: Send + 'static;

    /// Checks what was asked for. Touches nothing outside.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    fn configure(spec: &Spec, files: &Files) -> Result<Self::Config, SpecError>;

    /// The files that it will write. Nobody else may write them meanwhile.
    fn writes(_: &Self::Config) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Takes its sockets. Nothing is served yet.
    fn bind(config: Self::Config) -> impl Future<Output = Result<Self, DoorError>> + Send;

    /// Where it listens, with the port that the system chose if 0 was asked for.
    fn local_addr(&self) -> SocketAddr;

    /// Serves until the port says stop or the node drops its end; then says goodbye, where its protocol has that.
    fn run<S: Services>(self, port: Port, services: S) -> impl Future<Output = ()> + Send;
}

/// What a door is, for the node that opens it and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// What people write: `KIND,key=value,...`.
    pub kind: &'static str,
    /// Whether the room's messages go out here. Others ask for what they want.
    pub hears_room: bool,
    /// What it has to do with letters.
    pub letters: LetterUse,
    /// Whether who speaks here speaks as the node itself, and not as a stranger under a claimed name. Such a door listens on
    /// this machine alone, whatever leave is given.
    pub speaks_as_node: bool,
}

impl About {
    /// A door that brings strangers into the room, and the room to them.
    #[must_use]
    pub const fn bridge(kind: &'static str) -> Self {
        Self { kind, hears_room: true, letters: LetterUse::None, speaks_as_node: false }
    }
}

/// What a door has to do with letters ([`crate::services::Letters`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterUse {
    /// Nothing: it neither takes nor carries them.
    None,
    /// Its clients leave and take them: it needs [`Services::letters`].
    Needed,
    /// What it brings is a letter too, and letters to the addresses that it reaches go out by it ([`crate::Outgoing::to`]).
    Carried,
}

/// Where a door may keep files of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// The directory; with none nothing is kept.
    pub dir: Option<PathBuf>,
    /// The door's name in its node: its kind, and `#2` behind it for the second of a kind.
    pub door: String,
}

impl Files {
    /// Its file of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.dir.as_ref()?.join(format!("{}.{name}", self.door.replace('#', "-"))))
    }
}

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Binding<S> = Task<Result<BoundDoor<S>, DoorError>>;

/// A kind of door, whatever its protocol, for a node that offers the services `S`.
pub struct Kind<S> {
    /// What a node and people have to know of it before it is opened.
    pub about: About,
    writes: fn(&Spec, &Files) -> Result<Vec<PathBuf>, SpecError>,
    bind: fn(Spec, Files) -> Binding<S>,
}

impl<S> fmt::Debug for Kind<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("about", &self.about).finish_non_exhaustive()
    }
}

impl<S: Services> Kind<S> {
    /// The kind of a door's type.
    #[must_use]
    pub fn of<D: Door>() -> Self {
        Self {
            about: D::ABOUT,
            writes: |spec, files| D::configure(spec, files).map(|config| D::writes(&config)),
            bind: |spec, files| Box::pin(async move { BoundDoor::bind::<D>(&spec, &files).await }),
        }
    }

    /// Checks what was asked for.
    ///
    /// # Errors
    /// Names the key and what is allowed.
    pub fn check(&self, spec: &Spec) -> Result<(), SpecError> {
        self.writes(spec, &Files::default()).map(drop)
    }

    /// Checks what was asked for; the files that the door will write.
    ///
    /// # Errors
    /// As [`Kind::check`].
    pub fn writes(&self, spec: &Spec, files: &Files) -> Result<Vec<PathBuf>, SpecError> {
        (self.writes)(spec, files)
    }

    /// Checks the settings and opens the sockets. Nothing is served yet.
    ///
    /// # Errors
    /// The settings, or an address that cannot be had.
    pub async fn bind(&self, spec: &Spec, files: Files) -> Result<BoundDoor<S>, DoorError> {
        (self.bind)(spec.clone(), files).await
    }
}

/// A door that is bound and not yet served, whatever its protocol.
pub struct BoundDoor<S> {
    /// As of its kind.
    pub about: About,
    /// Where it listens, with the port that the system chose if 0 was asked for.
    pub local_addr: SocketAddr,
    run: Box<dyn FnOnce(Port, S) -> Task<()> + Send>,
}

impl<S> fmt::Debug for BoundDoor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundDoor")
            .field("about", &self.about)
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl<S: Services> BoundDoor<S> {
    async fn bind<D: Door>(spec: &Spec, files: &Files) -> Result<Self, DoorError> {
        let door = D::bind(D::configure(spec, files)?).await?;
        let local_addr = door.local_addr();
        Ok(Self {
            about: D::ABOUT,
            local_addr,
            run: Box::new(move |port, services| Box::pin(door.run(port, services))),
        })
    }

    /// Serves until the port says stop or the node drops its end.
    pub async fn run(self, port: Port, services: S) {
        (self.run)(port, services).await;
    }
}
