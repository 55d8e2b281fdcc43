//! Claims about the changes of a catalog, and about its file.

use super::*;
use crate::config::CleanupPolicy;
use crate::io::{Entry, MemFs};
use std::time::Duration;

pub(super) fn id(number: u8) -> TopicId {
    TopicId::from_bytes([number; 16])
}

/// Topics `orders` (3 partitions, 2 with directories) and `payments.eu` (1), and one that was deleted.
pub(super) fn catalog() -> Catalog {
    let mut catalog = Catalog { next_producer_id: 1_000, ..Catalog::default() };
    let compacted =
        TopicConfig::new().partitions(3).cleanup_policy(CleanupPolicy::Compact).segment_bytes(512);
    catalog.create("payments.eu", id(2), &TopicConfig::new()).unwrap();
    catalog.create("orders", id(3), &compacted).unwrap();
    catalog.create("old", id(4), &TopicConfig::new().partitions(2)).unwrap();
    catalog.mark_created("orders", 2).unwrap();
    catalog.delete("old").unwrap();
    catalog
}

type Change<'a> = &'a dyn Fn(&mut Catalog) -> Result<()>;

/// That a change is refused, and nothing is changed by it.
fn refused(catalog: &Catalog, change: impl Fn(&mut Catalog) -> Result<()>) -> Error {
    let mut changed = catalog.clone();
    let error = change(&mut changed).unwrap_err();
    assert_eq!(&changed, catalog, "{error}");
    error
}

