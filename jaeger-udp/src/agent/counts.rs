//! What an agent counted.

use std::collections::HashMap;

use crate::ClientStats;
use crate::error::DecodeError;
use crate::model::{Batch, Process, TagValue};

/// What came in since an agent was bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentCounts {
    /// Datagrams, bad ones included.
    pub packets: u64,
    /// Their payload in bytes.
    pub bytes: u64,
    /// Batches that could be decoded.
    pub batches: u64,
    /// Spans in them.
    pub spans: u64,
    /// Batches after which there were more bytes.
    pub batches_with_trailing_bytes: u64,
    /// Datagrams that are neither compact nor strict binary Thrift.
    pub unknown_protocol_packets: u64,
    /// Datagrams that call another method.
    pub unknown_method_packets: u64,
    /// Datagrams without a field that is required.
    pub missing_field_packets: u64,
    /// Datagrams that are cut off, malformed or too long.
    pub malformed_packets: u64,
    /// Numbers left out between batches of a client: datagrams that were lost on the way, or not sent.
    pub seq_no_gaps: u64,
    /// What each client said last, by [`client name`](ClientCounts::name); at the most 1,024 of them.
    pub clients: HashMap<String, ClientCounts>,
}

/// What one client said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCounts {
    /// The service, and its `client-uuid` tag where it has one.
    pub name: String,
    /// The highest number of a batch.
    pub last_seq_no: i64,
    /// What it lost since its start.
    pub stats: ClientStats,
}

impl AgentCounts {
    /// Returns how many datagrams could not be decoded, for whatever reason.
    pub fn bad_packets(&self) -> u64 {
        self.unknown_protocol_packets
            + self.unknown_method_packets
            + self.missing_field_packets
            + self.malformed_packets
    }

    pub(super) fn note_error(&mut self, error: &DecodeError) {
        match error {
            DecodeError::UnknownProtocol { .. } => self.unknown_protocol_packets += 1,
            DecodeError::UnknownMethod { .. } => self.unknown_method_packets += 1,
            DecodeError::MissingField { .. } => self.missing_field_packets += 1,
            _ => self.malformed_packets += 1,
        }
    }

    pub(super) fn note_batch(&mut self, batch: &Batch, trailing_bytes: usize) {
        self.batches += 1;
        self.spans += batch.spans.len() as u64;
        self.batches_with_trailing_bytes += u64::from(trailing_bytes > 0);
        let Some(seq_no) = batch.seq_no else { return };
        let name = client_name(&batch.process);
        if self.clients.len() >= MAX_CLIENTS && !self.clients.contains_key(&name) {
            return;
        }
        let client = self.clients.entry(name.clone()).or_insert_with(|| ClientCounts {
            name,
            last_seq_no: seq_no.saturating_sub(1),
            stats: ClientStats::default(),
        });
        // An older number is a datagram that was overtaken, or a client that started again under its name.
        let step = seq_no.saturating_sub(client.last_seq_no);
        if step > 0 {
            self.seq_no_gaps = self.seq_no_gaps.saturating_add(step as u64 - 1);
            client.last_seq_no = seq_no;
            client.stats = batch.stats.unwrap_or(client.stats);
        }
    }
}

fn client_name(process: &Process) -> String {
    match process.tags.iter().find(|tag| tag.key == "client-uuid").map(|tag| &tag.value) {
        Some(TagValue::String(uuid)) => format!("{} {uuid}", process.service_name),
        _ => process.service_name.clone(),
    }
}

/// Names come from outside, so their number is limited.
const MAX_CLIENTS: usize = 1024;
