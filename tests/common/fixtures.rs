//! Where the fixtures are that Kafka wrote, and how their JSON says numbers and bytes.
//!
//! They are not part of this repository. `BROOKLET_KAFKA_FIXTURES` names their folder; without it they are looked for
//! beside the repository. Where they are missing, the tests say so and check nothing.

use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder with what Kafka wrote, if there is one. A folder that was asked for by name has to be there.
pub(crate) fn fixtures() -> Option<PathBuf> {
    let named = std::env::var_os("BROOKLET_KAFKA_FIXTURES").map(PathBuf::from);
    let folder = match &named {
        Some(folder) => folder.clone(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/kafka"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(named.is_none(), "BROOKLET_KAFKA_FIXTURES is {}, which is no folder", folder.display());
    say(&format!(
        "SKIPPED: no fixtures of Kafka at {}; set BROOKLET_KAFKA_FIXTURES to check against them",
        folder.display()
    ));
    None
}

/// The cases of one file of vectors.
pub(crate) fn cases(folder: &Path, file: &str) -> Vec<Value> {
    let path = folder.join("vectors").join(file);
    let text = fs::read_to_string(&path).expect("the vectors are readable");
    let vectors: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let cases = vectors["cases"].as_array().expect("cases").clone();
    assert!(!cases.is_empty(), "{} has no cases", path.display());
    cases
}

/// A number by its name.
pub(crate) fn integer(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_else(|| panic!("{name} is no integer in {value}"))
}

/// The bytes of hexadecimal digits.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Says something to whoever runs the tests, once. The test harness swallows what is printed by a test that passes; what
/// is written to the handle it lets through.
pub(crate) fn say(sentence: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().insert(sentence.to_owned()) {
        let _ = writeln!(std::io::stderr(), "{sentence}");
    }
}
