//! House rules that the compiler does not know. Each rule is a function from a file to what is wrong with it, and is
//! itself tried on a file that breaks it.

#![expect(
    clippy::disallowed_methods,
    reason = "it looks at the sources themselves, which lie on the real disk"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their floors: a room imports only from lower ones.
const FLOORS: [(&str, u32); 20] = [
    ("types", 1),
    ("clock", 2),
    ("error", 2),
    ("io", 3),
    ("config", 3),
    ("record", 3),
    ("segment", 4),
    ("log", 5),
    ("partition", 6),
    ("topic", 7),
    ("engine", 8),
    ("group", 9),
    ("txn", 10),
    ("producer", 11),
    ("consumer", 11),
    ("admin", 11),
    ("broker", 12),
    ("testing", 13),
    ("listener", 13),
    ("bin", 13),
];

const LINES_MAX: usize = 500;

type Rule = fn(&str, &str) -> Vec<String>;

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// `src/log/read.rs` and `src/clock.rs` are in the rooms `log` and `clock`; `src/lib.rs` is in none.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let name = inside.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name)).filter(|room| *room != "lib")
}

/// Code without its line comments, doc tests among them.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let without_comment = |line: &str| line.find("//").map_or(line.len(), |at| at);
    text.lines().enumerate().map(move |(index, line)| (index + 1, &line[..without_comment(line)]))
}

fn imports_go_down(path: &str, text: &str) -> Vec<String> {
    let Some(room) = room(path) else { return Vec::new() };
    let Some(here) = floor(room) else {
        return vec![format!("{path}: the room {room} has no floor; give it one in tests/tidy.rs")];
    };
    let mut wrong = Vec::new();
    for (line, code) in code(text) {
        for import in code.split("crate::").skip(1) {
            let target: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let above = floor(&target).is_some_and(|there| there >= here && target != room);
            if above {
                wrong.push(format!(
                    "{path}:{line}: {room} imports {target}, which is not below it; turn it round"
                ));
            }
        }
    }
    wrong
}

fn files_say_what_they_are(path: &str, text: &str) -> Vec<String> {
    let says = text.lines().next().is_some_and(|line| line.starts_with("//! "));
    if says { Vec::new() } else { vec![format!("{path}: begin it with a //! line that says what it is")] }
}

fn files_are_one_thought(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines <= LINES_MAX {
        Vec::new()
    } else {
        vec![format!("{path}: {lines} lines are more than one thought; split it")]
    }
}

