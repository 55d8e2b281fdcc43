//! What a power cut leaves: the chance by which each unsynced sector, length and name is chosen.
//!
//! Chance alone, sector by sector, hardly ever gives the extreme states (nothing survived, only the newest write did,
//! one file is whole and the other is gone), and just these find mistakes. So each cut first draws a [`Survival`].

use super::rng::Rng;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process is gone: everything visible stays, unsynced as it was; handles and locks are dead.
    Kill,
    /// The power is gone as well; the seed says what survives, and by which [`Survival`].
    PowerCut { seed: u64 },
    /// The same with the survival given.
    PowerCutWith { seed: u64, survival: Survival },
}

/// By which rule unsynced things survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survival {
    /// Each sector, length and name by its own chance: any version, torn, or zeros.
    Mixed,
    /// Each file and each name as a whole by its own chance: lost, kept, or mixed.
    PerFile,
    /// Nothing that was not synced.
    Nothing,
    /// Everything, as after a kill.
    Everything,
    /// Everything up to a moment, and the change of that moment torn: what a disk leaves that keeps the order.
    Oldest,
    /// Only what was changed last since a moment; what was written before that is lost.
    Newest,
    /// All names but no bytes: files are there, as empty as at their last sync.
    NamesOnly,
    /// All bytes but no names.
    BytesOnly,
}

impl Survival {
    /// One of each.
    pub(crate) const ALL: [Survival; 8] = [
        Survival::Mixed,
        Survival::PerFile,
        Survival::Nothing,
        Survival::Everything,
        Survival::Oldest,
        Survival::Newest,
        Survival::NamesOnly,
        Survival::BytesOnly,
    ];

    fn drawn(rng: &mut Rng) -> Survival {
        // The first two have many outcomes, the others few: half of all cuts go to them.
        if rng.percent(50) { Self::ALL[rng.index(2)] } else { Self::ALL[2 + rng.index(Self::ALL.len() - 2)] }
    }
}

/// The chance of one power cut.
#[derive(Debug)]
pub(crate) struct Luck {
    pub(crate) rng: Rng,
    survival: Survival,
    rule: Rule,
    /// The moment of [`Survival::Oldest`] and [`Survival::Newest`], as a stamp.
    moment: u64,
}

/// What holds for the file or name at hand.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Nothing,
    Everything,
    Until(u64),
    Since(u64),
    Free,
}

/// Which version survives: 0 is the durable one, `n` the n-th since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) version: usize,
    /// Whether it may be torn, zeroed or cut in between as well.
    pub(crate) is_free: bool,
}

impl Luck {
    /// The luck of a power cut; `stamps` are those of everything unsynced. `None` if the crash is no power cut.
    pub(crate) fn of(crash: Crash, stamps: impl Iterator<Item = u64>) -> Option<Luck> {
        let (seed, forced) = match crash {
            Crash::Kill => return None,
            Crash::PowerCut { seed } => (seed, None),
            Crash::PowerCutWith { seed, survival } => (seed, Some(survival)),
        };
        let mut rng = Rng::new(seed);
        let survival = forced.unwrap_or_else(|| Survival::drawn(&mut rng));
        let moment = match survival {
            Survival::Oldest | Survival::Newest => {
                let stamps: Vec<u64> = stamps.collect();
                stamps.get(rng.index(stamps.len())).copied().unwrap_or(0)
            }
            _ => 0,
        };
        Some(Luck { rng, survival, rule: Rule::Nothing, moment })
    }

    /// Settles the rule for the bytes of the next file.
    pub(crate) fn next_file(&mut self) {
        self.rule = self.rule_for(Survival::BytesOnly);
    }

    /// Settles the rule for the next name.
    pub(crate) fn next_name(&mut self) {
        self.rule = self.rule_for(Survival::NamesOnly);
    }

    /// Chooses among the durable version (0) and those with the given stamps, in their order.
    pub(crate) fn choose(&mut self, stamps: &[u64]) -> Choice {
        let newest = stamps.len();
        let fixed = |version| Choice { version, is_free: false };
        match self.rule {
            _ if stamps.is_empty() => fixed(0),
            Rule::Nothing => fixed(0),
            Rule::Everything => fixed(newest),
            Rule::Since(moment) => fixed(if stamps[newest - 1] >= moment { newest } else { 0 }),
            Rule::Until(moment) => match stamps.partition_point(|&stamp| stamp <= moment) {
                last if last > 0 && stamps[last - 1] == moment => {
                    Choice { version: last - self.rng.index(2), is_free: true }
                }
                last => fixed(last),
            },
            Rule::Free => Choice { version: self.any_version(newest), is_free: true },
        }
    }

    fn any_version(&mut self, newest: usize) -> usize {
        match self.rng.below(100) {
            0..45 => newest,
            45..75 => 0,
            _ => self.rng.index(newest + 1),
        }
    }

    /// `kept_by` is the survival that keeps this sort of thing and loses the other.
    fn rule_for(&mut self, kept_by: Survival) -> Rule {
        match self.survival {
            Survival::Mixed => Rule::Free,
            Survival::PerFile => [Rule::Nothing, Rule::Everything, Rule::Free][self.rng.index(3)],
            Survival::Nothing => Rule::Nothing,
            Survival::Everything => Rule::Everything,
            Survival::Oldest => Rule::Until(self.moment),
            Survival::Newest => Rule::Since(self.moment),
            Survival::NamesOnly | Survival::BytesOnly if self.survival == kept_by => Rule::Everything,
            Survival::NamesOnly | Survival::BytesOnly => Rule::Nothing,
        }
    }
}
