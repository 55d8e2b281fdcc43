//! The process that kills: starts another, listens to what it acknowledges, and sends it SIGKILL when it has heard enough.

use crate::child::LIFE;
use crate::life::{Death, Life, Work};
use crate::payload::{Id, Place};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

const SIGKILL: i32 = 9;

/// A record that was said to be there, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) id: Id,
    pub(crate) place: Place,
    pub(crate) offset: u64,
}

fn start(test: &str, life: &Life) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new(std::env::current_exe().expect("we run"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(LIFE, life.to_line())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("what runs can be started");
    let heard = child.stderr.take().expect("it was asked for");
    (child, BufReader::new(heard))
}

fn parse(line: &str, life: &Life) -> Option<Ack> {
    let mut words = line.strip_prefix("ack ")?.split(' ');
    let (writer, number) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (place, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Ack { id: Id { life: life.number, writer, number }, place, offset })
}

/// A life that ends in death. Every acknowledgement that was heard, those in the pipe at its death among them.
pub(crate) fn live(test: &str, life: &Life) -> Vec<Ack> {
    assert_eq!(life.work, Work::Writing, "only who writes has something to say");
    let (mut child, heard) = start(test, life);
    let enough = match life.death {
        Death::AfterAcks(count) => count as usize,
        Death::AtCall(_) => usize::MAX,
    };
    if enough == 0 {
        child.kill().expect("it is ours");
    }
    let (mut acks, mut complaint) = (Vec::new(), String::new());
    for line in heard.lines() {
        let line = line.expect("text");
        match parse(&line, life) {
            Some(ack) => acks.push(ack),
            None => complaint.extend([&line, "\n"]),
        }
        if acks.len() == enough {
            child.kill().expect("it is ours");
        }
    }
    let status = child.wait().expect("it is ours");
    assert_eq!(complaint, "", "{life:?}");
    assert_eq!(status.signal(), Some(SIGKILL), "{life:?} ended with {status}");
    acks
}

/// An opening; whether it was over before it was killed.
pub(crate) fn opens(test: &str, life: &Life) -> bool {
    assert_eq!(life.work, Work::Opening, "who writes never ends by itself");
    let (mut child, mut heard) = start(test, life);
    let mut said = String::new();
    heard.read_to_string(&mut said).expect("text");
    let status: ExitStatus = child.wait().expect("it is ours");
    assert!(
        said.is_empty() && (status.success() || status.signal() == Some(SIGKILL)),
        "{life:?}: {status}, {said}"
    );
    status.success()
}
