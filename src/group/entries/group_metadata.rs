//! A group and its members, as of one epoch.
//!
//! ```text
//!             versions
//! i16         all        version; 3 is written
//! text        all        protocol type: "consumer"; empty for a group that only keeps offsets
//! i32         all        generation
//! text, null  all        protocol: the assignor's name
//! text, null  all        leader: a member id
//! i64         2, 3, 4    since when it is in its state; -1: not known
//! list        all        members:
//!   text        all        member id
//!   text, null  3, 4       instance id
//!   text        all        client id
//!   text        all        client host
//!   i32         1 .. 4     rebalance timeout, in milliseconds
//!   i32         all        session timeout, in milliseconds
//!   bytes       all        subscription
//!   bytes       all        assignment
//! ```
//! Version 4 is flexible, with tagged fields after each member and at the end.

use super::Undecodable;
use super::wire::{Reader, Writer};
use crate::types::Timestamp;

const WRITTEN: i16 = 3;
const FLEXIBLE: i16 = 4;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupMetadataValue {
    /// `consumer`; empty for a group that only keeps offsets.
    pub protocol_type: String,
    /// The epoch.
    pub generation: i32,
    /// The assignor's name.
    pub protocol: Option<String>,
    /// In Kafka the member that runs the assignor.
    pub leader: Option<String>,
    /// Since when it is in its state: offsets of an empty group expire from then on.
    pub state_timestamp: Option<Timestamp>,
    /// The members.
    pub members: Vec<MemberMetadata>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberMetadata {
    /// Its id.
    pub member_id: String,
    /// Its instance id.
    pub instance_id: Option<String>,
    /// What it calls itself.
    pub client_id: String,
    /// Where it is.
    pub client_host: String,
    /// In milliseconds.
    pub rebalance_timeout: i32,
    /// In milliseconds.
    pub session_timeout: i32,
    /// What it subscribes to: a [`ConsumerSubscription`](super::ConsumerSubscription).
    pub subscription: Vec<u8>,
    /// What it was given: a [`ConsumerAssignment`](super::ConsumerAssignment).
    pub assignment: Vec<u8>,
}

impl GroupMetadataValue {
    /// Its bytes, as version 3.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(WRITTEN);
        writer.text(&self.protocol_type);
        writer.put(self.generation.to_be_bytes());
        writer.nullable_text(self.protocol.as_deref());
        writer.nullable_text(self.leader.as_deref());
        writer.put(self.state_timestamp.map_or(-1, Timestamp::as_millis).to_be_bytes());
        writer.list(&self.members, |writer, member| member.encode(writer));
        writer.finish()
    }

    /// Reads one of any version.
    ///
    /// # Errors
    /// [`Undecodable`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let (mut reader, version) = Reader::versioned(bytes, FLEXIBLE)?;
        let protocol_type = reader.text()?;
        let generation = reader.i32()?;
        let (protocol, leader) = (reader.nullable_text()?, reader.nullable_text()?);
        let since = if version >= 2 { reader.i64()? } else { -1 };
        let members = reader.list(|reader| MemberMetadata::decode(reader, version))?;
        reader.tagged(|_, _| true)?;
        let state_timestamp = (since != -1).then(|| Timestamp::from_millis(since));
        reader.end(GroupMetadataValue {
            protocol_type,
            generation,
            protocol,
            leader,
            state_timestamp,
            members,
        })
    }
}

impl MemberMetadata {
    fn encode(&self, writer: &mut Writer) {
        writer.text(&self.member_id);
        writer.nullable_text(self.instance_id.as_deref());
        writer.text(&self.client_id);
        writer.text(&self.client_host);
        writer.put(self.rebalance_timeout.to_be_bytes());
        writer.put(self.session_timeout.to_be_bytes());
        writer.nullable_bytes(Some(&self.subscription));
        writer.nullable_bytes(Some(&self.assignment));
    }

    fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, Undecodable> {
        let member_id = reader.text()?;
        let instance_id = if version >= 3 { reader.nullable_text()? } else { None };
        let (client_id, client_host) = (reader.text()?, reader.text()?);
        let first_timeout = reader.i32()?;
        // Before version 1 there was one timeout for both.
        let session_timeout = if version >= 1 { reader.i32()? } else { first_timeout };
        let subscription = reader.nullable_bytes()?.unwrap_or_default();
        let assignment = reader.nullable_bytes()?.unwrap_or_default();
        reader.tagged(|_, _| true)?;
        Ok(MemberMetadata {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout: first_timeout,
            session_timeout,
            subscription,
            assignment,
        })
    }
}
