//! A group as the record of itself, in Kafka's schema.

use crate::group::entries::{ConsumerAssignment, ConsumerSubscription, GroupMetadataValue, MemberMetadata};
use crate::group::{Group, MemberView};
use crate::types::Timestamp;
use std::time::Duration;

/// What Kafka calls the groups of consumers.
pub(super) const CONSUMER: &str = "consumer";

/// Where clients are: all of them are here.
const HOST: &str = "in-process";

/// A group at its epoch: each member with what it is to have, as Kafka notes the assignment that it has handed out.
pub(super) fn value(group: &Group, since: Timestamp) -> GroupMetadataValue {
    GroupMetadataValue {
        protocol_type: CONSUMER.to_owned(),
        generation: i32::try_from(group.epoch()).unwrap_or(i32::MAX),
        protocol: group.assignor_name(),
        leader: group.members().next().map(|member| member.said().member_id.clone()),
        state_timestamp: Some(since),
        members: group.members().map(|member| member_metadata(group, &member)).collect(),
    }
}

fn member_metadata(group: &Group, member: &MemberView<'_>) -> MemberMetadata {
    let said = member.said();
    let subscription = ConsumerSubscription {
        topics: said.topics.iter().cloned().collect(),
        owned: member.assigned().clone(),
        generation: Some(member.epoch()),
        ..ConsumerSubscription::default()
    };
    let partitions = group.target(&said.member_id).cloned().unwrap_or_default();
    MemberMetadata {
        member_id: said.member_id.clone(),
        instance_id: said.instance_id.clone(),
        client_id: said.client_id.clone(),
        client_host: HOST.to_owned(),
        rebalance_timeout: millis(said.rebalance_timeout),
        session_timeout: millis(said.session_timeout),
        subscription: subscription.encode(),
        assignment: ConsumerAssignment { partitions, user_data: None }.encode(),
    }
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
