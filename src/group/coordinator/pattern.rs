//! A pattern of topics: a regular expression that the whole name has to match.

use crate::error::{Error, Result};
use crate::types::INTERNAL_TOPICS;
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a member subscribes by.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self> {
        let why = "it is a regular expression that the whole name of a topic has to match";
        let invalid = |_| Error::InvalidConfig { setting: "subscribe_pattern", value: text.to_owned(), why };
        let regex = Regex::new(&format!("^(?:{text})$")).map_err(invalid)?;
        Ok(Self { text: text.to_owned(), regex })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What it finds. Internal topics are subscribed to by name only, as in Kafka.
    pub(super) fn matches(&self, topics: &BTreeMap<String, u32>) -> Arc<BTreeSet<String>> {
        let found = topics.keys().filter(|name| self.regex.is_match(name));
        Arc::new(found.filter(|name| !INTERNAL_TOPICS.contains(&name.as_str())).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_whole_names_and_no_internal_topic() {
        let names = ["orders", "orders.eu", "old-orders", "__consumer_offsets"];
        let topics = names.into_iter().map(|name| (name.to_owned(), 1)).collect();
        let finds = |text: &str| {
            Pattern::new(text).expect("a pattern").matches(&topics).iter().cloned().collect::<Vec<_>>()
        };
        assert_eq!(finds("orders.*"), ["orders", "orders.eu"]);
        assert_eq!(finds("orders|old-orders"), ["old-orders", "orders"]);
        assert_eq!(finds(".*"), ["old-orders", "orders", "orders.eu"]);
        assert!(Pattern::new("(").is_err());
    }
}
