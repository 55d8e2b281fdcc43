//! Everybody side by side: brooklet and its peers do the same work in turns, on one disk, in one process.
//!
//! - `contestant`: what a log has to be able to do to take part. `contestants`: one file for each that does.
//! - `works`: one file for each kind of work. `rounds`: who is when on; medians.
//! - `figures`: what was measured. `goals`: what it should be, and whether it is. `plots`: the same to look at.
//! - `memory`: touched before it is measured in. `source`: the records, and who looks whether they came back. `scratch`: where it all lies. `table`: what is printed.
//!
//! `README.md` says how to run it, and what is compared with what.

mod contestant;
mod contestants;
mod figures;
mod goals;
mod memory;
mod plots;
mod rounds;
mod scratch;
mod source;
mod table;
mod works;

use figures::Figures;
use rounds::Effort;
use scratch::Scratch;
use std::path::Path;
use std::process::ExitCode;
use table::Table;

const USAGE: &str =
    "peers [--quick] [--dir DIRECTORY] [--who PART OF A NAME] [--plots DIRECTORY] [NAME OF A WORK]...";

struct Arguments {
    quick: bool,
    dir: Option<String>,
    who: String,
    plots: Option<String>,
    works: Vec<String>,
}

impl Arguments {
    fn parse() -> Result<Self, String> {
        let mut parsed = Self {
            quick: false,
            dir: std::env::var("PEERS_DIR").ok(),
            who: String::new(),
            plots: None,
            works: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => parsed.quick = true,
                "--dir" => parsed.dir = Some(arguments.next().ok_or("--dir wants a directory")?),
                "--who" => parsed.who = arguments.next().ok_or("--who wants a part of a name")?,
                "--plots" => parsed.plots = Some(arguments.next().ok_or("--plots wants a directory")?),
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
    let (mut all_well, mut figures) = (true, Figures::default());
    for (name, work) in works::ALL {
        if arguments.works.is_empty() || arguments.works.iter().any(|wanted| wanted == name) {
            memory::touch(if arguments.quick { 1 } else { 8 });
            let mut table = Table::new(&arguments.who, &mut figures);
            work(&scratch, effort, &mut table);
            table.print();
            all_well &= table.is_well();
        }
    }
    all_well &= goals::report(&figures);
    if let Some(dir) = arguments.plots
        && let Err(error) = plots::write(Path::new(&dir), &figures)
    {
        eprintln!("no plots: {error}");
        all_well = false;
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
