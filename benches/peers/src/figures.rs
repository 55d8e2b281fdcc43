//! What was measured, by work and contestant, for those who look at it afterwards: goals and plots.

/// What is known of a latency, in microseconds: what half of all, all but one in a hundred, and all but one in a thousand
/// do not exceed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rates: Vec<(String, &'static str, f64)>,
    times: Vec<(String, &'static str, Percentiles)>,
}

impl Figures {
    /// How many records a second it was, in the median.
    pub(crate) fn add_rate(&mut self, work: &str, who: &'static str, rate: f64) {
        self.rates.push((work.to_owned(), who, rate));
    }

    pub(crate) fn add_times(&mut self, work: &str, who: &'static str, times: Percentiles) {
        self.times.push((work.to_owned(), who, times));
    }

    /// None if he failed, or was not asked.
    pub(crate) fn rate(&self, work: &str, who: &str) -> Option<f64> {
        find(&self.rates, work, who)
    }

    pub(crate) fn times(&self, work: &str, who: &str) -> Option<Percentiles> {
        find(&self.times, work, who)
    }

    /// The best of these, as far as they have figures; none if nobody has.
    pub(crate) fn best_rate(&self, work: &str, whose: &[&str]) -> Option<f64> {
        whose.iter().filter_map(|who| self.rate(work, who)).max_by(f64::total_cmp)
    }
}

fn find<T: Copy>(all: &[(String, &'static str, T)], work: &str, who: &str) -> Option<T> {
    all.iter().find(|(of, by, _)| of == work && *by == who).map(|(_, _, figure)| *figure)
}
