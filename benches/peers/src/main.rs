//! Everybody side by side: brooklet and its peers do the same work in turns, on one disk, in one process.
//!
//! - `contestant`: what a log has to be able to do to take part. `contestants`: one file for each that does.
//! - `works`: one file for each kind of work. `rounds`: who is when on; medians.
//! - `source`: the records, and who looks whether they came back. `scratch`: where it all lies. `table`: what is printed.
//!
//! `README.md` says how to run it, and what is compared with what.

mod contestant;
mod contestants;
mod rounds;
mod scratch;
mod source;
mod table;
mod works;

use rounds::Effort;
use scratch::Scratch;
use std::process::ExitCode;
use table::Table;

const USAGE: &str = "peers [--quick] [--dir DIRECTORY] [--who PART OF A NAME] [NAME OF A WORK]...";

struct Arguments {
    quick: bool,
    dir: Option<String>,
    who: String,
    works: Vec<String>,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self {
            quick: false,
            dir: std::env::var("PEERS_DIR").ok(),
            who: String::new(),
            works: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => parsed.quick = true,
                "--dir" => parsed.dir = Some(arguments.next().ok_or("--dir wants a directory")?),
                "--who" => parsed.who = arguments.next().ok_or("--who wants a part of a name")?,
                "--help" | "-h" => return Err(USAGE.into()),
                name if works::ALL.iter().any(|(work, _)| *work == name) => parsed.works.push(argument),
                other => {
                    let names: Vec<_> = works::ALL.iter().map(|(name, _)| *name).collect();
                    return Err(format!("{other:?} is no work; there are {}\n{USAGE}", names.join(", ")));
                }
            }
        }
        Ok(parsed)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let scratch = match Scratch::make(arguments.dir.as_deref()) {
        Ok(scratch) => scratch,
        Err(error) => {
            eprintln!("no scratch directory: {error}");
            return ExitCode::FAILURE;
        }
    };
    contestants::walrus::prepare(scratch.path());
    let effort = if arguments.quick { Effort::QUICK } else { Effort::FULL };
    let mut all_well = true;
    for (name, work) in works::ALL {
        if arguments.works.is_empty() || arguments.works.iter().any(|wanted| wanted == name) {
            let mut table = Table::new(&arguments.who);
            work(&scratch, effort, &mut table);
            table.print();
            all_well &= table.is_well();
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
