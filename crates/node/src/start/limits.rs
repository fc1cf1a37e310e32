//! From the configuration to what the rooms below are held to.

use std::num::NonZeroU32;

use rumormill_gossip::EngineConfig;
use rumormill_peering as peering;
use rumormill_transport::admission::AdmissionLimits;
use rumormill_transport::link::LinkLimits;
use rumormill_wire::{NetworkId, NodeId};

use crate::clock::micros;
use crate::config::NodeConfig;

pub(super) fn admission_limits(config: &NodeConfig) -> AdmissionLimits {
    AdmissionLimits {
        in_flight: config.limits.handshakes,
        per_prefix: config.limits.handshakes_per_prefix,
        deadline: config.limits.handshake_deadline,
        ..AdmissionLimits::default()
    }
}

pub(super) fn link_limits(config: &NodeConfig) -> LinkLimits {
    let some = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    LinkLimits {
        frames_per_s: some(config.limits.frames_per_s),
        bytes_per_s: some(config.limits.bytes_per_s),
        // A neighbour that answers no PING is closed with a word before this.
        idle: config.ping.saturating_mul(6),
        ..LinkLimits::default()
    }
}

pub(super) fn peering_config(config: &NodeConfig, me: NodeId, network: NetworkId) -> peering::Config {
    peering::Config {
        me,
        network,
        max_links: config.limits.links,
        ping: config.ping,
        hello_deadline: config.limits.handshake_deadline,
        neighbours: config.neighbours.clone(),
    }
}

pub(super) fn engine_config(config: &NodeConfig, network: NetworkId) -> EngineConfig {
    EngineConfig {
        dissemination: config.dissemination,
        anti_entropy_us: micros(config.anti_entropy),
        quota_bytes_per_day: config.limits.greedy_bytes_per_day,
        quota_incarnations_per_day: config.limits.greedy_incarnations_per_day,
        pace_bytes_per_s: config.limits.pace_bytes_per_s,
        ..EngineConfig::new(network)
    }
}
