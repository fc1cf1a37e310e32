//! Links between nodes: identity, trust, TLS 1.3 and nothing older, deadlines and limits.
//!
//! Before TLS a connection belongs to no member, and [`admission`] control bounds its cost. After TLS, a link has a
//! [`link::AuthenticatedPeer`], which only this crate can make.
#![forbid(unsafe_code)]
#![deny(unreachable_pub, unnameable_types, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod accept;
pub mod admission;
pub mod ca;
mod ca_error;
pub mod certificate;
pub mod clock;
pub mod endpoint;
pub mod files;
pub mod identity;
mod issue;
pub mod link;
mod list_dates;
pub mod lost_list;
pub mod metrics;
mod misplaced;
mod pkcs8;
mod rates;
pub mod refusal;
pub mod revocation;
pub mod revoke;
mod stream;
mod tcp;
mod tls;
pub mod trust;
mod way_out;

pub use accept::Listener;
pub use ca::{CaError, LocalCa, default_home};
pub use certificate::CertificateInfo;
pub use endpoint::{DialError, Endpoint, EndpointConfig};
pub use identity::{Identity, IdentityError};
pub use issue::{Issued, NODE_VALIDITY};
pub use link::{Arrivals, AuthenticatedPeer, LinkError, LinkReader, LinkWriter, Opened, TlsInfo};
pub use metrics::Metrics;
pub use misplaced::{Misplaced, Wanted};
pub use refusal::Refusal;
pub use revocation::{BadList, InForce, ListPart, Revocations};
pub use tls::Expect;
pub use trust::{Trust, TrustError};