#[test]
fn a_new_topic_has_its_settings_and_no_directories() {
    let catalog = catalog();
    let orders = &catalog.topics["orders"];
    assert_eq!((orders.id, orders.partitions, orders.created), (id(3), 3, 2));
    let settings = [("cleanup.policy", "compact"), ("segment.bytes", "512")];
    assert_eq!(orders.config, settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let config = orders.topic_config().unwrap();
    assert_eq!((config.partitions, config.segment_bytes), (3, 512));
    assert_eq!(
        (catalog.topics["payments.eu"].created, catalog.next_topic_number, catalog.version),
        (0, 3, 5)
    );
}

#[test]
fn names_that_are_taken_or_look_taken_are_refused() {
    for (name, existing) in
        [("orders", "orders"), ("payments.eu", "payments.eu"), ("payments_eu", "payments.eu")]
    {
        let error = refused(&catalog(), |catalog| catalog.create(name, id(9), &TopicConfig::new()));
        assert!(
            matches!(&error, Error::TopicExists { topic, existing: found } if topic == name && found == existing),
            "{error}"
        );
    }
    for name in ["old", "order", "payments-eu", "payments.eu.", "__consumer_offsets", "__transaction_state"] {
        catalog().create(name, id(9), &TopicConfig::new()).unwrap();
    }
}

#[test]
fn what_cannot_be_a_topic_is_refused() {
    for name in ["", "..", "a b", &"x".repeat(250)] {
        let error = refused(&catalog(), |catalog| catalog.create(name, id(9), &TopicConfig::new()));
        assert!(matches!(error, Error::InvalidName(_)), "{error}");
    }
    for config in [TopicConfig::new().partitions(0), TopicConfig::new().segment_bytes(1)] {
        let error = refused(&catalog(), |catalog| catalog.create("new", id(9), &config));
        assert!(matches!(error, Error::InvalidConfig { .. }), "{error}");
    }
    for id in [id(0), id(3), id(4)] {
        let error = refused(&catalog(), |catalog| catalog.create("new", id, &TopicConfig::new()));
        assert!(matches!(error, Error::PolicyViolation { .. }), "{error}");
    }
}

#[test]
fn partitions_are_added_and_never_taken_away() {
    let mut grown = catalog();
    grown.add_partitions("orders", 5).unwrap();
    assert_eq!((grown.topics["orders"].partitions, grown.topics["orders"].created), (5, 2));
    assert_eq!(grown.version, catalog().version + 1);
    let same = grown.clone();
    grown.add_partitions("orders", 5).unwrap();
    assert_eq!(grown, same);
    for total in [0, 4, 1 << 31, u32::MAX] {
        let error = refused(&grown, |catalog| catalog.add_partitions("orders", total));
        assert!(
            matches!(&error, Error::InvalidConfig { setting: "partitions", value, .. } if *value == total.to_string()),
            "{error}"
        );
    }
    grown.add_partitions("orders", 1 << 30).unwrap();
}

#[test]
fn directories_are_counted_up_to_what_is_wanted() {
    let mut catalog = catalog();
    let error = refused(&catalog, |catalog| catalog.mark_created("orders", 4));
    assert!(matches!(error, Error::UnknownPartition { partition: 3, partitions: 3, .. }), "{error}");
    let before = catalog.clone();
    catalog.mark_created("orders", 1).unwrap();
    assert_eq!(catalog, before);
    catalog.mark_created("orders", 3).unwrap();
    assert_eq!((catalog.topics["orders"].created, catalog.version), (3, before.version + 1));
}

#[test]
fn an_alteration_replaces_the_settings_and_nothing_else() {
    let mut altered = catalog();
    let config = TopicConfig::new().partitions(3).retention(Duration::from_secs(1));
    altered.alter("orders", &config).unwrap();
    let orders = &altered.topics["orders"];
    assert_eq!(orders.topic_config().unwrap(), config);
    let was = catalog().topics["orders"].clone();
    assert_eq!(*orders, TopicEntry { config: orders.config.clone(), ..was });
    assert_eq!(altered.version, catalog().version + 1);
    let same = altered.clone();
    altered.alter("orders", &config).unwrap();
    assert_eq!(altered, same);

    for (config, named) in
        [(config.clone().partitions(4), "partitions"), (config.segment_bytes(1), "segment.bytes")]
    {
        let error = refused(&altered, |catalog| catalog.alter("orders", &config));
        assert!(matches!(error, Error::InvalidConfig { setting, .. } if setting == named), "{error}");
    }
}

#[test]
fn a_deleted_topic_is_remembered_until_its_directories_are_gone() {
    let mut catalog = catalog();
    let old = DeletedTopic { name: "old".into(), id: id(4), partitions: 2 };
    assert_eq!(catalog.deleted, std::slice::from_ref(&old));
    catalog.create("old", id(5), &TopicConfig::new()).unwrap();
    catalog.delete("old").unwrap();
    assert_eq!(catalog.deleted, [old.clone(), DeletedTopic { id: id(5), partitions: 1, ..old.clone() }]);
    let before = catalog.clone();
    catalog.forget_deleted(id(9));
    assert_eq!(catalog, before);
    catalog.forget_deleted(id(5));
    assert_eq!((catalog.deleted, catalog.version), (vec![old], before.version + 1));
}

#[test]
fn an_unknown_topic_cannot_be_changed() {
    let config = TopicConfig::new();
    let changes: [Change<'_>; 4] = [
        &|catalog| catalog.add_partitions("old", 9),
        &|catalog| catalog.mark_created("old", 1),
        &|catalog| catalog.alter("old", &config),
        &|catalog| catalog.delete("old"),
    ];
    for change in changes {
        let error = refused(&catalog(), change);
        assert!(matches!(&error, Error::UnknownTopic { topic } if topic == "old"), "{error}");
    }
}

#[test]
fn numbers_at_their_end_do_not_panic() {
    let mut catalog = Catalog { version: u64::MAX, next_topic_number: u64::MAX, ..Catalog::default() };
    catalog.create("orders", id(1), &TopicConfig::new()).unwrap();
    assert_eq!((catalog.version, catalog.next_topic_number), (u64::MAX, u64::MAX));
}

#[test]
fn what_was_stored_is_loaded() {
    let (fs, path) = (MemFs::new(), Path::new("/catalog"));
    assert_eq!(Catalog::load(&fs, path).unwrap(), None);
    for catalog in [catalog(), Catalog::default()] {
        catalog.store(&fs, path).unwrap();
        assert_eq!(Catalog::load(&fs, path).unwrap(), Some(catalog));
    }
    let names: Vec<_> = fs.list(Path::new("/")).unwrap().into_iter().map(|entry: Entry| entry.name).collect();
    assert_eq!(names, [CATALOG]);
}

#[test]
fn a_damaged_file_is_named_with_what_was_found() {
    let (fs, path) = (MemFs::new(), Path::new("/catalog"));
    replace_file(&fs, path, b"").unwrap();
    let error = Catalog::load(&fs, path).unwrap_err();
    assert!(
        matches!(&error, Error::CatalogDamaged { path: named, found } if named == path && found.contains("0 bytes")),
        "{error}"
    );
    // Its length is announced, and not there: nothing of it is read.
    fs.open(path).unwrap().truncate(BYTES_MAX as u64 + 1).unwrap();
    let error = Catalog::load(&fs, path).unwrap_err();
    assert!(matches!(error, Error::CatalogDamaged { .. }), "{error}");
}

#[test]
fn a_newer_file_says_which_version_it_needs() {
    let (fs, path) = (MemFs::new(), Path::new("/catalog"));
    replace_file(&fs, path, &codec::of_version(7)).unwrap();
    let error = Catalog::load(&fs, path).unwrap_err();
    assert!(matches!(error, Error::NewerFormat { found: 7, supported: 1, .. }), "{error}");
}