/// What only some files may say.
fn words_at_their_doors(path: &str, text: &str) -> Vec<String> {
    const FS: &[&str] = &[
        "src/io/os.rs",
        "src/io/os/file.rs",
        "src/io/os/names.rs",
        "src/io/os/pages.rs",
        "src/io/os_portable.rs",
        "src/io/mapped.rs",
    ];
    const DOORS: [(&str, &[&str]); 8] = [
        ("std::fs", FS),
        ("rustix::", FS),
        ("Instant", &["src/clock.rs"]),
        ("SystemTime", &["src/clock.rs", "src/io/os_portable.rs"]),
        ("unsafe ", &["src/io/mapped.rs"]),
        // Looked up by path and never gone through, so its order is never seen.
        ("HashMap", &["src/io/pool/names.rs"]),
        ("rand::", &[]),
        // The engine's background thread, the page maker, and who looks many names up; giving way to others; and what a codec leaves with its thread.
        // Unit tests in files of their own may start more.
        (
            "std::thread",
            &[
                "src/engine/background.rs",
                "src/io/os/names.rs",
                "src/io/os/pages.rs",
                "src/clock.rs",
                "src/record/compression/kept.rs",
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (line, code) in code(text).take_while(|(_, code)| !code.contains("#[cfg(test)]")) {
        for (word, doors) in DOORS {
            let is_test = word == "std::thread" && (path.contains("/tests") || path.ends_with("_tests.rs"));
            if code.contains(word) && path.starts_with("src/") && !doors.contains(&path) && !is_test {
                wrong.push(format!("{path}:{line}: {word:?} may only stand in {doors:?}"));
            }
        }
        if code.contains("#[allow(") && !code.contains("reason = ") {
            wrong.push(format!("{path}:{line}: expect it, or say the reason for which it only may happen"));
        }
    }
    wrong
}

fn nothing_is_left_behind(path: &str, text: &str) -> Vec<String> {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("#[ign", "ore"),
        concat!("todo", "!("),
    ];
    let found = marks.iter().filter(|mark| text.contains(**mark));
    found
        .map(|mark| format!("{path}: {mark:?} is left behind; do it or say in docs/decisions.md why not"))
        .collect()
}

fn tests_do_not_wait(path: &str, text: &str) -> Vec<String> {
    let naps = ["thread::sleep", "Instant::now", "SystemTime::now"];
    let waits = |code: &str| {
        path.starts_with("tests/") && path != "tests/tidy.rs" && naps.iter().any(|nap| code.contains(nap))
    };
    code(text)
        .filter(|(_, code)| waits(code))
        .map(|(line, _)| format!("{path}:{line}: no test waits for the wall clock"))
        .collect()
}

const RULES: [Rule; 6] = [
    imports_go_down,
    files_say_what_they_are,
    files_are_one_thought,
    words_at_their_doors,
    nothing_is_left_behind,
    tests_do_not_wait,
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // `benches/peers` is a crate of its own, and may have been built where it stands.
            if path.file_name().is_none_or(|name| name != "target") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let mut files = Vec::new();
    ["src", "tests", "benches", "examples"].iter().for_each(|dir| sources(&top().join(dir), &mut files));
    assert!(files.len() > 50, "the rules were held against {} files only", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file is text");
        let path = file.strip_prefix(top()).expect("it was found there").to_string_lossy().replace('\\', "/");
        RULES.iter().for_each(|rule| wrong.extend(rule(&path, &text)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(top().join("Cargo.toml")).expect("there is a manifest");
    let wrong = dependencies_without_reason(&manifest);
    assert!(wrong.is_empty(), "put a comment with the reason above: {wrong:?}");
}

/// A comment stands for all dependencies of its paragraph.
fn dependencies_without_reason(manifest: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut inside, mut reason) = (false, false);
    for line in manifest.lines() {
        match line {
            header if header.starts_with('[') => (inside, reason) = (header.contains("dependencies"), false),
            "" => reason = false,
            comment if comment.starts_with('#') => reason = true,
            dependency if inside && !reason => wrong.push(dependency.to_owned()),
            _ => {}
        }
    }
    wrong
}

#[test]
fn each_rule_can_be_broken() {
    let broken: [(Rule, &str, String); 11] = [
        (imports_go_down, "src/record/x.rs", "use crate::log::Log;".into()),
        (imports_go_down, "src/record/x.rs", "fn f() -> crate::config::LogConfig {}".into()),
        (imports_go_down, "src/attic/x.rs", String::new()),
        (files_say_what_they_are, "src/x.rs", "use std::io;".into()),
        (files_are_one_thought, "src/x.rs", "\n".repeat(LINES_MAX + 1)),
        (words_at_their_doors, "src/log/x.rs", "std::fs::read(path)".into()),
        (words_at_their_doors, "src/log/x.rs", "let map: HashMap<u8, u8>;".into()),
        (words_at_their_doors, "src/log/x.rs", "std::thread::spawn(work)".into()),
        (words_at_their_doors, "src/log/x.rs", "#[allow(dead_code)]".into()),
        (nothing_is_left_behind, "src/x.rs", format!("// {}: later", concat!("TO", "DO"))),
        (tests_do_not_wait, "tests/x.rs", "std::thread::sleep(second)".into()),
    ];
    for (rule, path, text) in broken {
        assert_eq!(rule(path, &text).len(), 1, "{path}: {text:?}");
    }
    assert_eq!(dependencies_without_reason("[dependencies]\n# why\na = \"1\"\n\nb = \"1\"").len(), 1);
}

#[test]
fn what_is_allowed_is_not_held_against_anybody() {
    let fine: [(Rule, &str, &str); 4] = [
        (imports_go_down, "src/log/x.rs", "use crate::segment::Segment; // and not crate::broker"),
        (imports_go_down, "src/lib.rs", "use crate::log::Log;"),
        (words_at_their_doors, "src/io/os.rs", "use std::fs::File;"),
        (tests_do_not_wait, "benches/x.rs", "Instant::now()"),
    ];
    for (rule, path, text) in fine {
        assert_eq!(rule(path, text), Vec::<String>::new(), "{path}: {text:?}");
    }
}
