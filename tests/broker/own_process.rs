//! A test that runs in a process of its own: it starts its own binary again, with itself as the only test.

use std::process::Command;

const NAME: &str = "BROOKLET_TEST_ARGUMENT";

/// What the test was called with, if this is the process that it started.
pub(crate) fn argument() -> Option<String> {
    std::env::var(NAME).ok()
}

/// Runs the test of this name in another process with an argument, and says what it printed. It has to succeed there.
pub(crate) fn run(test: &str, argument: &str) -> String {
    let binary = std::env::current_exe().expect("we run");
    let output = Command::new(binary)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(NAME, argument)
        .output()
        .expect("what runs can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{test} is not the name of a test: {text}");
    text
}
