//! What a sweep found, counted by verdict and by site.

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use super::{Record, Swept};
use crate::verdict::{Row, Severity, table};

/// The counts of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows of the list.
    pub rows: usize,
    /// Rows with a result.
    pub finished: usize,
    /// Rows without one.
    pub missing: usize,
    /// Rows that ask what an earlier row asks.
    pub repeats: usize,
    /// Finished rows that were silent at the first try.
    pub tried_again: usize,
    /// Of these, the rows that answered at the second.
    pub answered_again: usize,
    /// The worst first, then the most frequent.
    pub by_verdict: Vec<OfVerdict>,
    /// The worst first, then in the order of the list; none where no row names a site.
    pub by_site: Vec<OfSite>,
}

/// Rows with one verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfVerdict {
    /// `stage.code`.
    pub verdict: String,
    /// How much it matters.
    pub severity: Severity,
    /// How many rows.
    pub rows: usize,
    /// What is the matter with the first of them.
    pub cause: String,
    /// What to do about the first of them.
    pub remedy: Option<String>,
    /// The first of them, at most [`EXAMPLES_MAX`].
    pub examples: Vec<Example>,
}

/// One row as an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its site.
    pub site: String,
    /// Its target.
    pub target: String,
}

/// Rows of one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfSite {
    /// The site; empty for rows that name none.
    pub site: String,
    /// How many rows.
    pub rows: usize,
    /// Rows without a result.
    pub missing: usize,
    /// Healthy rows.
    pub ok: usize,
    /// Rows with something worth knowing.
    pub info: usize,
    /// Rows about which somebody should act.
    pub warning: usize,
    /// Rows at which clients cannot activate.
    pub critical: usize,
    /// The verdicts of the finished rows with their counts, in the order of the summary.
    pub verdicts: Vec<(String, usize)>,
}

impl Summary {
    /// Counts what is in the journal.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn of(swept: &Swept) -> anyhow::Result<Self> {
        let mut counting = Counting::default();
        for (number, row) in swept.rows.iter().enumerate() {
            counting.repeats += usize::from(row.repeats_line.is_some());
            counting.count(&row.site, swept.journal.record(number)?);
        }
        Ok(counting.summary(swept))
    }

    /// The worst verdict; none where nothing is finished.
    #[must_use]
    pub fn worst(&self) -> Option<&OfVerdict> {
        self.by_verdict.first()
    }

    /// The worst severity.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.worst().map_or(Severity::Ok, |worst| worst.severity)
    }
}

impl OfVerdict {
    /// Without rows; the meaning is that of `first`.
    fn new(first: &Record) -> Self {
        let (cause, remedy) = first.meaning().unwrap_or_default();
        Self {
            verdict: first.verdict.clone(),
            severity: first.severity,
            rows: 0,
            cause: cause.to_owned(),
            remedy: remedy.map(ToOwned::to_owned),
            examples: Vec::new(),
        }
    }

    /// Its row of the verdict table.
    #[must_use]
    pub fn row(&self) -> Option<&'static Row> {
        table::find(&self.verdict)
    }
}

impl OfSite {
    /// The worst severity of the site; none where nothing is finished.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let counts = [
            (self.critical, Severity::Critical),
            (self.warning, Severity::Warning),
            (self.info, Severity::Info),
            (self.ok, Severity::Ok),
        ];
        counts.into_iter().find(|(count, _)| *count > 0).map(|(_, severity)| severity)
    }
}

#[derive(Default)]
struct Counting {
    repeats: usize,
    tried_again: usize,
    answered_again: usize,
    verdicts: Vec<OfVerdict>,
    place_of_verdict: HashMap<(String, Severity), usize>,
    sites: Vec<(OfSite, HashMap<String, usize>)>,
    place_of_site: HashMap<String, usize>,
}

impl Counting {
    fn count(&mut self, site: &str, record: Option<Record>) {
        let place = *self.place_of_site.entry(site.to_owned()).or_insert_with(|| {
            self.sites.push((OfSite::new(site), HashMap::new()));
            self.sites.len() - 1
        });
        let Some((of_site, verdicts)) = self.sites.get_mut(place) else { return };
        of_site.rows += 1;
        let Some(record) = record else {
            of_site.missing += 1;
            return;
        };
        *of_site.of(record.severity) += 1;
        *verdicts.entry(record.verdict.clone()).or_default() += 1;
        if record.attempts > 1 {
            self.tried_again += 1;
            let is_silent = record.targets.iter().any(|place| place.verdict == SILENT);
            self.answered_again += usize::from(!is_silent);
        }
        self.count_verdict(record);
    }

    fn count_verdict(&mut self, record: Record) {
        let key = (record.verdict.clone(), record.severity);
        let place = match self.place_of_verdict.get(&key) {
            Some(&place) => place,
            None => {
                self.verdicts.push(OfVerdict::new(&record));
                self.place_of_verdict.insert(key, self.verdicts.len() - 1);
                self.verdicts.len() - 1
            }
        };
        let Some(of_verdict) = self.verdicts.get_mut(place) else { return };
        of_verdict.rows += 1;
        if of_verdict.examples.len() < EXAMPLES_MAX {
            let Record { site, target, .. } = record;
            of_verdict.examples.push(Example { site, target });
        }
    }

    fn summary(self, swept: &Swept) -> Summary {
        let mut by_verdict = self.verdicts;
        // Stable: equals stay in the order in which the list has them.
        by_verdict.sort_by_key(|of| Reverse((of.severity, of.rows)));
        let in_order = |verdicts: HashMap<String, usize>| {
            let mut counts: Vec<(String, usize)> = Vec::new();
            for of_verdict in &by_verdict {
                let name = &of_verdict.verdict;
                if let Some(&count) = verdicts.get(name)
                    && !counts.iter().any(|(known, _)| known == name)
                {
                    counts.push((name.clone(), count));
                }
            }
            counts
        };
        let has_sites = self.sites.iter().any(|(site, _)| !site.site.is_empty());
        let sites = self.sites.into_iter().filter(|_| has_sites);
        let mut by_site: Vec<OfSite> =
            sites.map(|(site, verdicts)| OfSite { verdicts: in_order(verdicts), ..site }).collect();
        by_site.sort_by_key(|site| Reverse((site.critical, site.warning, site.missing)));
        Summary {
            rows: swept.journal.rows(),
            finished: swept.journal.finished(),
            missing: swept.missing(),
            repeats: self.repeats,
            tried_again: self.tried_again,
            answered_again: self.answered_again,
            by_verdict,
            by_site,
        }
    }
}

impl OfSite {
    fn new(site: &str) -> Self {
        Self {
            site: site.to_owned(),
            rows: 0,
            missing: 0,
            ok: 0,
            info: 0,
            warning: 0,
            critical: 0,
            verdicts: Vec::new(),
        }
    }

    fn of(&mut self, severity: Severity) -> &mut usize {
        match severity {
            Severity::Ok => &mut self.ok,
            Severity::Info => &mut self.info,
            Severity::Warning => &mut self.warning,
            Severity::Critical => &mut self.critical,
        }
    }
}

/// Rows named for each verdict.
pub const EXAMPLES_MAX: usize = 3;

/// The verdict that is tried once more.
const SILENT: &str = "tcp.timeout";
